"""Checks of a data set, on the host, before anything is compiled."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bal.datasets._points import named_leaves, num_points
from bal.sources import Source
from bal.types import Dataset, PyTree
from bal.validation import check_nonnegative


def check_dataset(dataset: Dataset, *, num_classes: int | None = None, void: int | float | None = None) -> None:
    """Raise if a data set is invalid, in one sentence that names the invalid leaf. For the host: it reads values.

    Args:
      dataset: from any source.
      num_classes: classes must lie below it; None takes that of ``dataset.about``, or sets no limit.
      void: label that means "no label": an integer, or NaN for real labels.

    Raises:
      ValueError: NaN or infinity, an empty pool or test set, leaves of different lengths, labels that do not match
        the points or are not classes, or inputs whose structure, shape, or dtype differs from the pool's.

    Example:
      >>> check_dataset(Dataset(np.zeros((3, 2)), np.zeros(2, int)))
      Traceback (most recent call last):
      ValueError: expected one label for each of the 3 points of pool_inputs, got 2 in pool_labels
    """
    num_classes = dataset.about.num_classes if num_classes is None else num_classes
    pool = dataset.pool_inputs
    # Rows on disk are checked when they are read.
    like = pool.shapes(pool.size) if isinstance(pool, Source) else pool
    if not isinstance(pool, Source):
        _check_points("pool_inputs", pool)
    inputs = {"test_inputs": dataset.test_inputs, "target_inputs": dataset.target_inputs}
    labels = {
        "pool_labels": (dataset.pool_labels, "pool_inputs", pool),
        "test_labels": (dataset.test_labels, "test_inputs", dataset.test_inputs),
    }
    for name, batch in (("validation", dataset.validation), ("calibration", dataset.calibration)):
        if batch is not None:
            inputs[f"{name}.inputs"] = batch.inputs
            labels[f"{name}.labels"] = (batch.labels, f"{name}.inputs", batch.inputs)
    for name, tree in inputs.items():
        if tree is not None:
            _check_points(name, tree)
            _check_alike(name, tree, "pool_inputs", like)
    for name, (tree, inputs_name, points) in labels.items():
        if tree is not None:
            _check_labels(name, tree, inputs_name, points, num_classes, void)
    _check_labels_alike({name: tree for name, (tree, _, _) in labels.items() if tree is not None})
    _check_weights(dataset)


def _check_points(name: str, tree: PyTree) -> None:
    leaves = named_leaves(name, tree)
    if not leaves:
        raise ValueError(f"expected {name} to hold at least one array, got {tree!r}")
    lengths = {}
    for leaf_name, leaf in leaves.items():
        if np.ndim(leaf) == 0:
            raise ValueError(f"expected {leaf_name} to have the points along its first axis, got a scalar")
        lengths[leaf_name] = len(leaf)
        _check_finite(leaf_name, leaf)
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{length} in {leaf_name}" for leaf_name, length in lengths.items())
        raise ValueError(f"expected the same number of points in each array of {name}, got {found}")
    if 0 in lengths.values():
        raise ValueError(f"expected at least one point in {name}, got none")


def _check_finite(name: str, leaf: Any, *, may_be_nan: bool = False) -> None:
    if jnp.issubdtype(leaf.dtype, jnp.floating):
        values = np.asarray(leaf)
        invalid = int((np.isinf(values) if may_be_nan else ~np.isfinite(values)).sum())
        if invalid:
            kind = "infinite ones" if may_be_nan else "NaN or infinite ones"
            raise ValueError(f"expected finite numbers in {name}, got {invalid} {kind}")


def _check_alike(name: str, tree: PyTree, other_name: str, other: PyTree) -> None:
    """Raise unless both have the same structure, and the same shape and dtype a point."""
    leaves, others = named_leaves("", tree), named_leaves("", other)
    structure: Any = jax.tree.structure(tree)
    if structure != jax.tree.structure(other):
        found, expected = (", ".join(key or "one array" for key in part) for part in (leaves, others))
        raise ValueError(f"expected {name} to be structured as {other_name} ({expected}), got {found}")
    for key, leaf in leaves.items():
        shape, expected_shape = leaf.shape[1:], others[key].shape[1:]
        if shape != expected_shape:
            raise ValueError(
                f"expected {name}{key} of shape {_shape(expected_shape)}, as {other_name}{key}, got {list(leaf.shape)}"
            )
        if leaf.dtype != others[key].dtype:
            raise ValueError(
                f"expected {name}{key} of dtype {others[key].dtype}, as {other_name}{key}, got {leaf.dtype}"
            )


def _shape(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(['n', *map(str, shape)])}]"


def _check_labels(
    name: str, tree: PyTree, inputs_name: str, inputs: PyTree | None, num_classes: int | None, void: int | float | None
) -> None:
    if inputs is None:
        raise ValueError(f"expected {inputs_name} to go with {name}, got None")
    if not jax.tree.leaves(tree):
        raise ValueError(f"expected {name} to hold at least one array, got {tree!r}")
    expected = num_points(inputs)
    for leaf_name, leaf in named_leaves(name, tree).items():
        found = len(leaf) if np.ndim(leaf) else "a scalar"
        if found != expected:
            raise ValueError(
                f"expected one label for each of the {expected} points of {inputs_name}, got {found} in {leaf_name}"
            )
        _check_finite(leaf_name, leaf, may_be_nan=void is not None and math.isnan(void))
        if jnp.issubdtype(leaf.dtype, jnp.integer):
            _check_classes(leaf_name, np.asarray(leaf), num_classes, void)


def _check_classes(name: str, labels: np.ndarray, num_classes: int | None, void: int | float | None) -> None:
    classes = labels[labels != void] if void is not None else labels
    if not classes.size:
        return
    if classes.min() < 0:
        raise ValueError(f"expected classes from 0 in {name}, got {classes.min()}")
    if num_classes is not None and classes.max() >= num_classes:
        raise ValueError(f"expected classes from 0 to {num_classes - 1} in {name}, got {classes.max()}")


def _check_labels_alike(labels: dict[str, PyTree]) -> None:
    for name, tree in list(labels.items())[1:]:
        _check_alike(name, tree, next(iter(labels)), next(iter(labels.values())))


def _check_weights(dataset: Dataset) -> None:
    weights = {
        f"{name}.weights": (batch.weights, num_points(batch.inputs))
        for name, batch in (("validation", dataset.validation), ("calibration", dataset.calibration))
        if batch is not None
    }
    if dataset.target_weights is not None:
        if dataset.target_inputs is None:
            raise ValueError("expected target_inputs to go with target_weights, got None")
        weights["target_weights"] = (dataset.target_weights, num_points(dataset.target_inputs))
    for name, (values, length) in weights.items():
        if values.shape != (length,):
            raise ValueError(f"expected {name} of shape [{length}], got {list(values.shape)}")
        _check_finite(name, values)
        check_nonnegative(**{name: values})
        if not np.any(np.asarray(values) > 0):
            raise ValueError(f"expected {name} with at least one above 0, got none")
