"""Labels between a person, a journal and the learner: names and lists there, arrays here."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bal.loop import ActiveLearner, LoopState
from bal.pool import as_labels, empty_pool
from bal.streaming import num_points
from bal.types import Dataset, PyTree


def label_like(dataset: Dataset) -> PyTree:
    """Shape and dtype of labels, leaves [0, ...]; no label is read.

    Raises:
      ValueError: a data set that does not say what a label is.
    """
    known = dataset.pool_labels if dataset.pool_labels is not None else dataset.test_labels
    if known is not None:
        return jax.tree.map(lambda leaf: np.zeros((0, *leaf.shape[1:]), leaf.dtype), known)
    if dataset.about.num_classes is None:
        raise ValueError(
            "expected pool_labels, test_labels or num_classes, which say what a label is, got none of them: give "
            "num_classes to bal.datasets.from_arrays, or zeros as pool_labels, which are not read"
        )
    return np.zeros(0, np.int32)


def blank_state(template: LoopState, like: PyTree) -> LoopState:
    """A state without labels and model, whose ``tell`` checks labels as that of every state does."""
    size, budget = template.pool.available.shape[0], template.pool.indices.shape[0]
    return LoopState(empty_pool(size, budget, like), (), (), jnp.int32(0), (), template.point)


def to_journal(learner: ActiveLearner, blank: LoopState, names: tuple[str, ...], label: Any) -> Any:
    """The label as numbers and lists, checked.

    Args:
      learner: whose ``tell`` checks it.
      blank: from :func:`blank_state`.
      names: of the classes; a label may be one of them.
      label: of one point, as the data set holds it or as the journal does.

    Raises:
      ValueError: a label that the learner rejects.
    """
    like = blank.pool.labels
    if isinstance(label, str):
        if label not in names:
            known = f"one of {', '.join(map(repr, names))}" if names else "a number, since the classes have no names"
            raise ValueError(f"expected the label to be {known}, got {label!r}")
        label = names.index(label)
    leaves, structure = jax.tree.flatten(like)
    if len(leaves) > 1 and isinstance(label, list) and len(label) == len(leaves):
        label = jax.tree.unflatten(structure, label)
    try:
        labels = jax.tree.map(lambda _, leaf: np.asarray(leaf)[None], like, label)
    except (TypeError, KeyError, ValueError) as error:
        expected = [f"{leaf.dtype} {list(leaf.shape[1:])}" for leaf in jax.tree.leaves(like)]
        raise ValueError(f"expected a label of {', '.join(expected)}, got {label!r}") from error
    labels = as_labels(labels, like)
    learner.tell(blank, np.zeros(1, np.int32), labels)
    return as_numbers(jax.tree.map(lambda leaf: np.asarray(leaf)[0], labels))


def as_numbers(label: PyTree) -> Any:
    """A label as the journal holds it: numbers and lists, a list of its leaves where there are several."""
    leaves = [np.asarray(leaf).tolist() for leaf in jax.tree.leaves(label)]
    return leaves[0] if len(leaves) == 1 else leaves


def from_journal(like: PyTree, held: list[Any]) -> PyTree:
    """Leaves [n, ...] of the labels of n points, with the dtypes of ``like``, whose leaves are [any, ...]."""
    leaves, structure = jax.tree.flatten(like)
    columns = [held] if len(leaves) == 1 else [[label[place] for label in held] for place in range(len(leaves))]
    arrays = [
        np.asarray(column).astype(leaf.dtype).reshape(len(held), *leaf.shape[1:])
        for column, leaf in zip(columns, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, arrays)


def first_labels(learner: ActiveLearner, like: PyTree) -> tuple[Any, PyTree]:
    """Places and labels of zeros in the number that the first labelled set has."""
    count = learner.num_initial
    zeros = jax.tree.map(lambda leaf: np.zeros((count, *leaf.shape[1:]), leaf.dtype), like)
    return np.arange(count, dtype=np.int32), zeros


def with_labels_like(dataset: Dataset, like: PyTree) -> Dataset:
    """The data set with shapes instead of pool labels, for ``bal.load``, which needs nothing else of them."""
    size = num_points(dataset.pool_inputs)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((size, *leaf.shape[1:]), leaf.dtype), like)
    return dataset._replace(pool_labels=shapes)
