"""Data sets from arrays, checked on the host before anything runs."""

from typing import Any

import numpy as np
from jaxtyping import ArrayLike

from bal.types import Dataset


def from_arrays(
    pool_inputs: ArrayLike,
    pool_labels: ArrayLike | None,
    test_inputs: ArrayLike | None = None,
    test_labels: ArrayLike | None = None,
    *,
    num_classes: int | None = None,
) -> Dataset:
    """A data set from your own arrays.

    Args:
      pool_inputs: points to choose from [N, ...], floating.
      pool_labels: their labels [N, ...] (classes are integers from 0), or None where a person is the oracle.
      test_inputs: points to report on [T, ...], of the same shape.
      test_labels: their labels [T, ...].
      num_classes: where given, classes must lie below it.

    Raises:
      ValueError: names the field that holds NaN or infinity, a label out of range, or a shape that does not fit.

    Example:
      >>> from_arrays(np.zeros((4, 2)), np.array([0, 1, 0, 1])).pool_inputs.shape
      (4, 2)
    """
    dataset = Dataset(
        pool_inputs=_inputs(pool_inputs),
        pool_labels=None if pool_labels is None else _labels(pool_labels),
        test_inputs=None if test_inputs is None else _inputs(test_inputs),
        test_labels=None if test_labels is None else _labels(test_labels),
    )
    check_dataset(dataset, num_classes=num_classes)
    return dataset


def check_dataset(dataset: Dataset, *, num_classes: int | None = None) -> None:
    """Raise ``ValueError`` that names the first field at fault. For the host: it reads the values."""
    shape = dataset.pool_inputs.shape[1:]
    for name in ("pool_inputs", "test_inputs", "target_inputs"):
        inputs = getattr(dataset, name)
        if inputs is None:
            continue
        if inputs.shape[1:] != shape:
            raise ValueError(
                f"expected {name} of shape [n, {', '.join(map(str, shape))}], that of pool_inputs, "
                f"got {list(inputs.shape)}"
            )
        finite = np.isfinite(inputs)
        if not finite.all():
            raise ValueError(f"expected finite {name}, got {int((~finite).sum())} NaN or infinite values")
    for kind in ("pool", "test"):
        inputs, labels = getattr(dataset, f"{kind}_inputs"), getattr(dataset, f"{kind}_labels")
        if labels is None:
            continue
        if inputs is None or len(labels) != len(inputs):
            raise ValueError(f"expected one label for each of {kind}_inputs, got {len(labels)} {kind}_labels")
        _check_labels(f"{kind}_labels", np.asarray(labels), num_classes)


def _check_labels(name: str, labels: np.ndarray, num_classes: int | None) -> None:
    if np.issubdtype(labels.dtype, np.floating):
        if not np.isfinite(labels).all():
            raise ValueError(f"expected finite {name}, got {int((~np.isfinite(labels)).sum())} NaN or infinite values")
    elif labels.size and labels.min() < 0:
        raise ValueError(f"expected classes from 0 in {name}, got {labels.min()}")
    if num_classes is not None and labels.size and labels.max() >= num_classes:
        raise ValueError(f"expected classes from 0 to {num_classes - 1} in {name}, got {labels.max()}")


def _inputs(values: ArrayLike) -> Any:
    array = np.asarray(values)
    if array.dtype == object or not (np.issubdtype(array.dtype, np.number) or array.dtype == bool):
        raise ValueError(f"expected inputs of a numeric dtype, got {array.dtype}")
    return array.astype(np.float32)


def _labels(values: ArrayLike) -> Any:
    array = np.asarray(values)
    if np.issubdtype(array.dtype, np.floating):
        return array.astype(np.float32)
    if np.issubdtype(array.dtype, np.integer) or array.dtype == bool:
        return array.astype(np.int32)
    raise ValueError(f"expected labels of an integer or floating dtype, got {array.dtype}")
