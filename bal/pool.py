"""Which points are labelled, with which labels: buffers of fixed size, so that a run compiles once."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from bal.streaming import take_points
from bal.types import Batch, PyTree
from bal.validation import as_array, check_indices, is_concrete


class PoolState(NamedTuple):
    """The labelled set in the order of labelling, and the points that may still be asked for."""

    indices: Int[Array, " K"]  # N where the buffer is empty
    labels: PyTree  # leaves [K, ...]
    num_labelled: Int[Array, ""]
    available: Bool[Array, " N"]  # neither labelled nor skipped


def empty_pool(size: int, budget: int, labels: PyTree) -> PoolState:
    """A pool without labels.

    Args:
      size: points N.
      budget: label budget K, the size of the buffer.
      labels: arrays or their shapes, leaves [n, ...]: only the shape and dtype of a label matter.
    """
    return PoolState(
        indices=jnp.full(budget, size, jnp.int32),
        labels=jax.tree.map(lambda leaf: jnp.zeros((budget, *leaf.shape[1:]), leaf.dtype), labels),
        num_labelled=jnp.int32(0),
        available=jnp.ones(size, bool),
    )


def add_labels(
    pool: PoolState, indices: Int[Array, " B"], labels: PyTree, weights: Float[Array, " B"] | None = None
) -> PoolState:
    """Record labels, one after the other. If a point already has a label, the new one replaces it.

    Args:
      pool: the state before.
      indices: pool indices; the absent index N is ignored. In compiled code negative ones are ignored too.
      labels: leaves [B, ...], one label for each index.
      weights: 0 where the oracle gave no answer; such a point is ignored.

    Raises:
      ValueError: indices that are not integers [B], labels or weights of another length, shape or kind of dtype than
        the buffer; and, outside compiled code, an index outside 0 to N, one that occurs twice, weights other than 0
        and 1, or more labels than the buffer has room for.
    """
    size = pool.available.shape[0]
    check_answers(pool, indices, labels, weights)
    given = (indices >= 0) & (indices < size)
    if weights is not None:
        given &= weights > 0
    if is_concrete(pool.indices, given):
        _check_room(pool, indices, given)

    labels = jax.tree.map(lambda old, new: new.astype(old.dtype), pool.labels, labels)
    return jax.lax.scan(_add_one, pool, (indices.astype(jnp.int32), labels, given))[0]


def skip(pool: PoolState, indices: Int[Array, " B"]) -> PoolState:
    """Never ask for these points. Existing labels are kept.

    Raises:
      ValueError: indices that are not integers [B], or (outside compiled code) one outside 0 to N.
    """
    size = pool.available.shape[0]
    check_indices("indices", indices, size)
    # A negative index would count from the end.
    return pool._replace(available=pool.available.at[jnp.where(indices < 0, size, indices)].set(False, mode="drop"))


def labelled_batch(pool: PoolState, pool_inputs: PyTree) -> Batch:
    """The whole buffer as a batch; weight 0 where it is empty."""
    weights = (jnp.arange(pool.indices.shape[0]) < pool.num_labelled).astype(jnp.float32)
    return Batch(take_points(pool_inputs, pool.indices), pool.labels, weights)


def extend_budget(pool: PoolState, budget: int) -> PoolState:
    """The same pool with room for more labels.

    Raises:
      ValueError: a budget below the current one.
    """
    more = budget - pool.indices.shape[0]
    if more < 0:
        raise ValueError(f"expected a budget of at least {pool.indices.shape[0]}, got {budget}")
    fresh = empty_pool(pool.available.shape[0], more, pool.labels)
    return pool._replace(
        indices=jnp.concatenate([pool.indices, fresh.indices]),
        labels=jax.tree.map(lambda old, new: jnp.concatenate([old, new]), pool.labels, fresh.labels),
    )


def as_labels(labels: PyTree, like: PyTree) -> PyTree:
    """Convert labels, given as arrays or lists, to JAX arrays with the structure of ``like``.

    Raises:
      ValueError: another structure, or numbers that do not fit in JAX's integers.
    """
    try:
        return jax.tree.map(lambda _, leaf: as_array("labels", leaf), like, labels)
    except (TypeError, KeyError) as error:
        structure = jax.tree.structure(labels)
        raise ValueError(f"expected labels of the structure {jax.tree.structure(like)}, got {structure}") from error


def check_answers(
    pool: PoolState, indices: Array, labels: PyTree, weights: Array | None, *, absent: bool = True
) -> None:
    """Raise unless these are pool indices with one label (and one weight) each, of the buffer's shape and dtype.

    Args:
      pool: whose buffer will hold them.
      indices: must be integers [B].
      labels: must have leaves [B, ...], as in the buffer.
      weights: must be [B], or None.
      absent: whether the absent index N is allowed.
    """
    check_indices("indices", indices, pool.available.shape[0], absent=absent)
    held_structure, structure = (str(jax.tree.structure(tree)) for tree in (pool.labels, labels))
    if structure != held_structure:
        raise ValueError(f"expected labels of the structure {held_structure}, got {structure}")
    for held, new in zip(jax.tree.leaves(pool.labels), jax.tree.leaves(labels), strict=True):
        if new.shape != (len(indices), *held.shape[1:]):
            raise ValueError(
                f"expected one label of shape {list(held.shape[1:])} for each of {len(indices)} indices, "
                f"got labels of shape {list(new.shape)}"
            )
        if jnp.issubdtype(new.dtype, jnp.floating) and not jnp.issubdtype(held.dtype, jnp.floating):
            raise ValueError(f"expected labels that can be held as {held.dtype}, got {new.dtype}")
        if is_concrete(new) and jnp.issubdtype(held.dtype, jnp.integer) and new.size:
            values, limits = np.asarray(new), jnp.iinfo(held.dtype)
            if values.min() < limits.min or values.max() > limits.max:
                found = f"values from {values.min()} to {values.max()}"
                raise ValueError(f"expected labels that can be held as {held.dtype}, got {found}")
    if weights is not None and weights.shape != indices.shape:
        raise ValueError(f"expected one weight for each index, {list(indices.shape)}, got {list(weights.shape)}")
    if weights is not None and is_concrete(weights) and not np.isin(np.asarray(weights), (0, 1)).all():
        raise ValueError(f"expected weights of 0 (no answer) or 1, got {np.asarray(weights)}")


def _check_room(pool: PoolState, indices: Array, given: Array) -> None:
    budget = pool.indices.shape[0]
    answered, counts = np.unique(np.asarray(indices)[np.asarray(given)], return_counts=True)
    if (counts > 1).any():
        repeated = answered[counts > 1].tolist()
        raise ValueError(f"expected one label a point, got several for {repeated}: keep the correct one")
    room, num_new = budget - int(pool.num_labelled), len(np.setdiff1d(answered, np.asarray(pool.indices)))
    if num_new > room:
        raise ValueError(
            f"expected at most {room} new labels, which is what remains of the label budget {budget}, got {num_new}: "
            "make room with learner.extend, or build the learner with more rounds"
        )


def _add_one(pool: PoolState, item: tuple[Array, PyTree, Array]) -> tuple[PoolState, None]:
    """Of the module, not of a call, so that called outside compiled code it is compiled once."""
    index, label, is_given = item
    size, budget = pool.available.shape[0], pool.indices.shape[0]
    held = pool.indices == index
    is_held = held.any()
    position = jnp.where(is_held, held.argmax(), pool.num_labelled)
    # Position K is outside the buffer, so a write there is dropped.
    position = jnp.where(is_given, position, budget)
    is_added = is_given & ~is_held & (position < budget)
    added = PoolState(
        indices=pool.indices.at[position].set(index, mode="drop"),
        labels=jax.tree.map(lambda old, new: old.at[position].set(new, mode="drop"), pool.labels, label),
        num_labelled=pool.num_labelled + is_added,
        available=pool.available.at[jnp.where(is_added, index, size)].set(False, mode="drop"),
    )
    return added, None
