"""Farthest-first traversal, the loop of k-center and MaxDist."""

import jax
import jax.numpy as jnp

from bal.selection._selection import Selection
from bal.selection.geometry._nearest import add_center, nearest_centers
from bal.selection.geometry._points import row, usable_under
from bal.selection.greedy._greedy import among_all, greedy


@jax.jit(static_argnames=("batch_size", "norm_first"))
def farthest_first(rng_key, features, available, centers, weights, kernel, *, batch_size, norm_first) -> Selection:
    """Each point is the farthest from all centres. Without centres the first has the largest norm, or is random."""
    points, diagonal, allowed, num_invalid = usable_under(kernel, available, features)
    first = diagonal if norm_first else jnp.inf

    def gain(nearest):
        squares = nearest.squared_distances
        return jnp.sqrt(jnp.where(jnp.isinf(squares), first, squares))

    def update(nearest, step, index):
        return add_center(kernel, points, nearest, row(points, index), step)

    find = among_all(rng_key, len(allowed), gain)
    nearest = nearest_centers(kernel, points, centers, weights)
    indices, gains, _ = greedy(allowed, nearest, find=find, update=update, batch_size=batch_size)
    return Selection(indices, gains, num_invalid)
