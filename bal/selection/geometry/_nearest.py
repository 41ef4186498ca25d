"""Distance of every point to the nearest of a growing set of centres: the state of the distance rules."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from bal.selection.geometry._kernels import Kernel
from bal.selection.geometry._points import blank
from bal.streaming import map_chunks
from bal.types import PyTree

# Centres whose distances to all points are computed together, as one matrix product.
CENTERS_AT_ONCE = 128
PAIRS_AT_ONCE = 2**22  # of points and centres, whose distances exist together


class Nearest(NamedTuple):
    """For each point, its nearest centre so far."""

    squared_distances: Float[Array, " N"]  # inf before there is a centre
    centers: Int[Array, " N"]  # number of the centre, in the order in which they were added


def no_centers(kernel: Kernel, points: PyTree) -> Nearest:
    """Every point is infinitely far from an empty set."""
    distances = jnp.full_like(kernel.diagonal(points), jnp.inf)
    return Nearest(distances, jnp.zeros(distances.shape, jnp.int32))


def add_center(kernel: Kernel, points: PyTree, nearest: Nearest, center: PyTree, number: Int[Array, ""]) -> Nearest:
    """Reassign the points that are closer to the new centre than to all earlier ones."""
    distances = kernel.squared_distances(points, jax.tree.map(lambda leaf: leaf[None], center))[:, 0]
    closer = distances < nearest.squared_distances
    return Nearest(jnp.where(closer, distances, nearest.squared_distances), jnp.where(closer, number, nearest.centers))


def nearest_centers(
    kernel: Kernel, points: PyTree, centers: PyTree | None, weights: Float[Array, " K"] | None
) -> Nearest:
    """Nearest of the given centres, numbered by their row; rows of weight 0 are padding and are ignored.

    ``centers=None`` means no centres, ``weights=None`` that all of them count.
    """
    nearest = no_centers(kernel, points)
    if centers is None:
        return nearest
    num_centers = jax.tree.leaves(centers)[0].shape[0]
    kept = jnp.ones(num_centers, bool) if weights is None else weights > 0
    centers = blank(centers, kept)
    block_size = min(num_centers, CENTERS_AT_ONCE)

    def add_block(number, nearest):
        # The last block overlaps the one before it, which changes nothing.
        first = jnp.minimum(number * block_size, num_centers - block_size)
        block, counted = jax.tree.map(
            lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, first, block_size), (centers, kept)
        )

        def of_chunk(chunk):
            squares = jnp.where(counted[None], kernel.squared_distances(chunk, block), jnp.inf)
            return squares.min(axis=1), squares.argmin(axis=1).astype(jnp.int32)

        distances, places = map_chunks(of_chunk, points, PAIRS_AT_ONCE // block_size)
        closer = distances < nearest.squared_distances
        return Nearest(
            jnp.where(closer, distances, nearest.squared_distances),
            jnp.where(closer, first.astype(jnp.int32) + places, nearest.centers),
        )

    return jax.lax.fori_loop(0, -(-num_centers // block_size), add_block, nearest)
