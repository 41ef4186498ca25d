"""Learning curves and the numbers that compare them."""

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from bal.studies._metrics import main_metric
from bal.validation import check_choice, check_probability


def curves(frame: pd.DataFrame, metric: str | None = None) -> dict[str, pd.DataFrame]:
    """One metric of each strategy as a table: a row for each number of labels, a column for each seed.

    Args:
      frame: with the columns strategy, seed, num_labelled, metric and value, as :func:`metrics_frame` returns it.
      metric: a name in the column metric; by default the main one: accuracy, else rmse, else nll.

    Returns:
      The tables by strategy, in the order of the frame. A value that is missing or undefined is NaN.

    Raises:
      ValueError: the frame has no such metric, or several values for one strategy, seed and number of labels.

    Example:
      >>> columns = ["strategy", "seed", "num_labelled", "metric", "value"]
      >>> frame = pd.DataFrame([("bald", 0, 20, "rmse", 0.5), ("bald", 0, 30, "rmse", 0.4)], columns=columns)
      >>> curves(frame)["bald"][0].to_dict()
      {20: 0.5, 30: 0.4}
    """
    names = list(map(str, frame["metric"].unique()))
    metric = main_metric(names) if metric is None else metric
    check_choice("the metric", metric, names)
    chosen = frame[frame["metric"] == metric]
    if chosen.duplicated(["strategy", "seed", "num_labelled"]).any():
        raise ValueError(
            "expected one value for each strategy, seed and number of labels, got several: select one data set and "
            "one posterior, or name the strategies apart"
        )
    return {
        str(name): part.pivot(index="num_labelled", columns="seed", values="value")
        for name, part in chosen.groupby("strategy", sort=False)
    }


def mean_and_interval(values: np.ndarray, *, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    r"""Mean over runs, and half the width of its confidence interval.

    .. math:: \bar x \pm t_{n-1,\,(1 + \mathrm{level})/2} \, s / \sqrt n

    with the quantile of Student's t distribution, which assumes that the values of the runs are normally distributed.

    Args:
      values: one value for each run, [..., n].
      level: probability that the interval contains the true mean.

    Returns:
      Mean and half width, [...] each. The half width of one run is NaN. NaN among the values gives NaN: a run without
      a value is not silently left out.

    Raises:
      ValueError: there are no runs, or the level is not a probability.

    Example:
      >>> mean, half = mean_and_interval(np.array([0.8, 0.9, 1.0]))
      >>> f"{mean:.2f} ± {half:.2f}"
      '0.90 ± 0.25'
    """
    check_probability(level=level)
    values = np.asarray(values, dtype=np.float64)
    num_runs = values.shape[-1]
    if num_runs == 0:
        raise ValueError("expected the values of at least one run, got none")
    mean = np.asarray(values.mean(axis=-1))
    if num_runs == 1:
        return mean, np.full_like(mean, np.nan)
    error = values.std(axis=-1, ddof=1) / np.sqrt(num_runs)
    # Of scipy.stats, whose import takes a second, this is all that is needed.
    return mean, np.asarray(error * stdtrit(num_runs - 1, (1 + level) / 2))


def normalised_area(curve: pd.Series) -> float:
    """Mean height of a learning curve: its area by the trapezoid rule, divided by the range of label counts.

    It has the unit of the metric: a constant curve has its value as area. NaN in the curve gives NaN.

    Args:
      curve: values with the label counts, ascending, as index.

    Example:
      >>> normalised_area(pd.Series([0.5, 1.0], index=[20, 30]))
      0.75
    """
    labels = curve.index.to_numpy(dtype=np.float64)
    if len(labels) == 1:
        return float(curve.iloc[0])
    return float(np.trapezoid(curve.to_numpy(dtype=np.float64), labels) / (labels[-1] - labels[0]))


def area_differences(runs: pd.DataFrame, baseline: pd.DataFrame) -> pd.Series:
    """Area under each curve less that under the baseline's curve of the same seed.

    Runs of one seed share their initial set and their keys, so these differences vary less than the areas.

    Args:
      runs: table of a strategy, as :func:`curves` returns it.
      baseline: table of the strategy that it is compared with.

    Returns:
      The difference of normalised areas for each seed, in the unit of the metric.

    Raises:
      ValueError: the seeds or the label counts of the two differ.

    Example:
      >>> runs, baseline = pd.DataFrame({0: [0.8, 1.0]}, [20, 30]), pd.DataFrame({0: [0.5, 0.5]}, [20, 30])
      >>> area_differences(runs, baseline).round(6).to_dict()
      {0: 0.4}
    """
    for what, ours, theirs in (
        ("seeds", runs.columns, baseline.columns),
        ("label counts", runs.index, baseline.index),
    ):
        if list(ours) != list(theirs):
            raise ValueError(
                f"expected the same {what} for paired differences, got {list(ours)} and {list(theirs)}: run what is "
                "missing, or select what both have"
            )
    return runs.apply(normalised_area) - baseline.apply(normalised_area)


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
