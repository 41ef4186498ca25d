"""Segmentation, detection and depth sets of TensorFlow Datasets, brought to images of one size.

Images of a set differ in size, so each is resized to a square: what is in them may look wider or narrower than it is.
They are read one by one, because a set at its full size does not fit in memory.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Shaped

from bal.datasets._arrays import from_arrays
from bal.datasets._depth import with_depth
from bal.datasets._tfds import pool_and_test, prepared_builder
from bal.types import Dataset, PyTree
from bal.validation import check_count

VOID = 255  # in segmentations: no label
PETS = {1: 1, 2: 0}  # values in the masks of the pets -> classes; the third value is the border, which has no label


def oxford_iiit_pet(image_size: int = 64, *, data_dir: str | Path | None = None, download: bool = True) -> Dataset:
    """Segmentation: 7,349 photographs of cats and dogs; labels [n, H, W] 0 background, 1 pet, 255 border (void).

    Args:
      image_size: rows and columns to which images are brought.
      data_dir: where TFDS keeps prepared sets; None is its default.
      download: whether TFDS may download and prepare the set.

    References:
      Parkhi et al. 2012, Cats and dogs, CVPR
    """

    def label(row) -> np.ndarray:
        mask = _resize(row["segmentation_mask"][..., 0], image_size, smooth=False)
        return np.select([mask == value for value in PETS], list(PETS.values()), VOID).astype(np.int32)

    _, *parts = _read("oxford_iiit_pet", label, image_size, data_dir, download)
    names = ("background", "pet")
    dataset = from_arrays(*parts, num_classes=len(names), void=VOID)
    return dataset._replace(about=dataclasses.replace(dataset.about, label_names=names))


def voc(image_size: int = 64, *, data_dir: str | Path | None = None, download: bool = True) -> Dataset:
    """Detection: Pascal VOC 2007, 2,501 photographs in the pool and 4,952 in the test set, objects of 20 classes.

    Labels are a dict of ``boxes`` [n, M, 4] as (y0, x0, y1, x1) in pixels, ``classes`` [n, M] and ``present`` [n, M]
    (False: padding), with M the largest number of objects in an image. Objects that are marked difficult are left out,
    as the benchmark does not count them.

    Args:
      image_size: rows and columns to which images are brought.
      data_dir: where TFDS keeps prepared sets; None is its default.
      download: whether TFDS may download and prepare the set.

    References:
      Everingham et al. 2010, The Pascal visual object classes challenge, IJCV 88
    """

    def label(row) -> dict[str, np.ndarray]:
        counted = ~np.asarray(row["objects"]["is_difficult"], bool)
        boxes = np.asarray(row["objects"]["bbox"], np.float32).reshape(-1, 4)
        return {
            "boxes": image_size * boxes[counted],
            "classes": np.asarray(row["objects"]["label"], np.int32)[counted],
            "present": np.ones(counted.sum(), bool),
        }

    builder, *parts = _read("voc", label, image_size, data_dir, download)
    pool_inputs, pool_objects, test_inputs, test_objects = parts
    room = max(1, *(len(objects["classes"]) for objects in [*pool_objects, *test_objects]))
    names = tuple(builder.info.features["objects"]["label"].names)
    dataset = from_arrays(
        pool_inputs, _pad(pool_objects, room), test_inputs, _pad(test_objects, room), num_classes=len(names)
    )
    return dataset._replace(about=dataclasses.replace(dataset.about, label_names=names))


def nyu_depth_v2(image_size: int = 64, *, data_dir: str | Path | None = None, download: bool = True) -> Dataset:
    """Depth: 47,584 photographs of rooms in the pool and 654 in the test set, with depth that a Kinect measured.

    Labels [n, H, W] are standardised by the pool, with their unit in ``about``, and NaN where nothing was measured.

    Args:
      image_size: rows and columns to which images are brought; with 64, the data set takes 3 GB of memory.
      data_dir: where TFDS keeps prepared sets; None is its default.
      download: whether TFDS may download and prepare the set.

    References:
      Silberman et al. 2012, Indoor segmentation and support inference from RGBD images, ECCV
    """

    def label(row) -> np.ndarray:
        # The nearest pixel: a mean over the border of an object is a depth that nothing has.
        depth = _resize(np.asarray(row["depth"], np.float32), image_size, smooth=False)
        return np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(np.nan))

    _, *parts = _read("nyu_depth_v2", label, image_size, data_dir, download)
    return with_depth(*parts)


def _read(
    name: str,
    label: Callable[[Any], PyTree],
    image_size: int,
    data_dir: str | Path | None,
    download: bool,
) -> tuple[Any, np.ndarray, Any, np.ndarray, Any]:
    """The builder, and the inputs and labels of pool and test set: arrays, or a list where labels are dicts."""
    check_count("image_size", image_size)
    builder = prepared_builder(name, data_dir=data_dir, download=download)
    parts: list[Any] = []
    for source in pool_and_test(builder):
        images = np.empty((len(source), image_size, image_size, 3), np.float32)
        labels = []
        for index in range(len(source)):
            row = source[index]
            images[index] = _resize(row["image"], image_size, smooth=True) / np.float32(255)
            labels.append(label(row))
        parts += [images, labels if isinstance(labels[0], dict) else np.stack(labels)]
    return builder, *parts


def _resize(image: Shaped[np.ndarray, "h w *c"], size: int, *, smooth: bool) -> Shaped[np.ndarray, "{size} {size} *c"]:
    """Bring an image to a square, by means over its pixels or by the nearest pixel."""
    from PIL import Image

    method = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(image).resize((size, size), method))


def _pad(objects: list[dict[str, np.ndarray]], room: int) -> dict[str, Shaped[np.ndarray, "n {room} ..."]]:
    """The objects of each image as arrays of one length; padding is 0 and not present."""

    def pad(*leaves: np.ndarray) -> np.ndarray:
        padded = np.zeros((len(leaves), room, *leaves[0].shape[1:]), leaves[0].dtype)
        for row, leaf in zip(padded, leaves, strict=True):
            row[: len(leaf)] = leaf
        return padded

    return jax.tree.map(pad, *objects)
