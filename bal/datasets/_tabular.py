"""A data set from columns of numbers: split into pool and test set, and scaled by the pool."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from bal.datasets._arrays import from_arrays
from bal.datasets._normalised import scale_of
from bal.datasets._points import take_rows
from bal.datasets._target import Target
from bal.types import Dataset, PyTree


def tabular(
    inputs: Float[np.ndarray, "n D"],
    target: Target,
    *,
    input_names: Sequence[str],
    is_numeric: Bool[np.ndarray, " D"],
    is_test: Bool[np.ndarray, " n"],
) -> Dataset:
    """Pool and test set of a table; the test set does not affect the scaling.

    Args:
      inputs: in double precision, so that a column of large numbers keeps its small differences.
      target: classes or real numbers.
      input_names: of the columns.
      is_numeric: columns that are standardised; a constant one is only shifted. The others are indicators.
      is_test: rows of the test set.

    Returns:
      The data set, with names and units in ``about``.

    Raises:
      ValueError: the target does not vary in the pool.

    Example:
      >>> target = Target("y", np.array([3.0, 1.0, 5.0]), ())
      >>> columns = {"input_names": ["x"], "is_numeric": np.ones(1, bool), "is_test": np.array([False, False, True])}
      >>> dataset = tabular(np.array([[0.0], [2.0], [4.0]]), target, **columns)
      >>> dataset.pool_inputs.tolist(), dataset.test_labels.tolist(), dataset.about.label_shift
      ([[-1.0], [1.0]], [3.0], 2.0)
    """
    scale = scale_of(inputs[~is_test])
    mean, deviation = np.where(is_numeric, scale.mean, 0.0), np.where(is_numeric, scale.deviation, 1.0)
    dataset = labelled(((inputs - mean) / deviation).astype(np.float32), target, is_test)
    return dataset._replace(about=dataclasses.replace(dataset.about, input_names=tuple(input_names)))


def labelled(inputs: PyTree, target: Target, is_test: Bool[np.ndarray, " n"]) -> Dataset:
    """Pool and test set of a pytree of inputs, which are not scaled; real labels are standardised by the pool."""
    pool, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    values = target.values
    if len(np.unique(values[pool])) == 1:
        raise ValueError(
            f"expected a target {target.name!r} that varies in the pool, got one value in {len(pool)} rows"
        )
    about: dict[str, Any] = {"label_names": target.label_names}
    if not target.label_names:
        scale = scale_of(values[pool])
        values = (values - scale.mean) / scale.deviation
        about |= {"label_scale": float(scale.deviation), "label_shift": float(scale.mean)}
    parts = [take_rows((inputs, values), pool)]
    if test.size:
        parts.append(take_rows((inputs, values), test))
    dataset = from_arrays(*(array for part in parts for array in part), num_classes=len(target.label_names) or None)
    return dataset._replace(about=dataclasses.replace(dataset.about, **about))
