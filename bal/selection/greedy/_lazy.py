"""The best of many candidates, evaluating only those whose upper bound could still win."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class Level(NamedTuple):
    """One way to evaluate candidates: by upper bounds of their values, or exactly."""

    # From candidates and their present bounds to tighter bounds, or values.
    look: Callable[[Int[Array, " n"], Float[Array, " n"]], Float[Array, " n"]]
    size: int  # how many are evaluated together


def lazy_argmax(
    order: Int[Array, " N"], bounds: Float[Array, " N"], levels: Sequence[Level]
) -> tuple[Int[Array, ""], Float[Array, ""], Float[Array, " N"]]:
    """Evaluate candidates in the order of their bounds, ever more precisely, until no bound exceeds the best value.

    Args:
      order: ties between bounds and between values go to the candidate that comes first in this order.
      bounds: at least the value of each candidate. Values are never negative, so a bound of 0 is exact. -inf where a
        candidate may not be chosen.
      levels: from cheap to exact. The last gives the values, those before it ever tighter bounds.

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
            # Only candidates that have reached this level: cheaper bounds rule out most of the others.
            chunk = jax.lax.top_k(jnp.where(seen == number, values, -jnp.inf), min(level.size, num_candidates))[1]
            live = seen[chunk] == number
            found = level.look(order[chunk], values[chunk])
            # The tighter of the two bounds.
            found = found if number + 1 == evaluated else jnp.minimum(values[chunk], found)
            values = values.at[chunk].set(jnp.where(live, found, values[chunk]))
            return values, seen.at[chunk].set(jnp.where(live, number + 1, seen[chunk]))

        return jax.lax.while_loop(is_leader, look, state)

    def look_at_leaders(state):
        # Loops instead of branches: under vmap, every branch runs.
        for number, level in enumerate(levels):
            state = look_closer(number, level, state)
        return state

    in_order = bounds[order]
    seen = jnp.where(in_order > 0, 0, evaluated)  # levels at which each candidate has been evaluated
    values, seen = jax.lax.while_loop(bound_beats_best, look_at_leaders, (in_order, seen))
    best = jnp.where(seen == evaluated, values, -jnp.inf).argmax()
    index = jnp.where(values[best] > -jnp.inf, order[best], num_candidates).astype(jnp.int32)
    return index, values[best], bounds.at[order].set(values)
