"""What a batch rule returns, and the order by which every rule breaks its ties."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from bal.types import RngKey


class Selection(NamedTuple):
    """The points to label next, in the order in which they were chosen."""

    indices: Int[Array, " B"]  # N, the number of points, where nothing was left to choose
    scores: Float[Array, " B"]  # score, or marginal gain, when chosen; -inf where nothing was left
    num_invalid: Int[Array, ""]  # available points whose score was NaN; they are never chosen
    # Whether looking at some of the points only is known to have changed nothing; None where the rule looked at all.
    certified: Bool[Array, ""] | None = None


def random_order(rng_key: RngKey, *sort_keys: Array) -> Int[Array, " N"]:
    """Indices that sort by the given keys, ascending and the first one foremost; equal points come in random order."""
    num_points = sort_keys[0].shape[0]
    ties = jax.random.bits(rng_key, (num_points,))
    positions = jnp.arange(num_points, dtype=jnp.int32)
    return jax.lax.sort((*sort_keys, ties, positions), num_keys=len(sort_keys) + 1)[-1]


def take_first(
    order: Int[Array, " N"], scores: Float[Array, " N"], available: Bool[Array, " N"], *, batch_size: int
) -> Selection:
    """The first points of an order that puts the ones that may not be chosen (unavailable, NaN) at its end."""
    invalid = jnp.isnan(scores)
    chosen = order[:batch_size]
    allowed = (available & ~invalid)[chosen]
    return Selection(
        indices=jnp.where(allowed, chosen, scores.shape[0]),
        scores=jnp.where(allowed, scores[chosen], -jnp.inf),
        num_invalid=(available & invalid).sum(),
    )
