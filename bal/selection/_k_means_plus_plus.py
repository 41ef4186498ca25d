"""Seeding of k-means: points at random, likelier the farther they are from those before."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal.selection._greedy import greedy
from bal.selection._kernels import Kernel
from bal.selection._nearest import Nearest, add_center, no_centers
from bal.selection._points import row, usable
from bal.selection._selection import Selection
from bal.types import PyTree, RngKey


class _State(NamedTuple):
    nearest: Nearest
    scores: Float[Array, " B"]  # squared distance of each chosen point when it was chosen


@jax.jit(static_argnames="batch_size")
def k_means_plus_plus(
    rng_key: RngKey, features: PyTree, available: Bool[Array, " N"], kernel: Kernel, *, batch_size: int
) -> Selection:
    """Draw each point in proportion to its squared distance to the nearest one before; the first has the largest norm.

    Scores are those squared distances, for the first point to the origin. Points at distance 0 come after all others.
    """
    key_ties, key_draws = jax.random.split(rng_key)
    points, allowed, num_invalid = usable(available, features)
    diagonal = kernel.diagonal(points)
    keys = jax.random.split(key_draws, batch_size)

    def distances(nearest):
        return jnp.where(jnp.isinf(nearest.squared_distances), diagonal, nearest.squared_distances)

    def gain(carry):
        state, step = carry
        # The largest of log weights with Gumbel noise is a draw in proportion to the weights; log 0 is never drawn.
        noise = jax.random.gumbel(keys[step], diagonal.shape, diagonal.dtype)
        return jnp.log(distances(state.nearest)) + jnp.where(step == 0, 0.0, noise)

    def update(carry, step, index):
        state, _ = carry
        scores = state.scores.at[step].set(row(distances(state.nearest), index))
        return _State(add_center(kernel, points, state.nearest, row(points, index), step), scores), step + 1

    state = _State(no_centers(kernel, points), jnp.zeros(batch_size, diagonal.dtype))
    indices, _, (state, _) = greedy(
        key_ties, allowed, (state, jnp.int32(0)), gain=gain, update=update, batch_size=batch_size
    )
    scores = jnp.where(indices < available.shape[0], state.scores, -jnp.inf)
    return Selection(indices, scores, num_invalid)
