"""The loop that the greedy rules share: choose the best point, let it change the gains of the others, repeat."""

from collections.abc import Callable
from typing import TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from bal.types import RngKey

State = TypeVar("State")


def greedy(
    rng_key: RngKey,
    allowed: Bool[Array, " N"],
    state: State,
    *,
    gain: Callable[[State], Float[Array, " N"]],
    update: Callable[[State, Int[Array, ""], Int[Array, ""]], State],
    batch_size: int,
) -> tuple[Int[Array, " B"], Float[Array, " B"], State]:
    """Choose the points of the highest gain, one after the other, in one compiled loop.

    Args:
      rng_key: breaks ties: equal gains are ordered at random, once for the whole batch.
      allowed: points that may be chosen.
      state: whatever the gains depend on.
      gain: from the state to the gain of each point. -inf stands behind every other allowed point.
      update: from the state, the number of the step and the index chosen (N where nothing was left) to the next state.
      batch_size: number of points B.

    Returns:
      Indices in the order chosen (N where nothing was left), their gains (-inf there), and the last state.
    """
    num_points = allowed.shape[0]
    order = jax.random.permutation(rng_key, num_points).astype(jnp.int32)
    # Where each rank of the order is: looked up, since an argmax costs a CPU several passes of a maximum.
    positions = jnp.zeros(num_points, jnp.int32).at[order].set(jnp.arange(num_points, dtype=jnp.int32))

    def choose(carry, step):
        state, left = carry
        gains = gain(state)
        gains = jnp.where(left & ~jnp.isnan(gains), gains, -jnp.inf)
        best = gains.max()
        rank = jnp.where(left & (gains == best), order, -1).max()
        index = jnp.where(rank >= 0, positions[rank], num_points)
        return (update(state, step, index), left.at[index].set(False, mode="drop")), (index, best)

    (state, _), (indices, gains) = jax.lax.scan(choose, (state, allowed), jnp.arange(batch_size, dtype=jnp.int32))
    return indices, gains, state
