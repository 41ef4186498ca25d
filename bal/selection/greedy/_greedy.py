"""The loop of every greedy rule: find the best point, update the gains of the others, repeat.

The search for the best point is exchangeable: over all points (:func:`among_all`), over those whose upper bound could
win (``_lazy.py``), or over a short list (``_shortlist.py``).
"""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from bal.types import RngKey

State = TypeVar("State")
# From the state and the points that are left to the state, which a search may refine, the index of the best point (N
# where nothing is left) and its gain (-inf there).
Finder = Callable[[State, Bool[Array, " N"]], tuple[State, Int[Array, ""], Float[Array, ""]]]


def greedy(
    allowed: Bool[Array, " N"],
    state: State,
    *,
    find: Finder[State],
    update: Callable[[State, Int[Array, ""], Int[Array, ""]], State],
    batch_size: int,
    again: bool = False,
) -> tuple[Int[Array, " B"], Float[Array, " B"], State]:
    """Choose the best point, one after the other, in one compiled loop.

    Args:
      allowed: points that may be chosen.
      state: whatever the gains depend on.
      find: the best of the points that are left.
      update: from the state, the number of the step and the index chosen (N where nothing was left) to the next state.
      batch_size: number of points B.
      again: whether a point may be chosen more than once.

    Returns:
      Indices in the order chosen (N where nothing was left), their gains (-inf there), and the last state.
    """

    def choose(carry, step):
        state, left = carry
        state, index, gain = find(state, left)
        if not again:
            left = left.at[index].set(False, mode="drop")
        return (update(state, step, index), left), (index, gain)

    steps = jnp.arange(batch_size, dtype=jnp.int32)
    (state, _), (indices, gains) = jax.lax.scan(choose, (state, allowed), steps)
    return indices, gains, state


def among_all(rng_key: RngKey, num_points: int, gain: Callable[[State], Float[Array, " N"]]) -> Finder[State]:
    """The point of the largest gain, found by evaluating all gains. Points whose gain is -inf or NaN come last.

    Args:
      rng_key: breaks ties: equal gains are ordered at random, once for the whole batch.
      num_points: N.
      gain: from the state to the gain of each point.
    """
    order = jax.random.permutation(rng_key, num_points).astype(jnp.int32)
    # The position of each rank. It is looked up because an argmax costs a CPU several times as much as a maximum.
    positions = jnp.zeros(num_points, jnp.int32).at[order].set(jnp.arange(num_points, dtype=jnp.int32))

    def find(state, left):
        gains = gain(state)
        gains = jnp.where(left & ~jnp.isnan(gains), gains, -jnp.inf)
        best = gains.max()
        rank = jnp.where(left & (gains == best), order, -1).max()
        return state, jnp.where(rank >= 0, positions[rank], num_points), best

    return find
