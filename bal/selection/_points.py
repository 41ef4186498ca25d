"""Which points a rule may look at, and the errors that speak of them before anything compiles."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from bal.types import PyTree
from bal.validation import is_concrete


def check_rows(num_points: int, **points: PyTree) -> None:
    """Raise ``ValueError`` unless every leaf of every argument has one row a point."""
    for name, tree in points.items():
        for leaf in jax.tree.leaves(tree):
            if leaf.ndim == 0 or leaf.shape[0] != num_points:
                raise ValueError(f"expected {name} to have {num_points} rows, one a point, got shape {leaf.shape}")


def check_labelled(points: PyTree, **labelled: PyTree) -> None:
    """Raise ``ValueError`` unless labelled points look like points, each with a weight that is not negative.

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
        if leaf.shape[1:] != row_leaf.shape[1:]:
            raise ValueError(f"expected {rows_name} with rows of shape {leaf.shape[1:]}, got {row_leaf.shape[1:]}")
    if weights is not None:
        check_rows(jax.tree.leaves(rows)[0].shape[0], **{weights_name: weights})
        check_not_negative(**{weights_name: weights})


def check_not_negative(**arrays: Array) -> None:
    """Raise ``ValueError`` where a concrete array holds a negative value or NaN."""
    for name, array in arrays.items():
        # In NumPy: where something else is being traced, JAX would trace the comparison of known values too.
        if is_concrete(array) and not (np.asarray(array) >= 0).all():
            raise ValueError(f"expected {name} of at least 0, got {np.asarray(array).min():.4g}")


def check_positive(**values: float | Array) -> None:
    """Raise ``ValueError`` where a concrete number is not above 0."""
    for name, value in values.items():
        if is_concrete(value) and not np.asarray(value) > 0:
            raise ValueError(f"expected {name} above 0, got {float(value):.4g}")


def usable(available: Bool[Array, " N"], points: PyTree) -> tuple[PyTree, Bool[Array, " N"], Int[Array, ""]]:
    """Blank the points that may not be chosen, so that nothing they hold, NaN included, reaches the others.

    Returns:
      The points with zeros in the rows of the others; which points may be chosen (available, all entries finite); how
      many available points have an entry that is not finite.
    """
    finite = jnp.ones_like(available)
    for leaf in jax.tree.leaves(points):
        finite &= jnp.isfinite(leaf).reshape(leaf.shape[0], -1).all(axis=1)
    allowed = available & finite
    return blank(points, allowed), allowed, (available & ~finite).sum()


def blank(points: PyTree, kept: Bool[Array, " N"]) -> PyTree:
    """Zeros in the rows that are not kept."""
    return jax.tree.map(lambda leaf: jnp.where(kept.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, 0), points)


def row(points: PyTree, index: Int[Array, "..."]) -> PyTree:
    """The point of an index; zeros for the absent index N, so that adding an absent point adds nothing."""
    return jax.tree.map(lambda leaf: leaf.at[index].get(mode="fill", fill_value=0), points)
