"""Distance of every point to the nearest of a growing set of centres: what the covering rules keep between steps."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from bal.selection._kernels import Kernel
from bal.selection._points import blank, row
from bal.types import PyTree


class Nearest(NamedTuple):
    """For each point, its nearest centre so far."""

    squared_distances: Float[Array, " N"]  # inf before there is a centre
    centers: Int[Array, " N"]  # number of the centre, in the order in which they were added


def no_centers(kernel: Kernel, points: PyTree) -> Nearest:
    """Every point is infinitely far from an empty set."""
    distances = jnp.full_like(kernel.diagonal(points), jnp.inf)
    return Nearest(distances, jnp.zeros(distances.shape, jnp.int32))


def add_center(kernel: Kernel, points: PyTree, nearest: Nearest, center: PyTree, number: Int[Array, ""]) -> Nearest:
    """Points that are closer to the new centre than to all earlier ones change over to it."""
    distances = kernel.squared_distance(points, center)
    closer = distances < nearest.squared_distances
    return Nearest(jnp.where(closer, distances, nearest.squared_distances), jnp.where(closer, number, nearest.centers))


def nearest_centers(
    kernel: Kernel, points: PyTree, centers: PyTree | None, weights: Float[Array, " K"] | None
) -> Nearest:
    """Nearest of the given centres, numbered by their row; rows of weight 0 are padding, and what they hold is unseen.

    None stands for no centres, weights of None for centres that all count.
    """
    nearest = no_centers(kernel, points)
    if centers is None:
        return nearest
    num_centers = jax.tree.leaves(centers)[0].shape[0]
    kept = jnp.ones(num_centers, bool) if weights is None else weights > 0
    centers = blank(centers, kept)

    def add(number, nearest):
        added = add_center(kernel, points, nearest, row(centers, number), number)
        return jax.tree.map(lambda new, old: jnp.where(kept[number], new, old), added, nearest)

    return jax.lax.fori_loop(0, num_centers, add, nearest)
