"""The best of many candidates, evaluating only those whose upper bound could still win."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

_UNTOUCHED, _TIGHTENED, _EVALUATED = range(3)


def lazy_argmax(
    evaluate: Callable[[Int[Array, " n"]], Float[Array, " n"]],
    bounds: Float[Array, " N"],
    *,
    evaluate_size: int,
    tighten: Callable[[Int[Array, " n"]], Float[Array, " n"]] | None = None,
    tighten_size: int = 1,
) -> tuple[Int[Array, ""], Float[Array, " N"]]:
    """Evaluate candidates in the order of their bounds, a chunk at a time, until no bound beats the best value.

    A candidate that might win is first given a tighter bound, where there is one that costs less than its value.

    Args:
      evaluate: the values of some candidates.
      bounds: at least the value of each candidate, which is never negative; a bound of 0 therefore is the value.
        -inf where a candidate may not be chosen.
      evaluate_size: how many candidates are evaluated together.
      tighten: other upper bounds of the values of some candidates.
      tighten_size: how many candidates are given a tighter bound together.

    Returns:
      The best candidate, of equal ones the first, and for each candidate its value, or its bound where not evaluated.

    References:
      Minoux 1978, Accelerated greedy algorithms for maximizing submodular set functions
    """
    num_candidates = bounds.shape[0]

    def best_pending(values, stages):
        return jnp.where(stages < _EVALUATED, values, -jnp.inf)

    def bound_beats_best(state):
        values, stages = state
        return best_pending(values, stages).max() > jnp.where(stages == _EVALUATED, values, -jnp.inf).max()

    def tighten_chunk(tighten, values, stages):
        untouched = jnp.where(stages == _UNTOUCHED, values, -jnp.inf)
        chunk = jax.lax.top_k(untouched, min(tighten_size, num_candidates))[1]
        live = stages[chunk] == _UNTOUCHED
        values = values.at[chunk].set(jnp.where(live, jnp.minimum(values[chunk], tighten(chunk)), values[chunk]))
        return values, stages.at[chunk].set(jnp.where(live, _TIGHTENED, stages[chunk]))

    def evaluate_chunk(values, stages):
        chunk = jax.lax.top_k(best_pending(values, stages), min(evaluate_size, num_candidates))[1]
        live = stages[chunk] < _EVALUATED
        values = values.at[chunk].set(jnp.where(live, evaluate(chunk), values[chunk]))
        return values, stages.at[chunk].set(_EVALUATED)

    def step(state):
        values, stages = state
        if tighten is None:
            return evaluate_chunk(values, stages)
        leader = best_pending(values, stages).argmax()
        tighten_next = functools.partial(tighten_chunk, tighten)
        return jax.lax.cond(stages[leader] == _UNTOUCHED, tighten_next, evaluate_chunk, values, stages)

    stages = jnp.where(bounds > 0, _UNTOUCHED, _EVALUATED)
    values, stages = jax.lax.while_loop(bound_beats_best, step, (bounds, stages))
    return jnp.where(stages == _EVALUATED, values, -jnp.inf).argmax(), values
