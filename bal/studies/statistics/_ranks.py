"""Ranks of strategies over data sets, and the difference of mean ranks that is significant."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from bal.studies.statistics._checks import in_units, named_scores, resolution_of
from bal.validation import check_count, check_fraction


def rank_table(scores: pd.DataFrame, *, higher_is_better: bool = True) -> pd.DataFrame:
    """The rank of each strategy on each data set; 1 is the best, and equal scores share their mean rank.

    Args:
      scores: a row for each data set and a column for each strategy, such as mean areas.
      higher_is_better: whether a larger score is the better one.

    Returns:
      Ranks in the same rows and columns.

    Raises:
      ValueError: fewer than two strategies, no data set, or scores that are not finite.

    Example:
      >>> rank_table(pd.DataFrame({"random": [0.8, 0.7], "bald": [0.9, 0.7]})).to_numpy().tolist()
      [[2.0, 1.0], [1.5, 1.5]]
    """
    scores = named_scores(scores, rows="data sets")
    rounded = np.array([in_units(row, resolution_of(row)) for row in scores.to_numpy()])
    ranked = pd.DataFrame(rounded, index=scores.index, columns=scores.columns)
    return ranked.rank(axis=1, ascending=not higher_is_better)


def critical_difference(num_strategies: int, num_data_sets: int, *, level: float = 0.95) -> float:
    r"""The difference of two mean ranks from which on Nemenyi's test calls them different.

    .. math:: q_{1 - \mathrm{level}} \sqrt{k (k + 1) / (6 D)}

    with the quantile of the studentised range for infinite degrees of freedom, divided by the root of 2.

    Args:
      num_strategies: k, at least 2.
      num_data_sets: D.
      level: one less the chance of any false difference.

    Returns:
      A difference of mean ranks.

    Example:
      >>> round(critical_difference(4, 14), 2)
      1.25

    References:
      Demsar 2006, Statistical comparisons of classifiers over multiple data sets
    """
    from scipy.stats import studentized_range

    check_count("num_strategies", num_strategies, least=2)
    check_count("num_data_sets", num_data_sets)
    check_fraction(level=level)
    quantile = studentized_range.ppf(level, num_strategies, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(num_strategies * (num_strategies + 1) / (6 * num_data_sets)))


class RankSummary(NamedTuple):
    """What a critical-difference diagram shows."""

    mean_ranks: pd.Series  # by strategy, the best first
    p_value: float  # of Friedman's test that all strategies are equal
    critical_difference: float  # of mean ranks
    groups: list[list[str]]  # strategies that do not differ, as long as possible; a strategy may be in several


def compare_ranks(scores: pd.DataFrame, *, higher_is_better: bool = True, level: float = 0.95) -> RankSummary:
    """Mean ranks over data sets, Friedman's test, and groups of strategies that Nemenyi's test cannot tell apart.

    Whether two strategies differ here depends on which others are compared; :func:`pairwise_tests` of the same table
    does not have this property (Benavoli et al. 2016).

    Args:
      scores: a row for each data set and a column for each strategy, such as mean areas.
      higher_is_better: whether a larger score is the better one.
      level: of Nemenyi's test.

    Returns:
      The summary. The p-value of two strategies, of which Friedman's test is the sign test, is approximate too.

    Raises:
      ValueError: fewer than two strategies or two data sets, or scores that are not finite.

    Example:
      >>> scores = pd.DataFrame({"random": [0.8, 0.7, 0.6], "bald": [0.9, 0.8, 0.7], "margin": [0.9, 0.9, 0.8]})
      >>> compare_ranks(scores).mean_ranks.round(2).to_dict()
      {'margin': 1.17, 'bald': 1.83, 'random': 3.0}

    References:
      Demsar 2006, Statistical comparisons of classifiers over multiple data sets
    """
    scores = named_scores(scores, rows="data sets", least=2)
    mean_ranks = rank_table(scores, higher_is_better=higher_is_better).mean().sort_values(kind="stable")
    least = critical_difference(scores.shape[1], len(scores), level=level)
    groups: list[list[str]] = []
    for start in range(len(mean_ranks)):
        reach = int((mean_ranks <= mean_ranks.iloc[start] + least).sum())
        group = list(mean_ranks.index[start:reach])
        if len(group) > 1 and not (groups and set(group) <= set(groups[-1])):
            groups.append(group)
    return RankSummary(mean_ranks, _friedman_p_value(scores), least, groups)


def _friedman_p_value(scores: pd.DataFrame) -> float:
    """P-value of Friedman's test with its correction for ties; 1 where every strategy has the same rank everywhere."""
    from scipy.special import chdtrc

    ranks = rank_table(scores).to_numpy()
    num_sets, num_strategies = ranks.shape
    middle = (num_strategies + 1) / 2
    spread = ((ranks - middle) ** 2).sum() / (num_sets * (num_strategies - 1))
    if spread == 0:
        return 1.0
    statistic = num_sets * ((ranks.mean(axis=0) - middle) ** 2).sum() / spread
    return float(chdtrc(num_strategies - 1, statistic))
