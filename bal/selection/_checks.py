"""Checks of the input of batch rules, before anything compiles."""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from bal.types import PyTree, RngKey
from bal.validation import check_count, check_key, check_nonnegative


def check_request(rng_key: RngKey, available: Array, batch_size: int) -> None:
    """Raise unless given one key, a mask over at least one point, and a batch size of at most the number of points."""
    check_key(rng_key)
    if available.ndim != 1 or available.dtype != bool:
        hint = ": use jnp.zeros(N, bool).at[indices].set(True)" if available.ndim == 1 else ""
        raise ValueError(
            f"expected available to be a mask of dtype bool and shape [N], got dtype {available.dtype} "
            f"and shape {list(available.shape)}{hint}"
        )
    if available.shape[0] == 0:
        raise ValueError("expected a pool of at least one point, got none")
    check_count("batch_size", batch_size)
    if batch_size > available.shape[0]:
        raise ValueError(f"expected batch_size of at most the number of points {available.shape[0]}, got {batch_size}")


def as_floats(name: str, value: Array, *shape: int | str) -> Array:
    """The array in floating point, integers and masks converted; raise unless it has this shape.

    Args:
      name: what the message calls it.
      value: an array.
      shape: the length of each axis, or the letter of one of any length.
    """
    agrees = value.ndim == len(shape) and all(
        isinstance(expected, str) or length == expected for length, expected in zip(value.shape, shape, strict=True)
    )
    if not agrees:
        letters = ", ".join(map(str, shape))
        raise ValueError(f"expected {name} to have shape [{letters}], got {list(value.shape)}")
    return value if jnp.issubdtype(value.dtype, jnp.floating) else jnp.asarray(value, float)


def as_points(name: str, points: PyTree, num_points: int, *, linear: bool) -> PyTree:
    """Points of a kernel, one row each; those of the linear kernel are features [N, D]."""
    if linear:
        return as_floats(name, points, num_points, "D")
    check_rows(num_points, **{name: points})
    return points


def check_rows(num_points: int, **points: PyTree) -> None:
    """Raise unless every leaf of every argument has one row per point."""
    for name, tree in points.items():
        for leaf in jax.tree.leaves(tree):
            if leaf.ndim == 0 or leaf.shape[0] != num_points:
                raise ValueError(f"expected {name} to have {num_points} rows, one per point, got shape {leaf.shape}")


def check_labelled(points: PyTree, **labelled: PyTree) -> None:
    """Raise unless labelled points have the structure and row shapes of the points, and weights of at least 0.

    Args:
      points: the points of the pool.
      labelled: two arguments by their names, the labelled points and their weights. Either may be None.
    """
    (rows_name, rows), (weights_name, weights) = labelled.items()
    if rows is None:
        if weights is not None:
            raise ValueError(f"expected {rows_name} together with {weights_name}, got {weights_name} alone")
        return
    if len({jax.tree.structure(points), jax.tree.structure(rows)}) > 1:
        raise ValueError(f"expected {rows_name} of the structure of the points, got {jax.tree.structure(rows)}")
    for leaf, row_leaf in zip(jax.tree.leaves(points), jax.tree.leaves(rows), strict=True):
        if leaf.shape[1:] != row_leaf.shape[1:] or row_leaf.ndim == 0:
            raise ValueError(f"expected {rows_name} with rows of shape {leaf.shape[1:]}, got shape {row_leaf.shape}")
    if weights is not None:
        num_labelled = jax.tree.leaves(rows)[0].shape[0]
        as_floats(weights_name, weights, num_labelled)
        check_nonnegative(**{weights_name: weights})
