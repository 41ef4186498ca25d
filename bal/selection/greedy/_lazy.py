"""The best of many candidates, evaluating only those whose upper bound could still win."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class Level(NamedTuple):
    """One way to look at candidates: upper bounds of their values, or the values themselves."""

    look: Callable[[Int[Array, " n"]], Float[Array, " n"]]
    size: int  # how many are looked at together


def lazy_argmax(
    order: Int[Array, " N"], bounds: Float[Array, " N"], levels: Sequence[Level]
) -> tuple[Int[Array, ""], Float[Array, ""], Float[Array, " N"]]:
    """Look at candidates in the order of their bounds, closer and closer, until no bound beats the best value.

    Args:
      order: of candidates equal in bound the first is looked at first, and of those equal in value it is the best.
      bounds: at least the value of each candidate, which is never negative; a bound of 0 therefore is the value.
        -inf where a candidate may not be chosen.
      levels: the last gives the values; those before it tighter and tighter bounds, for less than a value costs.

    Returns:
      The best candidate (N where none may be chosen), its value, and for each candidate its value, or its bound where
      not evaluated.

    References:
      Minoux 1978, Accelerated greedy algorithms for maximizing submodular set functions
    """
    num_candidates, evaluated = bounds.shape[0], len(levels)

    def bound_beats_best(state):
        values, seen = state
        best = jnp.where(seen == evaluated, values, -jnp.inf).max()
        return jnp.where(seen < evaluated, values, -jnp.inf).max() > best

    def look_closer(number, level, state):
        def is_leader(state):
            values, seen = state
            leader = jnp.where(seen < evaluated, values, -jnp.inf).argmax()
            return (seen[leader] == number) & bound_beats_best(state)

        def look(state):
            values, seen = state
            # Only those that have come as far: most of the others will be ruled out by the bounds before.
            chunk = jax.lax.top_k(jnp.where(seen == number, values, -jnp.inf), min(level.size, num_candidates))[1]
            live = seen[chunk] == number
            found = level.look(order[chunk])
            # Of two bounds the tighter one.
            found = found if number + 1 == evaluated else jnp.minimum(values[chunk], found)
            values = values.at[chunk].set(jnp.where(live, found, values[chunk]))
            return values, seen.at[chunk].set(jnp.where(live, number + 1, seen[chunk]))

        return jax.lax.while_loop(is_leader, look, state)

    def look_at_leaders(state):
        # A loop for each level and no branches, of which a vmapped program would take all.
        for number, level in enumerate(levels):
            state = look_closer(number, level, state)
        return state

    in_order = bounds[order]
    seen = jnp.where(in_order > 0, 0, evaluated)  # levels by which each candidate was looked at
    values, seen = jax.lax.while_loop(bound_beats_best, look_at_leaders, (in_order, seen))
    best = jnp.where(seen == evaluated, values, -jnp.inf).argmax()
    index = jnp.where(values[best] > -jnp.inf, order[best], num_candidates).astype(jnp.int32)
    return index, values[best], bounds.at[order].set(values)
