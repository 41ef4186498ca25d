"""Learning curves as tables of runs, and their area."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from bal.studies._metrics import main_metric
from bal.studies.statistics._checks import check_paired
from bal.validation import check_choice


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
    return {str(name): _table_of(part) for name, part in chosen.groupby("strategy", sort=False)}


def normalised_area(curve: pd.Series) -> float:
    """Mean height of a learning curve: its area by the trapezoid rule, divided by the range of label counts.

    It has the unit of the metric: a constant curve has its value as area. NaN in the curve gives NaN.

    Args:
      curve: values with the label counts, ascending, as index.

    Example:
      >>> normalised_area(pd.Series([0.5, 1.0], index=[20, 30]))
      0.75
    """
    return float(_areas_of(curve.to_frame()).iloc[0])


def areas(by_strategy: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Area under the curve of each run: a row for each seed, a column for each strategy.

    Args:
      by_strategy: tables of the strategies, as :func:`curves` returns them.

    Returns:
      Normalised areas in the unit of the metric; rows are paired, since runs of one seed share their initial set.

    Raises:
      ValueError: the seeds or the label counts of two strategies differ.

    Example:
      >>> areas({"random": pd.DataFrame({0: [0.5, 0.7], 1: [0.6, 0.8]}, [20, 30])}).round(6).to_dict()
      {'random': {0: 0.6, 1: 0.7}}
    """
    if not by_strategy:
        raise ValueError("expected the curves of at least one strategy, got none")
    first = next(iter(by_strategy.values()))
    for runs in by_strategy.values():
        check_paired(runs, first)
    return pd.DataFrame({name: _areas_of(runs) for name, runs in by_strategy.items()})


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
    check_paired(runs, baseline)
    return _areas_of(runs) - _areas_of(baseline)


def _table_of(part: pd.DataFrame) -> pd.DataFrame:
    """Values with a row for each number of labels and a column for each seed. ``pivot`` takes three times as long."""
    labels, row = np.unique(part["num_labelled"], return_inverse=True)
    seeds, column = np.unique(part["seed"], return_inverse=True)
    values = np.full((len(labels), len(seeds)), np.nan)
    values[row, column] = part["value"]
    return pd.DataFrame(values, pd.Index(labels, name="num_labelled"), pd.Index(seeds, name="seed"))


def _areas_of(runs: pd.DataFrame) -> pd.Series:
    """Normalised area of each run, all at once: a study of many data sets has tens of thousands of runs."""
    labels = runs.index.to_numpy(dtype=np.float64)
    if len(labels) == 1:
        return runs.iloc[0].astype(np.float64)
    values = np.ascontiguousarray(runs.to_numpy(dtype=np.float64).T)
    return pd.Series(np.trapezoid(values, labels) / (labels[-1] - labels[0]), runs.columns)
