"""Checks of tables of runs."""

from typing import Any

import numpy as np
import pandas as pd


def finite(name: str, values: Any, *, ndim: int) -> np.ndarray:
    """The values in double precision; raises unless they are finite numbers of that rank, and at least one."""
    array = np.asarray(values)
    if array.dtype.kind not in "iufb" or array.ndim != ndim or array.size == 0:
        raise ValueError(
            f"expected {name} to be numbers with {ndim} axes, got an array of dtype {array.dtype} and shape "
            f"{list(array.shape)}"
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"expected {name} to be finite, got NaN or infinity: leave out what is undefined in a run")
    return array


def resolution_of(scores: np.ndarray) -> float:
    """The difference from which on scores differ: metrics are single-precision numbers, so their last digits vary."""
    return 1e-6 * float(np.abs(scores).max())


def in_units(values: np.ndarray, unit: float) -> np.ndarray:
    """Values as whole multiples of a unit, so that those that are equal but for rounding are equal."""
    return np.rint(values / unit) if unit > 0 else values


def named_scores(scores: pd.DataFrame, *, rows: str, least: int = 1) -> pd.DataFrame:
    """A table with a column for each strategy, in double precision; raises unless it is finite and named once."""
    if not scores.columns.is_unique:
        raise ValueError(f"expected one column for each strategy, got {list(scores.columns)}")
    if scores.shape[1] < 2:
        raise ValueError(f"expected at least two strategies to compare, got {list(scores.columns)}")
    if len(scores) < least:
        raise ValueError(f"expected at least {least} {rows}, got {len(scores)}")
    return pd.DataFrame(finite("the scores", scores, ndim=2), index=scores.index, columns=scores.columns)


def check_paired(runs: pd.DataFrame, baseline: pd.DataFrame) -> None:
    """Raise unless two tables of runs have the same seeds and the same label counts."""
    for what, ours, theirs in (
        ("seeds", runs.columns, baseline.columns),
        ("label counts", runs.index, baseline.index),
    ):
        if list(ours) != list(theirs):
            raise ValueError(
                f"expected the same {what} for paired differences, got {list(ours)} and {list(theirs)}: run what is "
                "missing, or select what both have"
            )
