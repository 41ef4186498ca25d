"""The greedy loop for gains that only fall: between passes over the pool it looks at a short list of points."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from bal.selection._points import row
from bal.types import RngKey

# Points that are kept up to date in each step, and steps after which all points are. Measured on pools of 1,000 to
# 50,000 points: a longer list costs more a step than the passes that it saves.
SHORTLIST_SIZE = 256
STEPS_A_PASS = 16


class _State(NamedTuple):
    step: Int[Array, ""]
    indices: Int[Array, " B2"]
    scores: Float[Array, " B2"]
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
    """Choose the points of the highest gain, one after the other, exactly as if all gains were known in each step.

    A gain that only falls is at most what it was at the last pass over the pool. While the best of the short list is
    at least that for all other points, they need not be looked at; what the points chosen meanwhile take from them is
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
    order = jax.random.permutation(rng_key, num_points).astype(jnp.int32)

    def lower_possible(gains, points, effects):
        return jnp.where(gains > -jnp.inf, lower(gains, points, effects), -jnp.inf)

    def choose_from_list(carry):
        gains, start = carry
        # In the order of ties, so that of equal gains the first come to the list. It holds the best, whatever the rest.
        best, ranks = jax.lax.top_k(gains[order], min(size + 1, num_points))
        bound = best[size] if size < num_points else -jnp.inf
        listed = order[ranks[:size]]
        listed_points = points[listed]

        def is_sure(carry):
            state, listed_gains = carry
            done = state.step - start.step
            # Where a gain has fallen onto the bound the order of ties is no longer random; it saves most passes.
            is_above = (listed_gains.max() >= bound) | (done == 0)
            return (state.step < batch_size) & (done < steps_a_pass) & is_above

        def choose(carry):
            state, listed_gains = carry
            gain = listed_gains.max()
            place = jnp.where(listed_gains == gain, ranks[:size], num_points).argmin()
            index = jnp.where(gain > -jnp.inf, listed[place], num_points)
            new = effect(row(points, index), gain, state.effects)
            listed_gains = lower_possible(listed_gains, listed_points, new[None]).at[place].set(-jnp.inf)
            state = _State(
                step=state.step + 1,
                indices=state.indices.at[state.step].set(index),
                scores=state.scores.at[state.step].set(gain),
                effects=state.effects.at[state.step].set(new),
            )
            return state, listed_gains

        state, _ = jax.lax.while_loop(is_sure, choose, (start, best[:size]))
        new = jax.lax.dynamic_slice_in_dim(state.effects, start.step, steps_a_pass)
        new_indices = jax.lax.dynamic_slice_in_dim(state.indices, start.step, steps_a_pass)
        # No gain is above the last one but for rounding, of gains that are added up in another order.
        gains = jnp.minimum(lower_possible(gains, points, new), state.scores[state.step - 1])
        return gains.at[new_indices].set(-jnp.inf, mode="drop"), state

    # A pass reads whole blocks, also at the end.
    num_rows = batch_size + steps_a_pass
    start = _State(
        step=jnp.int32(0),
        indices=jnp.full(num_rows, num_points, jnp.int32),
        scores=jnp.full(num_rows, -jnp.inf, gains.dtype),
        effects=jnp.zeros((num_rows, points.shape[1]), points.dtype),
    )
    # Loops that end when they may and no branches, of which a vmapped program would take all.
    _, state = jax.lax.while_loop(lambda carry: carry[1].step < batch_size, choose_from_list, (gains, start))
    return state.indices[:batch_size], state.scores[:batch_size]
