"""Strategies compared by paired runs: with a baseline, and each with each."""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from bal.studies.statistics._checks import named_scores, resolution_of
from bal.studies.statistics._intervals import bootstrap_interval, mean_and_interval, mean_of_all
from bal.studies.statistics._signed_rank import holm, signed_rank_p_value
from bal.validation import check_choice


def paired_differences(scores: pd.DataFrame, baseline: str, *, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Each strategy less a baseline, over paired runs.

    Args:
      scores: a row for each seed and a column for each strategy, such as :func:`areas` returns.
      baseline: the strategy that the others are compared with; any of them.
      level: of the intervals.
      seed: of the bootstrap.

    Returns:
      A row for each other strategy: ``difference``, the mean in the unit of the scores; ``low`` and ``high``, its
      interval by Student's t; ``bootstrap_low`` and ``bootstrap_high``; ``p_value`` of Wilcoxon's signed-rank test; and
      ``p_holm``, adjusted for the number of strategies. Intervals of one run are NaN.

    Raises:
      ValueError: no such baseline, fewer than two strategies, no runs, or scores that are not finite.

    Example:
      >>> scores = pd.DataFrame({"random": [0.5, 0.6, 0.7], "bald": [0.6, 0.8, 0.8]})
      >>> paired_differences(scores, "random")[["difference", "low", "high", "p_value"]].round(3).values.tolist()
      [[0.133, -0.01, 0.277, 0.25]]
    """
    scores = named_scores(scores, rows="runs")
    check_choice("the baseline", baseline, list(scores.columns))
    rows, resolution = {}, resolution_of(scores.to_numpy())
    for name in scores.columns.drop(baseline):
        values = (scores[name] - scores[baseline]).to_numpy()
        mean, half = mean_and_interval(values, level=level)
        resampled = bootstrap_interval(values, mean_of_all, level=level, seed=seed)
        p_value = signed_rank_p_value(values, resolution=resolution)
        rows[name] = (float(mean), float(mean - half), float(mean + half), resampled.low, resampled.high, p_value)
    columns = ["difference", "low", "high", "bootstrap_low", "bootstrap_high", "p_value"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.assign(p_holm=holm(table["p_value"].to_numpy()))


class Pairwise(NamedTuple):
    """Every strategy against every other: the row's less the column's."""

    differences: pd.DataFrame  # means over runs, in the unit of the scores
    p_values: pd.DataFrame  # of Wilcoxon's signed-rank test; NaN on the diagonal
    p_holm: pd.DataFrame  # adjusted for the number of pairs


def pairwise_tests(scores: pd.DataFrame) -> Pairwise:
    """Wilcoxon's signed-rank test for every pair of strategies, with Holm's correction over all pairs.

    Args:
      scores: a row for each paired run and a column for each strategy, such as :func:`areas` returns; or a row for each
        data set, to compare strategies over data sets.

    Returns:
      Three tables with a row and a column for each strategy.

    Raises:
      ValueError: fewer than two strategies, no runs, or scores that are not finite.

    Example:
      >>> scores = pd.DataFrame({"random": [0.5, 0.6, 0.7], "bald": [0.6, 0.8, 0.8]})
      >>> pairwise_tests(scores).p_holm.loc["bald", "random"]
      np.float64(0.25)
    """
    scores = named_scores(scores, rows="runs")
    names = scores.columns
    pairs = list(combinations(range(len(names)), 2))
    values = scores.to_numpy()
    resolution = resolution_of(values)
    p_values = np.array([signed_rank_p_value(values[:, i] - values[:, j], resolution=resolution) for i, j in pairs])
    means = values.mean(axis=0)

    def symmetric(of_pairs: np.ndarray) -> pd.DataFrame:
        matrix = np.full((len(names), len(names)), np.nan)
        for (i, j), value in zip(pairs, of_pairs, strict=True):
            matrix[i, j] = matrix[j, i] = value
        return pd.DataFrame(matrix, index=names, columns=names)

    differences = pd.DataFrame(means[:, None] - means, index=names, columns=names)
    return Pairwise(differences, symmetric(p_values), symmetric(holm(p_values)))
