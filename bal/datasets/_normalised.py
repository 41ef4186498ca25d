"""Inputs standardised by the statistics of the pool."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bal.datasets._points import check_in_memory, map_inputs, named_leaves
from bal.types import Dataset, PyTree


class Scale(NamedTuple):
    """Mean and standard deviation of each channel."""

    mean: np.ndarray  # [C]
    deviation: np.ndarray  # [C], 1 where a channel never varies
    varies: np.ndarray  # [C]


def normalised(dataset: Dataset) -> Dataset:
    """Inputs whose last axis (the channels of an image) has mean 0 and variance 1 over the pool.

    All other inputs of the data set are shifted and scaled by the same numbers. A channel that never varies is only
    shifted. Floating leaves are normalised; integers such as token ids, and booleans, do not change.

    Args:
      dataset: at least one leaf of its inputs is floating.

    Returns:
      A new data set with the same dtypes.

    Raises:
      ValueError: integer images, no floating leaf, or a pool on disk.

    Example:
      >>> from bal.datasets import from_arrays
      >>> normalised(from_arrays(np.array([[1.0], [3.0]]), None)).pool_inputs.tolist()
      [[-1.0], [1.0]]
    """
    check_in_memory("normalised (--normalise)", dataset)
    pool = named_leaves("pool_inputs", dataset.pool_inputs)
    for name, leaf in pool.items():
        # Three axes: [N, H, W] and more are images; [N] and [N, L] may be ids.
        if jnp.issubdtype(leaf.dtype, jnp.integer) and leaf.ndim > 2:
            raise ValueError(
                f"expected floating images to normalise, got {leaf.dtype} in {name}: "
                "convert them first with bal.datasets.map_inputs, as in images.astype(np.float32) / 255"
            )
    if not any(_is_floating(leaf) for leaf in pool.values()):
        raise ValueError(f"expected floating pool_inputs to normalise, got {next(iter(pool.values())).dtype}")
    leaves, structure = jax.tree.flatten(dataset.pool_inputs)
    scales = [scale_of(np.asarray(leaf)) if _is_floating(leaf) else None for leaf in leaves]

    def normalise(inputs: PyTree) -> PyTree:
        parts = zip(jax.tree.leaves(inputs), scales, strict=True)
        return jax.tree.unflatten(
            structure, [leaf if scale is None else scaled(np.asarray(leaf), scale) for leaf, scale in parts]
        )

    return map_inputs(dataset, normalise)


def scale_of(values: np.ndarray) -> Scale:
    """Mean and standard deviation along the last axis, over everything else; an array [N] is one channel."""
    axes = tuple(range(max(1, values.ndim - 1)))
    mean, deviation = values.mean(axes, dtype=np.float64), values.std(axes, dtype=np.float64)
    # The deviation of equal values is rounding error; a different value in the test set must not be divided by it.
    varies = deviation > 4 * float(jnp.finfo(values.dtype).eps) * np.abs(mean)
    return Scale(mean, np.where(varies, deviation, 1.0), varies)


def scaled(values: np.ndarray, scale: Scale) -> np.ndarray:
    """Values minus the mean, divided by the deviation, in their original dtype."""
    # Half precision is rounded once, at the end.
    dtype = np.promote_types(values.dtype, np.float32)
    result = (values.astype(dtype) - scale.mean.astype(dtype)) / scale.deviation.astype(dtype)
    return result.astype(values.dtype)


def _is_floating(leaf) -> bool:
    return jnp.issubdtype(leaf.dtype, jnp.floating)
