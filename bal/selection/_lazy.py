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


def lazy_argmax(bounds: Float[Array, " N"], levels: Sequence[Level]) -> tuple[Int[Array, ""], Float[Array, " N"]]:
    """Look at candidates in the order of their bounds, closer and closer, until no bound beats the best value.

    Args:
      bounds: at least the value of each candidate, which is never negative; a bound of 0 therefore is the value.
        -inf where a candidate may not be chosen.
      levels: the last gives the values; those before it tighter and tighter bounds, for less than a value costs.

    Returns:
      The best candidate, of equal ones the first, and for each candidate its value, or its bound where not evaluated.

    References:
      Minoux 1978, Accelerated greedy algorithms for maximizing submodular set functions
    """
    num_candidates, evaluated = bounds.shape[0], len(levels)

    def bound_beats_best(state):
        values, seen = state
        best = jnp.where(seen == evaluated, values, -jnp.inf).max()
        return jnp.where(seen < evaluated, values, -jnp.inf).max() > best

    def look_at_chunk(number, level, values, seen):
        # Only those that have come as far: most of the others will be ruled out by the bounds before.
        chunk = jax.lax.top_k(jnp.where(seen == number, values, -jnp.inf), min(level.size, num_candidates))[1]
        live = seen[chunk] == number
        # Of two bounds the tighter; a value is at most any bound but for rounding.
        found = level.look(chunk) if number + 1 == evaluated else jnp.minimum(values[chunk], level.look(chunk))
        values = values.at[chunk].set(jnp.where(live, found, values[chunk]))
        return values, seen.at[chunk].set(jnp.where(live, number + 1, seen[chunk]))

    def step(state):
        values, seen = state
        leader = jnp.where(seen < evaluated, values, -jnp.inf).argmax()
        looks = [
            lambda values, seen, number=number, level=level: look_at_chunk(number, level, values, seen)
            for number, level in enumerate(levels)
        ]
        return jax.lax.switch(seen[leader], looks, values, seen)

    seen = jnp.where(bounds > 0, 0, evaluated)  # levels by which each candidate was looked at
    values, seen = jax.lax.while_loop(bound_beats_best, step, (bounds, seen))
    return jnp.where(seen == evaluated, values, -jnp.inf).argmax(), values
