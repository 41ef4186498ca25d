"""Scenes in which a small detector learns something within a thousand steps: of two digits that look different."""

import dataclasses
import functools

import jax
import numpy as np

import bal

DIGITS = (0, 7)
IMAGE_SIZE = 48
NUM_POOL, NUM_TEST = 1000, 200
NUM_DIGITS = 286  # zeros and sevens in the pool of digits


@functools.cache  # a study loads them for the grid and for the page
def zeros_and_sevens() -> bal.Dataset:
    """Scenes of 48 x 48 pixels with the digits 0 and 7, which are classes 0 and 1. No digit is in both parts."""
    source = bal.datasets.load("digits")
    pool = _scenes(0, source.pool_inputs, source.pool_labels)
    test = jax.tree.map(lambda leaf: leaf[:NUM_TEST], _scenes(1, source.test_inputs, source.test_labels))
    dataset = bal.datasets.from_arrays(*pool, *test, num_classes=len(DIGITS))
    about = dataclasses.replace(dataset.about, label_names=tuple(map(str, DIGITS)))
    return dataset._replace(about=about)


def _scenes(part: int, images, classes) -> tuple:
    """Images and boxes. Both parts have the same shapes, so that one program, which is slow to compile, draws them."""
    # Fewer digits are repeated.
    chosen = np.resize(np.flatnonzero(np.isin(classes, DIGITS)), NUM_DIGITS)
    digits = np.asarray(images)[chosen], np.searchsorted(DIGITS, np.asarray(classes)[chosen])
    key = jax.random.fold_in(jax.random.key(0), part)
    scenes = bal.datasets.digit_scenes(
        key, NUM_POOL, image_size=IMAGE_SIZE, mean_objects=2.5, max_objects=4, digits=digits
    )
    labels = {"boxes": scenes.boxes, "classes": scenes.classes, "present": scenes.present}
    return jax.tree.map(np.asarray, (scenes.image, labels))
