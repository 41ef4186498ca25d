"""The first labelled set of a run: drawn uniformly, balanced by class, or given."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from bal.pool import as_labels
from bal.streaming import num_points
from bal.types import Dataset, PyTree, RngKey
from bal.validation import as_array, check_indices, is_concrete

INITIAL_SETS = ("uniform", "balanced")


def initial_labels(
    rng_key: RngKey,
    dataset: Dataset,
    initial: tuple[Any, PyTree] | None,
    *,
    num_initial: int,
    initial_set: str,
) -> tuple[Int[Array, " I"], PyTree]:
    """Indices and labels of the first labelled set.

    Args:
      rng_key: draws the points.
      dataset: if ``initial`` is None, the labels of the drawn points are read from it.
      initial: indices and labels from a person, ``num_initial`` of each.
      num_initial: size of the set.
      initial_set: "uniform" or "balanced".

    Raises:
      ValueError: no labels to start from, or ``initial`` does not hold ``num_initial`` different pool points.
    """
    size = num_points(dataset.pool_inputs)
    if initial is not None:
        like = dataset.pool_labels if dataset.pool_labels is not None else dataset.test_labels
        indices = as_array("initial indices", initial[0])
        labels = as_labels(initial[1], initial[1] if like is None else like)
        check_indices("initial indices", indices, size, absent=False)
        lengths = {leaf.shape[:1] for leaf in jax.tree.leaves(labels)}
        if indices.shape != (num_initial,) or lengths != {(num_initial,)}:
            raise ValueError(
                f"expected num_initial = {num_initial} initial indices and labels, got {len(indices)} indices and "
                f"labels of shape {[list(leaf.shape) for leaf in jax.tree.leaves(labels)]}"
            )
        if is_concrete(indices) and len(set(indices.tolist())) < num_initial:
            raise ValueError(f"expected different initial indices, got {indices.tolist()}")
        return indices.astype(jnp.int32), labels
    if dataset.pool_labels is None:
        if num_initial > 0:
            raise ValueError(
                f"expected pool_labels, or initial=(indices, labels), for num_initial = {num_initial}; got neither"
            )
        if dataset.test_labels is None:
            raise ValueError(
                "expected pool_labels or test_labels, which give the shape and dtype of a label, got neither"
            )
        return jnp.zeros(0, jnp.int32), jax.tree.map(lambda leaf: leaf[:0], dataset.test_labels)
    if initial_set == "balanced":
        _check_classes(dataset.pool_labels)
        indices = balanced_start(rng_key, dataset.pool_labels, num_initial)
    else:
        indices = uniform_start(rng_key, size, num_initial)
    return indices, jax.tree.map(lambda leaf: leaf[indices], dataset.pool_labels)


def uniform_start(rng_key: RngKey, num_points: int, num_initial: int) -> Int[Array, " I"]:
    """Indices of a random initial set."""
    return jax.random.permutation(rng_key, num_points)[:num_initial].astype(jnp.int32)


def balanced_start(rng_key: RngKey, labels: Int[Array, " N"], num_initial: int) -> Int[Array, " I"]:
    """Indices of a random initial set whose classes are as balanced as the pool allows.

    It reads labels that have not been paid for, so it is for simulations that follow a paper only.
    """
    order = jax.random.permutation(rng_key, labels.shape[0])
    shuffled = labels[order]
    by_class = jnp.argsort(shuffled, stable=True)
    ordered = shuffled[by_class]
    # Round-robin over classes: the turn of a point is the number of points of its class before it in the random order.
    turn = jnp.arange(labels.shape[0]) - jnp.searchsorted(ordered, ordered, side="left")
    turns = jnp.zeros_like(turn).at[by_class].set(turn)
    return order[jnp.argsort(turns, stable=True)][:num_initial].astype(jnp.int32)


def _check_classes(labels: PyTree) -> None:
    leaves = jax.tree.leaves(labels)
    if len(leaves) != 1 or leaves[0].ndim != 1 or not jnp.issubdtype(leaves[0].dtype, jnp.integer):
        found = [f"{leaf.dtype} {list(leaf.shape)}" for leaf in leaves]
        raise ValueError(
            f"expected labels that are classes, integers [N], for initial_set='balanced', got {', '.join(found)}: "
            "use initial_set='uniform'"
        )
