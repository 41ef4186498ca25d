"""Which points are labelled, with which labels: buffers of fixed size, so that a run compiles once."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from bal.types import Batch
from bal.validation import is_concrete


class PoolState(NamedTuple):
    """The labelled set in the order of labelling, and what may still be asked for."""

    indices: Int[Array, " K"]  # N where the buffer is empty
    labels: Array  # [K, ...]
    num_labelled: Int[Array, ""]
    available: Bool[Array, " N"]  # neither labelled nor skipped


def empty_pool(num_points: int, budget: int, label_shape: tuple[int, ...], label_dtype: DTypeLike) -> PoolState:
    """A pool of which nothing is labelled."""
    return PoolState(
        indices=jnp.full(budget, num_points, jnp.int32),
        labels=jnp.zeros((budget, *label_shape), label_dtype),
        num_labelled=jnp.int32(0),
        available=jnp.ones(num_points, bool),
    )


def add_labels(
    pool: PoolState, indices: Int[Array, " B"], labels: Array, weights: Float[Array, " B"] | None = None
) -> PoolState:
    """Write labels down, one after the other. A point that is held already gets the new label in its old place.

    Args:
      pool: the state before.
      indices: pool indices; N, the absent index, is passed over.
      labels: one for each index.
      weights: 0 where the oracle gave no answer: such a point stays as it was.

    Raises:
      ValueError: (outside compiled code, where values can be seen) an index outside 0 to N, weights other than 0 and 1,
        or more labels than the buffer has room for.
    """
    num_points, budget = pool.available.shape[0], pool.indices.shape[0]
    given = (indices < num_points) if weights is None else (indices < num_points) & (weights > 0)
    if is_concrete(indices, pool.indices):
        _check_labels(pool, indices, weights, given)

    def add_one(pool: PoolState, item):
        index, label, is_given = item
        held = pool.indices == index
        is_held = held.any()
        position = jnp.where(is_held, held.argmax(), pool.num_labelled)
        # Position K is outside the buffer: a write there is dropped, and counts for nothing.
        position = jnp.where(is_given, position, budget)
        is_added = is_given & ~is_held & (position < budget)
        added = PoolState(
            indices=pool.indices.at[position].set(index, mode="drop"),
            labels=pool.labels.at[position].set(label, mode="drop"),
            num_labelled=pool.num_labelled + is_added,
            available=pool.available.at[jnp.where(is_added, index, num_points)].set(False, mode="drop"),
        )
        return added, None

    items = (indices.astype(jnp.int32), labels.astype(pool.labels.dtype), given)
    return jax.lax.scan(add_one, pool, items)[0]


def skip(pool: PoolState, indices: Int[Array, " B"]) -> PoolState:
    """Never ask for these points. Labels that are held stay."""
    num_points = pool.available.shape[0]
    if is_concrete(indices):
        _check_range(indices, num_points)
    return pool._replace(available=pool.available.at[indices].set(False, mode="drop"))


def labelled_batch(pool: PoolState, pool_inputs: Array) -> Batch:
    """The whole buffer as a batch; weight 0 where it is empty."""
    weights = (jnp.arange(pool.indices.shape[0]) < pool.num_labelled).astype(jnp.float32)
    return Batch(pool_inputs.at[pool.indices].get(mode="fill", fill_value=0), pool.labels, weights)


def extend_budget(pool: PoolState, budget: int) -> PoolState:
    """The same pool with room for more labels."""
    more = budget - pool.indices.shape[0]
    if more < 0:
        raise ValueError(f"expected a budget of at least {pool.indices.shape[0]}, got {budget}")
    fresh = empty_pool(pool.available.shape[0], more, pool.labels.shape[1:], pool.labels.dtype)
    return pool._replace(
        indices=jnp.concatenate([pool.indices, fresh.indices]), labels=jnp.concatenate([pool.labels, fresh.labels])
    )


def _check_range(indices: Array, num_points: int) -> None:
    if ((indices < 0) | (indices > num_points)).any():
        raise ValueError(f"expected pool indices between 0 and {num_points} (absent), got {indices}")


def _check_labels(pool: PoolState, indices: Array, weights: Array | None, given: Array) -> None:
    num_points, budget = pool.available.shape[0], pool.indices.shape[0]
    _check_range(indices, num_points)
    if weights is not None and not ((weights == 0) | (weights == 1)).all():
        raise ValueError(f"expected weights of 0 (no answer) or 1, got {weights}")
    held = set(pool.indices.tolist())
    num_new = len({index for index, ok in zip(indices.tolist(), given.tolist(), strict=True) if ok} - held)
    if int(pool.num_labelled) + num_new > budget:
        raise ValueError(
            f"expected at most {budget - int(pool.num_labelled)} new labels, the room that is left of the label budget "
            f"{budget}, got {num_new}: build the learner with more rounds"
        )
