"""Points as pytrees of arrays whose first axis is the point, or on disk: names of leaves, their length, their rows."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from bal.sources import Source, read_rows
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
    if isinstance(tree, Source):
        return tree.size
    return len(jax.tree.leaves(tree)[0])


def take_rows(tree: PyTree, indices: np.ndarray) -> PyTree:
    """The points with these indices, in memory."""
    if isinstance(tree, Source):
        return jax.tree.unflatten(tree.structure, read_rows(tree, indices))
    return jax.tree.map(lambda leaf: leaf[indices], tree)


def take_pool(dataset: Dataset, indices: np.ndarray) -> Dataset:
    """The data set with only these points in its pool, which stays where it is."""
    pool, labels = dataset.pool_inputs, take_rows(dataset.pool_labels, indices)
    inputs = pool.part(indices) if isinstance(pool, Source) else take_rows(pool, indices)
    return dataset._replace(pool_inputs=inputs, pool_labels=labels)


def check_in_memory(what: str, dataset: Dataset) -> None:
    """Raise if a function of all inputs gets a pool on disk."""
    if isinstance(dataset.pool_inputs, Source):
        raise ValueError(
            f"expected a pool in memory for {what}, got one on disk: change its rows in Source(transform=)"
        )


def map_inputs(dataset: Dataset, fn: Callable[[PyTree], PyTree]) -> Dataset:
    """Apply one function to all inputs of a data set: pool, test, targets, validation, and calibration.

    Labels, weights, and ``about`` do not change.

    Args:
      dataset: its inputs may be any pytree.
      fn: from inputs of n points to inputs of the same n points. If it has parameters, fit them to the pool only: the
        other inputs stand for points that are not known yet.

    Returns:
      A new data set.

    Raises:
      ValueError: a pool on disk.

    Example:
      >>> from bal.datasets import from_arrays
      >>> images = np.full((2, 8, 8, 1), 255, np.uint8)
      >>> scaled = map_inputs(from_arrays(images, [0, 1]), lambda images: images.astype(np.float32) / 255)
      >>> float(scaled.pool_inputs.max())
      1.0
    """
    check_in_memory("map_inputs", dataset)

    def map_batch(batch: Batch | None) -> Batch | None:
        return None if batch is None else batch._replace(inputs=fn(batch.inputs))

    return dataset._replace(
        pool_inputs=fn(dataset.pool_inputs),
        test_inputs=None if dataset.test_inputs is None else fn(dataset.test_inputs),
        target_inputs=None if dataset.target_inputs is None else fn(dataset.target_inputs),
        validation=map_batch(dataset.validation),
        calibration=map_batch(dataset.calibration),
    )
