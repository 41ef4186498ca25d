"""The column of a table that is to be predicted: classes with names, or real numbers in units of their deviation."""

from typing import Literal, NamedTuple

import numpy as np

Task = Literal["classification", "regression"]

# An integer target holds classes if it takes at most this many values.
MAX_INTEGER_CLASSES = 20


class Target(NamedTuple):
    """The values to predict, one for each row."""

    name: str
    values: np.ndarray  # [n] classes as int32 from 0, or real numbers as float64
    label_names: tuple[str, ...]  # of the classes; () for real numbers


def encode_target(name: str, values: np.ndarray, task: Task | None) -> Target:
    """Classes of strings, booleans, and few integers, in sorted order; real numbers otherwise.

    Args:
      name: of the target, for messages.
      values: without missing ones.
      task: None decides by the dtype. Integers are then classes if they take at most 20 values that occur in two or
        more rows on average.

    Raises:
      ValueError: all values are the same, or they do not fit the task.

    Example:
      >>> encode_target("grade", np.array(["low", "high", "low"]), None)
      Target(name='grade', values=array([1, 0, 1], dtype=int32), label_names=('high', 'low'))
    """
    is_real, is_integer = np.issubdtype(values.dtype, np.floating), np.issubdtype(values.dtype, np.integer)
    if is_real and not np.isfinite(values).all():
        raise ValueError(
            f"expected finite numbers in target {name!r}, got {int((~np.isfinite(values)).sum())} infinite"
        )
    classes, labels = np.unique(values, return_inverse=True)
    if len(classes) == 1:
        raise ValueError(f"expected a target {name!r} that varies, got {classes[0]!s} in all {len(values)} rows")
    if task is None:
        few = len(classes) <= min(MAX_INTEGER_CLASSES, len(values) / 2)
        task = "regression" if is_real or (is_integer and not few) else "classification"
    if task == "regression":
        if not is_real and not is_integer:
            raise ValueError(f"expected numbers in target {name!r} for regression, got {_kind(values)}")
        return Target(name, values.astype(np.float64), ())
    if is_real:
        if (classes != np.round(classes)).any():
            raise ValueError(f"expected classes in target {name!r} for classification, got real numbers")
        classes = classes.astype(np.int64)
    return Target(name, labels.astype(np.int32), tuple(str(value) for value in classes))


def _kind(values: np.ndarray) -> str:
    return "booleans" if values.dtype == bool else "strings"
