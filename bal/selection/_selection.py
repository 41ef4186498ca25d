"""What a batch rule returns, and how every rule breaks ties."""

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
    # Whether this is known to be the choice that all points would give; None where the rule looked at all of them.
    certified: Bool[Array, ""] | None = None
    num_candidates: Int[Array, ""] | None = None  # points among which it was chosen; None: all of the view


def random_order(rng_key: RngKey, *sort_keys: Array) -> Int[Array, " N"]:
    """Indices that sort by the given keys, ascending, the first key most significant; ties are in random order."""
    num_points = sort_keys[0].shape[0]
    ties = jax.random.bits(rng_key, (num_points,))
    positions = jnp.arange(num_points, dtype=jnp.int32)
    return jax.lax.sort((*sort_keys, ties, positions), num_keys=len(sort_keys) + 1)[-1]


def take_first(
    order: Int[Array, " N"], scores: Float[Array, " N"], available: Bool[Array, " N"], *, batch_size: int
) -> Selection:
    """The first points of an order in which those that may not be chosen (unavailable, NaN) are last."""
    invalid = jnp.isnan(scores)
    chosen = order[:batch_size]
    allowed = (available & ~invalid)[chosen]
    return Selection(
        indices=jnp.where(allowed, chosen, scores.shape[0]),
        scores=jnp.where(allowed, scores[chosen], -jnp.inf),
        num_invalid=(available & invalid).sum(),
    )
