"""Pools with few points of class 1: a table of proteins, digits made rare, and folders of images."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import bal
from bal.studies.plugins import find_factory

CLIP = 5.0  # deviations from the mean: some scores of matches are hundreds away, and would be all that a network sees
IMAGE_SIZE = 64  # pixels, of images in folders
NUM_COMPONENTS = 64


class Problem(NamedTuple):
    """A pool with a rare class, and its images where it has any."""

    dataset: bal.Dataset
    images: np.ndarray | None = None  # [N, height, width, channels] of the pool


def protein_homology(*, num_pool: int, num_test: int) -> Problem:
    """A random part of the table of protein pairs, with inputs within five deviations."""
    dataset = bal.datasets.load("protein_homology")
    dataset = bal.datasets.map_inputs(dataset, lambda inputs: np.clip(inputs, -CLIP, CLIP))
    return Problem(bal.datasets.subset(jax.random.key(0), dataset, num_pool=num_pool, num_test=num_test))


def rare_digits(*, positive: int = 8, share: float = 0.011) -> Problem:
    """The digits, of which one is the positive class and about 1 % of the pool; the test set keeps all of them."""
    dataset = bal.datasets.load("digits")

    def binary(labels: Any) -> np.ndarray:
        return (np.asarray(labels) == positive).astype(np.int32)

    dataset = dataset._replace(
        pool_labels=binary(dataset.pool_labels),
        test_labels=binary(dataset.test_labels),
        about=dataclasses.replace(dataset.about, num_classes=2),
    )
    num_negative, num_positive = np.bincount(np.asarray(dataset.pool_labels))
    kept = share / (1 - share) * num_negative / num_positive
    dataset = bal.datasets.imbalanced(jax.random.key(0), dataset, class_fractions=(1.0, float(kept)))
    return Problem(dataset, np.asarray(dataset.pool_inputs))


def image_folder(path: Path, encoder: str | None) -> Problem:
    """Frozen features of images in two sub-folders; class 1 is the rarer one.

    Args:
      path: see :func:`bal.datasets.from_folder`; images are scaled to 64 pixels.
      encoder: ``module:function`` from bytes [n, 64, 64, 3] to features [n, D]; None takes the principal components of
        the pool's pixels.
    """
    dataset = bal.datasets.from_folder(path, size=IMAGE_SIZE)
    names, images = dataset.about.label_names, np.asarray(dataset.pool_inputs)
    if len(names) != 2:
        raise ValueError(f"expected a folder of two classes, got {len(names)}: {', '.join(names)}")
    encode = principal_components(images) if encoder is None else find_factory("encoder", encoder, {})
    dataset = bal.datasets.normalised(bal.datasets.map_inputs(dataset, lambda inputs: np.asarray(encode(inputs))))
    pool_labels, test_labels = np.asarray(dataset.pool_labels), np.asarray(dataset.test_labels)
    if pool_labels.mean() > 0.5:
        dataset = dataset._replace(
            pool_labels=1 - pool_labels,
            test_labels=1 - test_labels,
            about=dataclasses.replace(dataset.about, label_names=names[::-1]),
        )
    return Problem(dataset, images / 255)


def principal_components(images: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A function from images to their coordinates along the directions in which those of the pool differ most."""
    pixels = images.reshape(len(images), -1).astype(np.float32) / 255
    mean = pixels.mean(axis=0)
    # The Gram matrix of the images is far smaller than the covariance of their pixels.
    values, vectors = np.linalg.eigh((pixels - mean) @ (pixels - mean).T)
    kept = min(NUM_COMPONENTS, len(images) - 1)
    directions = (pixels - mean).T @ (vectors[:, -kept:] / np.sqrt(np.maximum(values[-kept:], 1e-6)))
    return lambda inputs: (inputs.reshape(len(inputs), -1).astype(np.float32) / 255 - mean) @ directions
