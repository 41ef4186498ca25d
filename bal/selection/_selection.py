"""What a batch rule returns, and how every rule breaks ties."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt32

from bal.types import RngKey

LARGE = 2**16  # points from which counting saves more time than its compilation takes
ROW = 16  # points that are counted together


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


def first_in_order(rng_key: RngKey, *sort_keys: Array, count: int) -> Int[Array, " B"]:
    """The first ``count`` indices of :func:`random_order`, without sorting a large pool.

    Args:
      rng_key: breaks ties.
      sort_keys: [N] booleans, integers of at least 0, or floats without NaN; the first one is most significant.
      count: number of indices B.
    """
    is_wide = any(key.dtype.itemsize > 4 for key in sort_keys)
    if sort_keys[0].shape[0] < LARGE or is_wide:
        return random_order(rng_key, *sort_keys)[:count]
    return _by_counting(rng_key, *sort_keys, count=count)


def _by_counting(rng_key: RngKey, *sort_keys: Array, count: int) -> Int[Array, " B"]:
    """Find the last value that belongs to the first ones bit by bit, by counting how many points are below."""
    num_points = sort_keys[0].shape[0]
    # Points that belong to them, those equal in all keys so far, and how many of these belong to them.
    found = jnp.zeros(num_points, bool), jnp.ones(num_points, bool), jnp.int32(count)
    for key in sort_keys:
        found = _narrowed(*found, key)

    def in_order(chosen, level, missing, *keys):  # of points equal in all keys the first ones
        last = _places(level, missing[None])[0]
        indices = _places(chosen | (level & (jnp.arange(num_points) <= last)), jnp.arange(1, count + 1))
        order = (*(key[indices] for key in keys), indices)
        return jax.lax.sort(order, num_keys=len(order))

    *values, indices = in_order(*found, *sort_keys)
    _, level, missing = found
    repeated = jnp.stack([value[1:] == value[:-1] for value in values]).all(axis=0).any()

    def with_ties(state):
        rng_key, _, _ = state
        ties = jax.random.bits(rng_key, (num_points,))
        # Another key, or the compiler would draw the numbers before the loop.
        return jax.random.split(rng_key)[0], in_order(*_narrowed(*found, ties), *sort_keys, ties)[-1], False

    # A number for each point, drawn only where some are tied: a loop, because under vmap every branch runs.
    start = rng_key, indices, repeated | (level.sum() > missing)
    return jax.lax.while_loop(lambda state: state[2], with_ties, start)[1]


def _narrowed(
    chosen: Bool[Array, " N"], level: Bool[Array, " N"], missing: Int[Array, ""], key: Array
) -> tuple[Bool[Array, " N"], Bool[Array, " N"], Int[Array, ""]]:
    """The points of a level whose key is below the last that belongs to the first ones, and the level of this one."""
    limit = _last_of_first(key, level, missing)
    below = level & (_as_numbers(key) < limit)
    return chosen | below, level & (_as_numbers(key) == limit), missing - below.sum()


def _places(chosen: Bool[Array, " N"], ranks: Int[Array, " B"]) -> Int[Array, " B"]:
    """The place of the first, second, ... point that is chosen: a sum over all of them would hold integers for each."""
    rows = jnp.pad(chosen, (0, -chosen.shape[0] % ROW)).reshape(-1, ROW)
    counts = rows.sum(axis=1, dtype=jnp.int32)
    ends = jnp.cumsum(counts)
    row = jnp.searchsorted(ends, ranks, method="scan")
    within = (ranks - ends[row] + counts[row]).astype(jnp.uint8)
    places = (jnp.cumsum(rows[row], axis=1, dtype=jnp.uint8) == within[:, None]).argmax(axis=1)
    return (row * ROW + places).astype(jnp.int32)


def _last_of_first(key: Array, level: Bool[Array, " N"], missing: Int[Array, ""]) -> UInt32[Array, ""]:
    """The largest value among the ``missing`` smallest ones of a level, as one of :func:`_as_numbers`."""
    if key.dtype == jnp.bool_:
        return ((level & ~key).sum() < missing).astype(jnp.uint32)
    numbers = _as_numbers(key)

    def next_bit(bit, limit):
        larger = limit | (jnp.uint32(1) << (31 - bit).astype(jnp.uint32))
        return jnp.where((level & (numbers < larger)).sum() < missing, larger, limit)

    return jax.lax.fori_loop(0, 32, next_bit, jnp.uint32(0))


def _as_numbers(values: Array) -> UInt32[Array, " N"]:
    """Unsigned integers in the same order."""
    if not jnp.issubdtype(values.dtype, jnp.floating):
        return values.astype(jnp.uint32)
    single = values.astype(jnp.float32)
    # A sort takes the two zeros for equal. The bits of negative numbers are in the reverse order.
    bits = jax.lax.bitcast_convert_type(jnp.where(single == 0, 0.0, single), jnp.uint32)
    sign = jnp.uint32(1 << 31)
    return jnp.where(bits >= sign, ~bits, bits | sign)


def take_first(
    order: Int[Array, " M"], scores: Float[Array, " N"], available: Bool[Array, " N"], *, batch_size: int
) -> Selection:
    """The first points of an order, or of its start, in which those not to be chosen (unavailable, NaN) are last."""
    invalid = jnp.isnan(scores)
    chosen = order[:batch_size]
    allowed = (available & ~invalid)[chosen]
    return Selection(
        indices=jnp.where(allowed, chosen, scores.shape[0]),
        scores=jnp.where(allowed, scores[chosen], -jnp.inf),
        num_invalid=(available & invalid).sum(),
    )
