"""Regions of images as the points of a pool."""

import jax
import numpy as np

from bal.datasets._points import num_points
from bal.regions import Regions, divided
from bal.sources import Source
from bal.types import Dataset


def by_region(dataset: Dataset, *, grid: tuple[int, ...]) -> Dataset:
    """The pool with each cell of a grid as a point of its own, labelled by itself. The test set keeps whole images.

    A network for this pool is :func:`bal.networks.on_regions` of one for the images: it sees the whole image, and
    predicts it once for all of its regions. Region p of image i has pool index ``i * P + p``, with P regions an image,
    numbered along the last space axis first. Regions of equal size are labels of equal weight: a model fitted on all
    regions of an image minimises the loss of the image.

    Args:
      dataset: a dense one, with labels [n, H, W, ...] at the positions of its inputs [n, H, W, ...].
      grid: regions along each space axis, such as (4, 4).

    Raises:
      ValueError: a grid that does not divide the images or the labels, boxes instead of labels at positions, or inputs
        that are regions already.

    Example:
      >>> import bal
      >>> images = np.zeros((2, 8, 8, 1), np.float32)
      >>> whole = bal.datasets.from_arrays(images, np.zeros((2, 8, 8), np.int32))
      >>> regions = by_region(whole, grid=(2, 2))
      >>> bal.streaming.num_points(regions.pool_inputs), regions.pool_labels.shape
      (8, (8, 4, 4))
    """
    if isinstance(dataset.pool_inputs, Regions):
        raise ValueError("expected a pool of whole images for by_region, got one of regions")
    if isinstance(dataset.pool_labels, dict) and "boxes" in dataset.pool_labels:
        raise ValueError("expected a label at each position for by_region, got boxes: ask for whole images of objects")
    pool = dataset.pool_inputs
    for leaf in jax.tree.leaves(pool.shapes(1) if isinstance(pool, Source) else pool):
        divided(np.empty((0, *leaf.shape[1:])), grid)
    size = num_points(dataset.pool_inputs)
    labels = dataset.pool_labels
    if labels is not None:
        cut = jax.tree.map(lambda leaf: divided(leaf, grid), labels)
        labels = jax.tree.map(lambda leaf: leaf.reshape(size * leaf.shape[1], *leaf.shape[2:]), cut)
    return dataset._replace(pool_inputs=Regions(dataset.pool_inputs, None, grid), pool_labels=labels)
