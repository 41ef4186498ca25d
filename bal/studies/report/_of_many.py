"""The tables over several result folders: is a strategy better on more data sets than one?"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from bal.studies._metrics import higher_is_better
from bal.studies._tables import decimals_of
from bal.studies.report._cells import ReportTable, interval, number, p_value
from bal.studies.report._of_one import Curves, penalties_table
from bal.studies.statistics import (
    RankSummary,
    areas,
    bootstrap_interval,
    compare_ranks,
    pairwise_tests,
    penalty_matrix,
    probability_of_improvement,
    rank_table,
)


class OverDataSets(NamedTuple):
    """Ranks and tables over data sets."""

    ranks: RankSummary
    tables: list[ReportTable]
    scores: dict[str, np.ndarray]  # areas [data sets, seeds] by strategy; empty where numbers of seeds differ


def compare_data_sets(
    names: Sequence[str], data_sets: Sequence[Curves], metric: str, baseline: str
) -> OverDataSets | None:
    """Ranks, tests and figures over data sets of the strategies that all of them have; None if fewer than two do.

    Args:
      names: of the data sets.
      data_sets: complete curves by strategy of each.
      metric: their metric.
      baseline: a strategy; figures that need it are left out where not all data sets have it.
    """
    common = [name for name in data_sets[0] if all(name in each for each in data_sets)]
    if len(data_sets) < 2 or len(common) < 2:
        return None
    better = higher_is_better(metric)
    kept = [{name: each[name] for name in common} for each in data_sets]
    per_run = [areas(each) for each in kept]
    means = pd.DataFrame([each.mean() for each in per_run], index=list(names))
    ranks = compare_ranks(means, higher_is_better=better)
    tables, by_strategy = [_ranks(means, ranks, better)], {}
    if len({len(each) for each in per_run}) == 1 and len(per_run[0]) > 1:
        scores = np.stack([each.to_numpy() for each in per_run])
        by_strategy = {name: scores[:, :, place] for place, name in enumerate(common)}
        tables.append(_aggregates(scores, common, baseline, better))
        tables.append(penalties_table(penalty_matrix(kept, higher_is_better=better), len(kept)))
    tables.append(_pairs(means, better))
    return OverDataSets(ranks, tables, by_strategy)


def _ranks(means: pd.DataFrame, ranks: RankSummary, better: bool) -> ReportTable:
    order = list(ranks.mean_ranks.index)
    table = rank_table(means, higher_is_better=better)[order]
    decimals = decimals_of(means.to_numpy().ravel()) + 1
    numbers = pd.concat([means[order], table.mean().to_frame("mean rank").T])
    shown = pd.DataFrame(
        [
            [f"{number(means.loc[row, name], decimals)} ({table.loc[row, name]:g})" for name in order]  # type: ignore
            for row in means.index
        ]
        + [[number(value, 2) for value in table.mean()]],
        index=[*map(str, means.index), "mean rank"],
        columns=order,
    )
    groups = "; ".join(", ".join(group) for group in ranks.groups) or "none"
    return ReportTable(
        "ranks",
        "Mean areas and ranks over data sets",
        f"Mean area and, in brackets, its rank. Friedman's test that all are equal: p {p_value(ranks.p_value)}. "
        f"Critical difference of mean ranks at 5 % (Nemenyi): {ranks.critical_difference:.2f}; groups that do not "
        f"differ: {groups}. Few data sets have little power: a large difference may not be significant.",
        numbers,
        shown,
    )


def _aggregates(scores: np.ndarray, names: Sequence[str], baseline: str, better: bool) -> ReportTable:
    """Figures of the areas [data sets, seeds, strategies]."""
    decimals = decimals_of(scores.ravel()) + 1
    rows, shown = {}, {}
    for place, name in enumerate(names):
        middle = bootstrap_interval(scores[:, :, place])
        rows[name], shown[name] = list(middle), [interval(*middle, decimals)]
        if baseline not in names:
            continue
        others = scores[:, :, list(names).index(baseline)]
        chance = probability_of_improvement(scores[:, :, place], others, higher_is_better=better)
        rows[name] += list(chance)
        shown[name].append("" if name == baseline else interval(*chance, 2))
    columns = ["interquartile_mean", "low", "high", "probability", "probability_low", "probability_high"]
    headings = ["interquartile mean of areas", f"probability of improvement on {baseline}"]
    return ReportTable(
        "aggregates",
        "All data sets together",
        "Interquartile mean over the runs of all data sets, and the probability that a run is better than one of the "
        "baseline on the same data set. 95 % intervals by the stratified bootstrap over seeds: they hold for these "
        "data sets, not for others.",
        pd.DataFrame.from_dict(rows, orient="index", columns=columns[: len(next(iter(rows.values())))]),
        pd.DataFrame.from_dict(shown, orient="index", columns=headings[: len(next(iter(shown.values())))]),
    )


def _pairs(means: pd.DataFrame, better: bool) -> ReportTable:
    tests = pairwise_tests(means)
    names = list(means.columns)
    ranks = rank_table(means, higher_is_better=better)
    wins = {one: {other: int((ranks[one] < ranks[other]).sum()) for other in names} for one in names}
    p_holm = {one: {other: float(tests.p_holm.at[one, other]) for other in names} for one in names}  # type: ignore
    shown = [
        ["" if one == other else f"{wins[one][other]} (p {p_value(p_holm[one][other])})" for other in names]
        for one in names
    ]
    numbers = [
        (one, other, wins[one][other], tests.p_values.loc[one, other], p_holm[one][other])
        for one in names
        for other in names
        if one != other
    ]
    return ReportTable(
        "pairs_of_data_sets",
        "Pairs over data sets",
        f"On how many of {len(means)} data sets the row's strategy has the better mean area, and p-values of "
        "Wilcoxon's signed-rank test over data sets after Holm's correction.",
        pd.DataFrame(numbers, columns=["strategy", "other", "wins", "p_value", "p_holm"]).set_index("strategy"),
        pd.DataFrame(shown, index=names, columns=names),
    )
