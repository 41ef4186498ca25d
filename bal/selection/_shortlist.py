"""The greedy loop for gains that only fall: between passes over the pool it looks at a short list of points."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from bal.selection._points import row
from bal.types import RngKey

# Points that are kept up to date in each step, and steps after which all points are.
SHORTLIST_SIZE = 512
STEPS_A_PASS = 16


class _State(NamedTuple):
    gains: Float[Array, " N"]  # as they were at the last pass; -inf where a point may not be chosen
    short_ranks: Int[Array, " M"]  # of the short list, in the order of ties
    short_points: Float[Array, "M D"]
    short_gains: Float[Array, " M"]  # as they are now
    bound: Float[Array, ""]  # at least the gain of every other point
    effects: Float[Array, "B2 D"]  # of the points chosen; rows of 0 behind them
    last_pass: Int[Array, ""]  # step before which the last pass was


def greedy_shortlist(
    rng_key: RngKey,
    gains: Float[Array, " N"],
    points: Float[Array, "N D"],
    *,
    effect: Callable[[Float[Array, " D"], Float[Array, ""], Float[Array, "B2 D"]], Float[Array, " D"]],
    lower: Callable[[Float[Array, " n"], Float[Array, "n D"], Float[Array, "k D"]], Float[Array, " n"]],
    batch_size: int,
) -> tuple[Int[Array, " B"], Float[Array, " B"]]:
    """Choose the points of the highest gain, one after the other, exactly as if all gains were known in each step.

    A gain that only falls is at most what it was at the last pass over the pool. While the best of the short list is
    above that for all other points, they need not be looked at; what the points chosen meanwhile take from them is
    found at the next pass, for all of these points in one matrix product.

    Args:
      rng_key: breaks ties: equal gains are ordered at random, once for the whole batch.
      gains: at the start, at least 0; -inf where a point may not be chosen.
      points: one row a point.
      effect: from a point, its gain and the effects of those before it to what lowers the other gains by it. An effect
        of 0 lowers nothing.
      lower: gains of some points after some effects.
      batch_size: number of points B.

    Returns:
      Indices in the order chosen (N where nothing was left) and their gains (-inf there).
    """
    num_points = gains.shape[0]
    size, steps_a_pass = min(SHORTLIST_SIZE, num_points), min(STEPS_A_PASS, batch_size)
    order = jax.random.permutation(rng_key, num_points)

    def go_over_all(state, step):
        effects = jax.lax.dynamic_slice_in_dim(state.effects, state.last_pass, steps_a_pass)
        gains = jnp.where(state.gains > -jnp.inf, lower(state.gains, points, effects), -jnp.inf)
        # In the order of ties, so that of equal gains the first come to the short list.
        best, ranks = jax.lax.top_k(gains[order], min(size + 1, num_points))
        bound = best[size] if size < num_points else jnp.full_like(best[0], -jnp.inf)
        ranks, best = ranks[:size], best[:size]
        return _State(gains, ranks, points[order[ranks]], best, bound, state.effects, step)

    def choose(state, step):
        is_due = (state.short_gains.max() <= state.bound) | (step - state.last_pass == steps_a_pass)
        state = jax.lax.cond(is_due, go_over_all, lambda state, step: state, state, step)
        gain = state.short_gains.max()
        place = jnp.where(state.short_gains == gain, state.short_ranks, num_points).argmin()
        index = jnp.where(gain > -jnp.inf, order[state.short_ranks[place]], num_points)
        new = effect(row(points, index), gain, state.effects)
        short_gains = jnp.where(
            state.short_gains > -jnp.inf,
            lower(state.short_gains, state.short_points, new[None]),
            -jnp.inf,
        )
        state = state._replace(
            gains=state.gains.at[index].set(-jnp.inf, mode="drop"),
            short_gains=short_gains.at[place].set(-jnp.inf),
            effects=state.effects.at[step].set(new),
        )
        return state, (index, gain)

    start = _State(
        gains=gains,
        short_ranks=jnp.zeros(size, jnp.int32),
        short_points=jnp.zeros((size, points.shape[1]), points.dtype),
        short_gains=jnp.full(size, -jnp.inf, gains.dtype),
        bound=jnp.asarray(jnp.inf, gains.dtype),
        # A pass reads whole blocks.
        effects=jnp.zeros((batch_size + steps_a_pass, points.shape[1]), points.dtype),
        last_pass=jnp.int32(0),
    )
    return jax.lax.scan(choose, start, jnp.arange(batch_size))[1]
