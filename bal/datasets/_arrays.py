"""Data sets from arrays, which keep every dtype that JAX has."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bal.datasets._checks import check_dataset
from bal.datasets._points import named_leaves, num_points
from bal.types import Batch, Dataset, PyTree
from bal.validation import check_count


def from_arrays(
    pool_inputs: PyTree,
    pool_labels: PyTree | None,
    test_inputs: PyTree | None = None,
    test_labels: PyTree | None = None,
    *,
    num_classes: int | None = None,
    void: int | float | None = None,
    validation: PyTree | None = None,
    calibration: PyTree | None = None,
    target_inputs: PyTree | None = None,
    target_weights: Any = None,
) -> Dataset:
    """A data set from your own arrays: one array, or a dict or tuple of them, with the points along the first axis.

    Integers, booleans, and half-precision numbers keep their dtype; 64 bits become 32 if the values fit. Labels that
    are one boolean array become the classes 0 and 1.

    Args:
      pool_inputs: points to choose from, leaves [N, ...].
      pool_labels: their labels, leaves [N, ...] (classes are integers from 0), or None if a person is the oracle.
      test_inputs: points to report on, leaves [T, ...], with the structure, shapes, and dtypes of ``pool_inputs``.
      test_labels: their labels, leaves [T, ...].
      num_classes: number of classes; None takes one more than the largest integer label.
      void: label that means "no label": an integer that is not a class, such as 255 at the borders of a segmentation,
        or NaN for real labels, such as depth that was not measured.
      validation: inputs and labels for early stopping, as a pair or a :class:`bal.types.Batch`.
      calibration: the same for risk-controlled automatic labelling.
      target_inputs: where predictions will be needed, leaves [M, ...].
      target_weights: importance of each target [M]; equal where None.

    Returns:
      The data set as NumPy arrays. ``about.num_classes`` is set if the labels are classes.

    Raises:
      ValueError: names the leaf that holds NaN, infinity, a label out of range, or a value too large for 32 bits, or
        whose shape or dtype does not match.

    Example:
      >>> images, ages = np.zeros((4, 8, 8, 1), np.uint8), np.zeros((4, 1))
      >>> dataset = from_arrays({"image": images, "age": ages}, [0, 1, 0, 2])
      >>> dataset.pool_inputs["image"].dtype, dataset.about.num_classes
      (dtype('uint8'), 3)
    """
    if num_classes is not None:
        check_count("num_classes", num_classes)
    dataset = Dataset(
        pool_inputs=_arrays("pool_inputs", pool_inputs),
        pool_labels=_labels("pool_labels", pool_labels),
        test_inputs=_arrays("test_inputs", test_inputs),
        test_labels=_labels("test_labels", test_labels),
        validation=_batch("validation", validation),
        target_inputs=_arrays("target_inputs", target_inputs),
        target_weights=_arrays("target_weights", target_weights),
        calibration=_batch("calibration", calibration),
    )
    check_dataset(dataset, num_classes=num_classes, void=void)
    num_classes = num_classes or _count_classes(dataset, void)
    return dataset._replace(about=dataclasses.replace(dataset.about, num_classes=num_classes))


def _arrays(name: str, tree: PyTree) -> PyTree:
    """Convert all leaves to NumPy arrays of at most 32 bits; a list of numbers is one array."""
    leaves, structure = jax.tree.flatten(tree, is_leaf=_is_list)
    names = named_leaves(name, jax.tree.unflatten(structure, range(len(leaves))))
    return jax.tree.unflatten(structure, [_array(*named) for named in zip(names, leaves, strict=True)])


def _labels(name: str, tree: PyTree) -> PyTree:
    """Like :func:`_arrays`; one boolean array becomes the classes 0 and 1. In a pytree it may be a mask, and stays."""
    labels = _arrays(name, tree)
    return labels.astype(np.int32) if isinstance(labels, np.ndarray) and labels.dtype == bool else labels


def _is_list(node: Any) -> bool:
    return isinstance(node, list)


def _array(name: str, values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind in "OSUT":
        # Strings have one of these kinds.
        raise ValueError(f"expected numbers in {name}, got {array.dtype}: bal.datasets.from_table encodes strings")
    if array.dtype == bool:
        return array
    if jnp.issubdtype(array.dtype, jnp.integer):
        return array.astype(np.int32) if _fits(name, array) else array
    if jnp.issubdtype(array.dtype, jnp.floating):
        return array if array.dtype.itemsize <= 4 else _to_float32(name, array)
    raise ValueError(f"expected numbers in {name}, got {array.dtype}")


def _fits(name: str, array: np.ndarray) -> bool:
    """Whether an integer array must be converted to int32; raises if it cannot be."""
    if array.dtype.itemsize <= 4:
        return False
    bounds = np.iinfo(np.int32)
    # Without this check, 2**32 would become class 0.
    outside = (array < bounds.min) | (array > bounds.max)
    if outside.any():
        raise ValueError(f"expected integers that fit in 32 bits in {name}, got {array[outside][0]}")
    return True


def _to_float32(name: str, array: np.ndarray) -> np.ndarray:
    too_large = np.isfinite(array) & (np.abs(array) > np.finfo(np.float32).max)
    if too_large.any():
        raise ValueError(f"expected numbers that fit in float32 in {name}, got {array[too_large][0]}: rescale them")
    return array.astype(np.float32)


def _batch(name: str, points: PyTree | None) -> Batch | None:
    if points is None:
        return None
    if not isinstance(points, tuple) or len(points) not in (2, 3):
        raise ValueError(f"expected {name} to be (inputs, labels) or a Batch, got {type(points).__name__}")
    inputs, labels = _arrays(f"{name}.inputs", points[0]), _labels(f"{name}.labels", points[1])
    if len(points) == 3:
        return Batch(inputs, labels, _arrays(f"{name}.weights", points[2]))
    weights: Any = np.ones(num_points(inputs) if jax.tree.leaves(inputs) else 0, np.float32)
    return Batch(inputs, labels, weights)


def _count_classes(dataset: Dataset, void: int | float | None) -> int | None:
    """One more than the largest label, if the labels are one integer array; else None."""
    parts = [dataset.pool_labels, dataset.test_labels]
    parts += [batch.labels for batch in (dataset.validation, dataset.calibration) if batch is not None]
    arrays = [part for part in parts if part is not None]
    if not all(isinstance(array, np.ndarray) and jnp.issubdtype(array.dtype, jnp.integer) for array in arrays):
        return None
    largest = [int(classes.max()) for classes in (array[array != void] for array in arrays) if classes.size]
    return max(largest) + 1 if largest else None
