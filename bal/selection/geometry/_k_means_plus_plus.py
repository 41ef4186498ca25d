"""Seeding of k-means: random points, drawn in proportion to the squared distance to the nearest earlier one."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from bal.selection._selection import Selection
from bal.selection.geometry._kernels import Kernel
from bal.selection.geometry._nearest import Nearest, add_center, nearest_centers
from bal.selection.geometry._points import row, usable_under
from bal.selection.greedy._greedy import among_all, greedy
from bal.types import PyTree, RngKey


class _State(NamedTuple):
    nearest: Nearest
    scores: Float[Array, " B"]  # squared distance of each chosen point when it was chosen


@jax.jit(static_argnames="batch_size")
def seed_clusters(
    rng_key: RngKey,
    features: PyTree,
    available: Bool[Array, " N"],
    kernel: Kernel,
    centers: PyTree | None = None,
    weights: Float[Array, " K"] | None = None,
    *,
    batch_size: int,
) -> Selection:
    """Draw each point in proportion to its squared distance to the nearest centre or point before.

    Without centres the first one is that of the largest norm. Scores are those squared distances, of such a first point
    to the origin. Points at distance 0 come last.
    """
    key_ties, key_draws = jax.random.split(rng_key)
    points, diagonal, allowed, num_invalid = usable_under(kernel, available, features)
    uniforms = jax.random.uniform(key_draws, (batch_size,), diagonal.dtype)

    def distances(nearest):
        return jnp.where(jnp.isinf(nearest.squared_distances), diagonal, nearest.squared_distances)

    def gain(carry):
        state, step = carry
        weights = jnp.where(allowed, distances(state.nearest), 0.0)
        drawn = _draw(uniforms[step], weights)
        is_drawn = (jnp.arange(len(weights)) == drawn) & (weights > 0)
        is_first = jnp.isinf(state.nearest.squared_distances).all()
        return jnp.where(is_first, weights, jnp.where(is_drawn, 0.0, -jnp.inf))

    def update(carry, step, index):
        state, _ = carry
        scores = state.scores.at[step].set(row(distances(state.nearest), index))
        return _State(add_center(kernel, points, state.nearest, row(points, index), step), scores), step + 1

    state = _State(nearest_centers(kernel, points, centers, weights), jnp.zeros(batch_size, diagonal.dtype))
    find = among_all(key_ties, len(allowed), gain)
    indices, _, (state, _) = greedy(allowed, (state, jnp.int32(0)), find=find, update=update, batch_size=batch_size)
    scores = jnp.where(indices < available.shape[0], state.scores, -jnp.inf)
    return Selection(indices, scores, num_invalid)


def _draw(uniform: Float[Array, ""], weights: Float[Array, " N"]) -> Int[Array, ""]:
    """An index in proportion to its weight: first a block of points, then a point of it.

    Sums over blocks are many times faster than noise for each point, or than one long cumulative sum.
    """
    size = math.isqrt(weights.shape[0] - 1) + 1
    blocks = jnp.pad(weights, (0, -weights.shape[0] % size)).reshape(-1, size)
    sums = blocks.sum(axis=1)
    block, rest = _first_above(uniform * sums.sum(), sums)
    return block * size + _first_above(rest, blocks[block])[0]


def _first_above(target: Float[Array, ""], weights: Float[Array, " n"]) -> tuple[Int[Array, ""], Float[Array, ""]]:
    """The first index whose cumulative weight exceeds the target, and the part of the target that is left for it."""
    before = jnp.cumsum(weights) - weights
    # Rounding must never lead to a weight of 0. If it leaves no cumulative weight above the target, the last positive
    # weight is taken.
    candidates = (weights > 0) & (before <= target)
    index = jnp.where(candidates, jnp.arange(len(weights)), 0).max()
    return index, target - before[index]
