"""The first labelled set of a run: drawn uniformly, balanced by class, or given."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from bal.types import Dataset, RngKey
from bal.validation import is_concrete

INITIAL_SETS = ("uniform", "balanced")


def check_initial_set(initial_set: str) -> None:
    """Raise where the way to draw the first labelled set is unknown."""
    if initial_set not in INITIAL_SETS:
        raise ValueError(f"expected initial_set to be one of {INITIAL_SETS}, got {initial_set!r}")


def initial_labels(
    rng_key: RngKey,
    dataset: Dataset,
    initial: tuple[Array, Array] | None,
    *,
    num_initial: int,
    initial_set: str,
) -> tuple[Int[Array, " I"], Array]:
    """Indices and labels of the first labelled set.

    Args:
      rng_key: the draw.
      dataset: where ``initial`` is None, its labels are read for the points drawn.
      initial: indices and labels from a person, ``num_initial`` of each.
      num_initial: size of the set.
      initial_set: "uniform" or "balanced".

    Raises:
      ValueError: no labels to begin with, or given indices that are not ``num_initial`` different pool points.
    """
    num_points = dataset.pool_inputs.shape[0]
    if initial is not None:
        indices, labels = jnp.asarray(initial[0], jnp.int32), jnp.asarray(initial[1])
        if indices.shape != (num_initial,) or labels.shape[:1] != (num_initial,):
            raise ValueError(
                f"expected initial indices and labels of length num_initial = {num_initial}, "
                f"got shapes {list(indices.shape)} and {list(labels.shape)}"
            )
        if is_concrete(indices):
            _check_indices(indices.tolist(), num_points)
        return indices, labels
    if dataset.pool_labels is None:
        if num_initial > 0:
            raise ValueError(
                f"expected pool_labels, or initial=(indices, labels), for num_initial = {num_initial}; got neither"
            )
        if dataset.test_labels is None:
            raise ValueError(
                "expected pool_labels or test_labels, which tell the shape and dtype of a label, got neither"
            )
        return jnp.zeros(0, jnp.int32), dataset.test_labels[:0]
    if initial_set == "balanced":
        indices = balanced_start(rng_key, dataset.pool_labels, num_initial)
    else:
        indices = uniform_start(rng_key, num_points, num_initial)
    return indices, dataset.pool_labels[indices]


def uniform_start(rng_key: RngKey, num_points: int, num_initial: int) -> Int[Array, " I"]:
    """Indices of a random initial set."""
    return jax.random.permutation(rng_key, num_points)[:num_initial].astype(jnp.int32)


def balanced_start(rng_key: RngKey, labels: Int[Array, " N"], num_initial: int) -> Int[Array, " I"]:
    """Indices of an initial set with as equal numbers of each class as the pool allows, else random.

    It reads labels that nobody has paid for: for simulations that follow a paper, not for use.
    """
    order = jax.random.permutation(rng_key, labels.shape[0])
    shuffled = labels[order]
    by_class = jnp.argsort(shuffled, stable=True)
    ordered = shuffled[by_class]
    # The turn of a point: how many of its class come before it in the random order. Round-robin over classes.
    turn = jnp.arange(labels.shape[0]) - jnp.searchsorted(ordered, ordered, side="left")
    turns = jnp.zeros_like(turn).at[by_class].set(turn)
    return order[jnp.argsort(turns, stable=True)][:num_initial].astype(jnp.int32)


def _check_indices(indices: list[int], num_points: int) -> None:
    if len(set(indices)) < len(indices) or any(not 0 <= index < num_points for index in indices):
        raise ValueError(f"expected different initial indices between 0 and {num_points - 1}, got {indices}")
