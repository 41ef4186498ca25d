"""Greedy choice where gains never rise: between passes over the pool, only a short list of points is evaluated."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from bal.selection.geometry._points import row
from bal.selection.greedy._greedy import greedy
from bal.types import RngKey

# Length of the list, and the largest number of steps between two passes. Measured on pools of 1,000 to 50,000 points: a
# longer list costs more per step than it saves in passes.
SHORTLIST_SIZE = 256
STEPS_A_PASS = 16


class _State(NamedTuple):
    step: Int[Array, ""]
    since: Int[Array, ""]  # steps since the last pass over the pool
    gains: Float[Array, " N"]  # at that pass
    listed: Int[Array, " n"]  # the points of the short list
    ranks: Int[Array, " n"]  # their places in the order of ties
    listed_points: Float[Array, "n D"]
    listed_gains: Float[Array, " n"]  # now
    bound: Float[Array, ""]  # the largest gain of the other points at the pass
    last: Float[Array, ""]  # gain of the last point chosen
    effects: Float[Array, "B2 D"]  # of the points chosen; rows of 0 behind them


def greedy_shortlist(
    rng_key: RngKey,
    gains: Float[Array, " N"],
    points: Float[Array, "N D"],
    *,
    effect: Callable[[Float[Array, " D"], Float[Array, ""], Float[Array, "B2 D"]], Float[Array, " D"]],
    lower: Callable[[Float[Array, " n"], Float[Array, "n D"], Float[Array, "k D"]], Float[Array, " n"]],
    batch_size: int,
) -> tuple[Int[Array, " B"], Float[Array, " B"]]:
    """Choose the points of the largest gain, one after the other, exactly as if all gains were computed in each step.

    A gain that never rises is bounded by its value at the last pass over the pool. While the best gain on the list is
    at least the bound of every other point, those points can be ignored. The next pass lowers their gains for all
    points chosen since, in one matrix product.

    Args:
      rng_key: breaks ties: equal gains are ordered at random, once for the whole batch.
      gains: at the start, at least 0; -inf where a point may not be chosen.
      points: one row per point.
      effect: from a point, its gain and the effects of the points before it to the vector by which it lowers other
        gains. A vector of zeros lowers nothing.
      lower: from gains, their points and some effects to the lowered gains.
      batch_size: number of points B.

    Returns:
      Indices in the order chosen (N where nothing was left) and their gains (-inf there).
    """
    num_points = gains.shape[0]
    size, steps_a_pass = min(SHORTLIST_SIZE, num_points), min(STEPS_A_PASS, batch_size)
    order = jax.random.permutation(rng_key, num_points).astype(jnp.int32)

    def lower_possible(gains, points, effects):
        return jnp.where(gains > -jnp.inf, lower(gains, points, effects), -jnp.inf)

    def make_list(gains, effects, step, last):
        # In the order of ties, so that the first of equal gains are listed.
        best, ranks = jax.lax.top_k(gains[order], min(size + 1, num_points))
        listed = order[ranks[:size]]
        return _State(
            step=step,
            since=jnp.int32(0),
            gains=gains,
            listed=listed,
            ranks=ranks[:size],
            listed_points=points[listed],
            listed_gains=best[:size],
            bound=best[size] if size < num_points else jnp.full((), -jnp.inf, gains.dtype),
            last=last,
            effects=effects,
        )

    def find(state, left):
        def is_pass_due(state):
            # A gain equal to the bound needs no pass. This saves most passes, but such a tie is not broken at random.
            is_below = state.listed_gains.max() < state.bound
            return (state.since > 0) & (is_below | (state.since == steps_a_pass))

        def pass_over_pool(state):
            new = jax.lax.dynamic_slice_in_dim(state.effects, state.step - state.since, steps_a_pass)
            # No gain exceeds the last one, except by rounding: gains are summed in another order here.
            gains = jnp.minimum(lower_possible(state.gains, points, new), state.last)
            return make_list(jnp.where(left, gains, -jnp.inf), state.effects, state.step, state.last)

        # A loop of at most one iteration instead of a branch: under vmap, both sides of a branch run.
        state = jax.lax.while_loop(is_pass_due, pass_over_pool, state)
        gain = state.listed_gains.max()
        place = jnp.where(state.listed_gains == gain, state.ranks, num_points).argmin()
        return state, jnp.where(gain > -jnp.inf, state.listed[place], num_points), gain

    def update(state, step, index):
        gain = state.listed_gains.max()
        new = effect(row(points, index), gain, state.effects)
        listed_gains = lower_possible(state.listed_gains, state.listed_points, new[None])
        return state._replace(
            step=step + 1,
            since=state.since + 1,
            listed_gains=jnp.where(state.listed == index, -jnp.inf, listed_gains),
            effects=state.effects.at[step].set(new),
            last=gain,
        )

    # A pass reads whole blocks, also at the end.
    effects = jnp.zeros((batch_size + steps_a_pass, points.shape[1]), points.dtype)
    start = make_list(gains, effects, jnp.int32(0), jnp.full((), jnp.inf, gains.dtype))
    indices, gains, _ = greedy(gains > -jnp.inf, start, find=find, update=update, batch_size=batch_size)
    return indices, gains
