"""Which points a rule may use, and how it reads one of them."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from bal.selection.geometry._kernels import Kernel
from bal.types import PyTree


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


def usable_under(
    kernel: Kernel, available: Bool[Array, " N"], points: PyTree
) -> tuple[PyTree, Float[Array, " N"], Bool[Array, " N"], Int[Array, ""]]:
    """As :func:`usable` for the points of any kernel: a point whose k(x, x) is not finite is invalid too.

    Returns:
      The points; k(x, x) of each that may be chosen, 0 of the others; which may be chosen; how many are invalid.
    """
    points, allowed, num_invalid = usable(available, points)
    diagonal = kernel.diagonal(points)
    finite = jnp.isfinite(diagonal)
    num_invalid += (allowed & ~finite).sum()
    allowed &= finite
    return blank(points, allowed), jnp.where(allowed, diagonal, 0), allowed, num_invalid


def blank(points: PyTree, kept: Bool[Array, " N"]) -> PyTree:
    """Zeros in the rows that are not kept."""
    return jax.tree.map(lambda leaf: jnp.where(kept.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, 0), points)


def row(points: PyTree, index: Int[Array, "..."]) -> PyTree:
    """The point of an index; zeros for the absent index N, so that adding an absent point adds nothing."""
    return jax.tree.map(lambda leaf: leaf.at[index].get(mode="fill", fill_value=0), points)
