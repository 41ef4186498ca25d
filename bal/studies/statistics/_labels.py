"""How many labels a value of the metric costs, where some runs never reach it."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtri

from bal.studies.statistics._checks import finite
from bal.studies.statistics._intervals import Interval
from bal.validation import check_fraction


def labels_to(runs: pd.DataFrame, target: float, *, higher_is_better: bool = True) -> int | None:
    """The smallest number of labels at which at least half of the runs have reached a target.

    A run has reached the target from the first model on whose value is at least as good, even if later ones are worse.

    Args:
      runs: a row for each number of labels, ascending, and a column for each run, as :func:`curves` returns it.
      target: value of the metric.
      higher_is_better: whether a run reaches the target from below (accuracy) or from above (rmse).

    Returns:
      A number of labels for which models were trained; None if fewer than half of the runs reach the target.

    Example:
      >>> runs = pd.DataFrame({0: [0.7, 0.9, 0.9], 1: [0.8, 0.8, 0.9]}, index=[20, 30, 40])
      >>> labels_to(runs, 0.9)
      30
    """
    values = runs.to_numpy(dtype=np.float64)
    is_reached = values >= target if higher_is_better else values <= target
    share = np.logical_or.accumulate(is_reached, axis=0).mean(axis=1)
    counts = runs.index[share >= 0.5]
    return int(counts[0]) if len(counts) else None


class Survival(NamedTuple):
    """Share of the runs that have not reached a target after each number of labels."""

    counts: np.ndarray  # numbers of labels at which a run reached the target, ascending, [T]
    shares: np.ndarray  # [T]
    low: np.ndarray  # ends of the interval, [T]
    high: np.ndarray

    @property
    def median(self) -> Interval:
        """Labels after which half of the runs have reached the target; infinity lies beyond the label budget."""
        return Interval(*(_first(self.counts, shares <= 0.5) for shares in (self.shares, self.low, self.high)))


def kaplan_meier(counts: np.ndarray, is_reached: np.ndarray, *, level: float = 0.95) -> Survival:
    r"""The share of runs that need more labels than each number, where some runs ended before the target.

    .. math:: S(l) = \prod_{l_i \le l} (1 - d_i / n_i)

    with d of the n runs that still went on reaching the target at a number of labels. The interval is Greenwood's on
    the scale log(-log S). Where S is 0 this has no width, and the upper end is the exact one of a binomial.

    Args:
      counts: of each run, the number of labels at which it reached the target, or its last one if it did not, [n].
      is_reached: of each run, whether it did; a run that did not is censored, [n].
      level: of the intervals at each number.

    Returns:
      Shares at the numbers of labels at which a run reached the target, and the median over runs.

    Raises:
      ValueError: no runs, counts that are not finite, or another number of flags, which are boolean.

    Example:
      >>> kaplan_meier(np.array([20, 30, 50, 50]), np.array([True, True, True, False])).shares.tolist()
      [0.75, 0.5, 0.25]

    References:
      Kaplan and Meier 1958; Brookmeyer and Crowley 1982, A confidence interval for the median survival time
    """
    counts, is_reached = finite("the counts", counts, ndim=1), np.asarray(is_reached)
    if is_reached.dtype != bool or is_reached.shape != counts.shape:
        raise ValueError(
            f"expected a flag for each of {len(counts)} runs, got an array of dtype {is_reached.dtype} and shape "
            f"{list(is_reached.shape)}"
        )
    check_fraction(level=level)
    times = np.unique(counts[is_reached])
    at_risk = (counts >= times[:, None]).sum(axis=1)
    reached = ((counts == times[:, None]) & is_reached).sum(axis=1)
    shares = np.cumprod(1 - reached / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(np.cumsum(reached / (at_risk * (at_risk - reached)))) / np.log(shares)
        width = ndtri((1 + level) / 2) * spread
        low, high = shares ** np.exp(-width), shares ** np.exp(width)
    # A share of 0 means that all runs that went on reached the target.
    exact = 1 - ((1 - level) / 2) ** (1 / at_risk)
    before = np.concatenate([[1.0], high[:-1]])
    is_zero = shares == 0
    return Survival(times, shares, np.where(is_zero, 0, low), np.where(is_zero, np.minimum(exact, before), high))


def labels_to_target(
    runs: pd.DataFrame, target: float, *, higher_is_better: bool = True, level: float = 0.95
) -> Interval:
    """Median over runs of the number of labels at which they reach a target, with its interval.

    A run that does not reach the target is censored at its last number of labels: it may need any larger number.

    Args:
      runs: a row for each number of labels, ascending, and a column for each run, as :func:`curves` returns it.
      target: value of the metric.
      higher_is_better: whether a run reaches the target from below (accuracy) or from above (rmse).
      level: of the interval.

    Returns:
      Numbers of labels; infinity is a number beyond the budget. The median is that of :func:`labels_to`.

    Raises:
      ValueError: there are no runs, or a run has no value.

    Example:
      >>> runs = pd.DataFrame({seed: [0.7, 0.9, 0.9] for seed in range(5)} | {5: [0.5] * 3}, index=[20, 30, 40])
      >>> labels_to_target(runs, 0.9)
      Interval(estimate=30.0, low=30.0, high=inf)
    """
    return kaplan_meier(*_reached(runs, target, higher_is_better), level=level).median


def _reached(runs: pd.DataFrame, target: float, higher_is_better: bool) -> tuple[np.ndarray, np.ndarray]:
    """Of each run, the labels at which it reached the target or else ended, and whether it reached it."""
    values, counts = runs.to_numpy(dtype=np.float64), runs.index.to_numpy(dtype=np.float64)
    has_value = ~np.isnan(values)
    if not has_value.size or not has_value.any(axis=0).all():
        raise ValueError("expected a value in each run, got a run without any: leave it out")
    is_reached = values >= target if higher_is_better else values <= target
    last = len(counts) - 1 - has_value[::-1].argmax(axis=0)
    ever = np.asarray(is_reached.any(axis=0))
    return counts[np.where(ever, is_reached.argmax(axis=0), last)], ever


def _first(counts: np.ndarray, is_below: np.ndarray) -> float:
    return float(counts[is_below.argmax()]) if is_below.any() else np.inf
