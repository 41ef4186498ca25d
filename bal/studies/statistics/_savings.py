"""How many labels a strategy saves against a baseline."""

import numpy as np
import pandas as pd

from bal.studies.statistics._checks import check_paired, finite
from bal.studies.statistics._intervals import RESAMPLES, Interval, quantile_levels
from bal.validation import check_count


def label_savings(
    runs: pd.DataFrame,
    baseline: pd.DataFrame,
    target: float | None = None,
    *,
    higher_is_better: bool = True,
    level: float = 0.95,
    num_resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """How many labels fewer than a baseline a strategy needs until its mean curve reaches a value.

    Mean curves are joined by straight lines, so that a saving is not a multiple of the batch.

    Args:
      runs: table of the strategy, as :func:`curves` returns it.
      baseline: table of any other one, with the same seeds and label counts.
      target: value of the metric; by default what the baseline's mean reaches with all of its labels.
      higher_is_better: whether curves reach the target from below.
      level: of the interval by the bootstrap over seeds; the two runs of a seed stay together.
      num_resamples: drawn sets of seeds.
      seed: of these draws.

    Returns:
      Numbers of labels; below 0 the strategy needs more. Minus infinity: the strategy does not reach the target within
      the budget; infinity: only the strategy does; NaN: neither does. The interval of one run is NaN.

    Raises:
      ValueError: seeds or label counts that differ, no runs, or values that are not finite.

    Example:
      >>> baseline = pd.DataFrame({0: [0.5, 0.6, 0.7], 1: [0.5, 0.6, 0.7]}, index=[20, 30, 40])
      >>> runs = pd.DataFrame({0: [0.5, 0.8, 0.8], 1: [0.5, 0.8, 0.8]}, index=[20, 30, 40])
      >>> round(label_savings(runs, baseline).estimate, 3)
      13.333
    """
    check_paired(runs, baseline)
    check_count("num_resamples", num_resamples)
    sign = 1 if higher_is_better else -1
    counts = finite("the label counts", runs.index, ndim=1)
    ours, theirs = sign * finite("the curves", runs, ndim=2), sign * finite("the baseline's curves", baseline, ndim=2)
    num_runs = ours.shape[1]

    def saving(weights: np.ndarray) -> np.ndarray:
        means, others = weights @ ours.T, weights @ theirs.T
        goal = others[:, -1] if target is None else np.full(len(weights), sign * target)
        with np.errstate(invalid="ignore"):  # infinity less infinity
            return _crossing(others, goal, counts) - _crossing(means, goal, counts)

    estimate = float(saving(np.full((1, num_runs), 1 / num_runs))[0])
    if num_runs == 1:
        return Interval(estimate, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(num_runs, np.full(num_runs, 1 / num_runs), size=num_resamples) / num_runs
    # Infinite savings have an order, but no mean: a quantile is one of the values.
    low, high = np.quantile(saving(drawn), quantile_levels(1, num_runs, level), method="inverted_cdf")
    return Interval(estimate, float(low), float(high))


def _crossing(means: np.ndarray, goal: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Labels at which each mean curve, [B, L], first reaches its goal, [B]; infinity if it does not."""
    # Means of the same runs may differ by rounding.
    is_reached = means >= goal[:, None] - 1e-12 * np.abs(goal[:, None])
    first = is_reached.argmax(axis=1)
    rows, before = np.arange(len(means)), np.maximum(first - 1, 0)
    rise = means[rows, first] - means[rows, before]
    share = np.divide(goal - means[rows, before], rise, out=np.ones_like(goal), where=rise > 0)
    labels = counts[before] + np.clip(share, 0, 1) * (counts[first] - counts[before])
    return np.where(is_reached.any(axis=1), labels, np.inf)
