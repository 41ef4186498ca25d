"""Pytrees of arrays whose first axis is the point: the names of their leaves, their length, their rows."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from bal.types import Batch, Dataset, PyTree


def named_leaves(name: str, tree: PyTree) -> dict[str, Any]:
    """The leaves of a pytree by their names in messages.

    Example:
      >>> list(named_leaves("pool_inputs", {"image": np.zeros(3), "meta": np.zeros(3)}))
      ["pool_inputs['image']", "pool_inputs['meta']"]
    """
    return {f"{name}{jax.tree_util.keystr(path)}": leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def num_points(tree: PyTree) -> int:
    """Length of the first axis, which all leaves share."""
    return len(jax.tree.leaves(tree)[0])


def take_rows(tree: PyTree, indices: np.ndarray) -> PyTree:
    """The points with these indices."""
    return jax.tree.map(lambda leaf: leaf[indices], tree)


def take_pool(dataset: Dataset, indices: np.ndarray) -> Dataset:
    """The data set with only these points in its pool."""
    inputs, labels = take_rows((dataset.pool_inputs, dataset.pool_labels), indices)
    return dataset._replace(pool_inputs=inputs, pool_labels=labels)


def map_inputs(dataset: Dataset, fn: Callable[[PyTree], PyTree]) -> Dataset:
    """Apply one function to all inputs of a data set: pool, test, targets, validation, and calibration.

    Labels, weights, and ``about`` do not change.

    Args:
      dataset: its inputs may be any pytree.
      fn: from inputs of n points to inputs of the same n points. If it has parameters, fit them to the pool only: the
        other inputs stand for points that are not known yet.

    Returns:
      A new data set.

    Example:
      >>> from bal.datasets import from_arrays
      >>> images = np.full((2, 8, 8, 1), 255, np.uint8)
      >>> scaled = map_inputs(from_arrays(images, [0, 1]), lambda images: images.astype(np.float32) / 255)
      >>> float(scaled.pool_inputs.max())
      1.0
    """

    def map_batch(batch: Batch | None) -> Batch | None:
        return None if batch is None else batch._replace(inputs=fn(batch.inputs))

    return dataset._replace(
        pool_inputs=fn(dataset.pool_inputs),
        test_inputs=None if dataset.test_inputs is None else fn(dataset.test_inputs),
        target_inputs=None if dataset.target_inputs is None else fn(dataset.target_inputs),
        validation=map_batch(dataset.validation),
        calibration=map_batch(dataset.calibration),
    )
