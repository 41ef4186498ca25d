"""The tables of one result folder."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bal.studies._metrics import higher_is_better, title_of
from bal.studies._tables import decimals_of
from bal.studies.report._cells import ReportTable, difference_of_labels, interval, labels, number, p_value
from bal.studies.statistics import (
    Interval,
    areas,
    bootstrap_interval,
    label_savings,
    labels_to_target,
    mean_and_interval,
    paired_differences,
    pairwise_tests,
    penalty_matrix,
    probability_of_improvement,
)

Curves = Mapping[str, pd.DataFrame]


def tables_of_one(
    by_strategy: Curves, metric: str, baseline: str, targets: Sequence[float], seconds: pd.DataFrame | None
) -> list[ReportTable]:
    """Areas, differences to the baseline, all pairs, penalties, labels to targets, savings, seconds.

    Args:
      by_strategy: complete curves of the strategies, with the same seeds and label counts.
      metric: their metric.
      baseline: one of the strategies.
      targets: values of the metric for which to give numbers of labels.
      seconds: table of the seconds of each round, if they were recorded.
    """
    scores, better = areas(by_strategy), higher_is_better(metric)
    decimals = decimals_of(scores.to_numpy().ravel()) + 1
    tables = [_areas(by_strategy, scores, metric, decimals)]
    if len(by_strategy) > 1:
        tables += [_differences(scores, baseline, metric, decimals), _pairs(scores, metric, decimals)]
        if len(scores) > 1:
            tables.append(_penalties(penalty_matrix([by_strategy], higher_is_better=better)))
        tables.append(_savings(by_strategy, baseline, targets, better))
    if targets:
        tables.append(_labels(by_strategy, targets, better))
    if seconds is not None and len(seconds):
        tables.append(_seconds(seconds))
    return tables


def _areas(by_strategy: Curves, scores: pd.DataFrame, metric: str, decimals: int) -> ReportTable:
    rows, shown = {}, {}
    for name, runs in by_strategy.items():
        values = scores[name].to_numpy()
        cells = (_student(values), bootstrap_interval(values), _student(runs.iloc[-1].to_numpy()))
        rows[name] = [value for cell in cells for value in cell]
        shown[name] = [interval(*cell, decimals) for cell in cells]
    parts = [f"{what}{end}" for what in ("area", "interquartile_mean", "last") for end in ("", "_low", "_high")]
    numbers = pd.DataFrame.from_dict(rows, orient="index", columns=parts)
    last_count = next(iter(by_strategy.values())).index[-1]
    headings = ["mean area", "interquartile mean of areas", f"at {last_count} labels"]
    return ReportTable(
        "areas",
        f"Area under the curve of {title_of(metric)}",
        f"Area: mean height of the curve, in the unit of the metric; {len(scores)} seeds. In brackets, 95 % intervals "
        "over seeds: Student's for means, the bootstrap's for interquartile means.",
        numbers,
        pd.DataFrame.from_dict(shown, orient="index", columns=headings),
    )


def _student(values: np.ndarray) -> Interval:
    mean, half = mean_and_interval(values)
    return Interval(float(mean), float(mean - half), float(mean + half))


def _differences(scores: pd.DataFrame, baseline: str, metric: str, decimals: int) -> ReportTable:
    numbers = paired_differences(scores, baseline)
    chance = {
        name: probability_of_improvement(
            scores[name].to_numpy(), scores[baseline].to_numpy(), higher_is_better=higher_is_better(metric)
        )
        for name in numbers.index
    }
    numbers["probability"] = [chance[name].estimate for name in numbers.index]
    numbers["probability_low"] = [chance[name].low for name in numbers.index]
    numbers["probability_high"] = [chance[name].high for name in numbers.index]
    shown = {}
    for name, row in numbers.iterrows():
        shown[name] = [
            interval(row["difference"], row["low"], row["high"], decimals, sign="+"),
            f"[{number(row['bootstrap_low'], decimals, sign='+')}, {number(row['bootstrap_high'], decimals, sign='+')}]"
            if len(scores) > 1
            else "-",
            p_value(row["p_value"]),
            p_value(row["p_holm"]),
            interval(*chance[str(name)], 2),
        ]
    headings = [f"area less {baseline}", "bootstrap", "Wilcoxon p", "p after Holm", "probability of improvement"]
    least = 2.0 ** (1 - len(scores))
    sign = "+" if higher_is_better(metric) else "-"
    return ReportTable(
        "differences",
        f"Paired differences to {baseline}",
        f"Runs of one seed share their initial labels and keys; {sign} is better. Intervals of 95 %: Student's beside "
        "the mean, then the bootstrap's. P-values of Wilcoxon's signed-rank test, and after Holm's correction for "
        f"{len(numbers)} comparisons; with {len(scores)} seeds none is below {least:.2g}. Probability that a run is "
        f"better than one of {baseline}.",
        numbers,
        pd.DataFrame.from_dict(shown, orient="index", columns=headings),
    )


def _pairs(scores: pd.DataFrame, metric: str, decimals: int) -> ReportTable:
    tests = pairwise_tests(scores)
    names = list(scores.columns)
    sign = "+" if higher_is_better(metric) else "-"
    numbers = pd.DataFrame(
        [
            (one, other, *(float(part.loc[one, other]) for part in tests))  # type: ignore[arg-type]
            for one in names
            for other in names
            if one != other
        ],
        columns=["strategy", "other", "difference", "p_value", "p_holm"],
    ).set_index("strategy")
    shown = pd.DataFrame(
        [
            [
                ""
                if one == other
                else f"{number(tests.differences.loc[one, other], decimals, sign='+')} "  # type: ignore[arg-type]
                f"(p {p_value(tests.p_holm.loc[one, other])})"  # type: ignore[arg-type]
                for other in names
            ]
            for one in names
        ],
        index=names,
        columns=names,
    )
    return ReportTable(
        "pairs",
        "Every strategy against every other",
        f"Mean area of the row's strategy less the column's over paired seeds; {sign} is better for the row. P-values "
        f"of Wilcoxon's signed-rank test after Holm's correction for {len(names) * (len(names) - 1) // 2} pairs.",
        numbers,
        shown,
    )


def _penalties(matrix: pd.DataFrame) -> ReportTable:
    return penalties_table(matrix, 1)


def penalties_table(matrix: pd.DataFrame, num_data_sets: int) -> ReportTable:
    """The penalty matrix with the means of its columns."""
    num_others = max(len(matrix) - 1, 1)
    numbers = pd.concat([matrix, (matrix.sum() / num_others).to_frame("mean of others").T])
    over = f"Over {num_data_sets} data sets, sum of the shares" if num_data_sets > 1 else "Share"
    return ReportTable(
        "penalties",
        "Penalty matrix (Ash et al. 2020)",
        f"{over} of label counts at which the row's strategy is better than the column's by a paired t-test at 5 %, "
        "not corrected for their number. The last row: how often a strategy is beaten; lower is better.",
        numbers,
        numbers.map(lambda value: number(value, 2)),
    )


def _labels(by_strategy: Curves, targets: Sequence[float], better: bool) -> ReportTable:
    rows, shown = [], {}
    for name, runs in by_strategy.items():
        found = [labels_to_target(runs, target, higher_is_better=better) for target in targets]
        rows += [(name, target, *each) for target, each in zip(targets, found, strict=True)]
        most = int(runs.index[-1])
        shown[name] = [f"{labels(e, most)} [{labels(low, most)}, {labels(high, most)}]" for e, low, high in found]
    return ReportTable(
        "labels_to_target",
        "Labels to a target",
        "Median over seeds of the number of labels at which a run first reaches the value, and its 95 % interval "
        "(Kaplan-Meier); > n: beyond the n labels of these runs, which are censored there.",
        pd.DataFrame(rows, columns=["strategy", "target", "labels", "low", "high"]).set_index("strategy"),
        pd.DataFrame.from_dict(shown, orient="index", columns=[f"to {target:g}" for target in targets]),
    )


def _savings(by_strategy: Curves, baseline: str, targets: Sequence[float], better: bool) -> ReportTable:
    goals: list[float | None] = [None, *targets]
    rows, shown = [], {}
    for name, runs in by_strategy.items():
        if name == baseline:
            continue
        found = [label_savings(runs, by_strategy[baseline], goal, higher_is_better=better) for goal in goals]
        rows += [(name, goal, *each) for goal, each in zip(goals, found, strict=True)]
        shown[name] = [
            difference_of_labels(estimate)
            + ("" if np.isnan(low) else f" [{difference_of_labels(low)}, {difference_of_labels(high)}]")
            for estimate, low, high in found
        ]
    headings = [f"to the last value of {baseline}", *(f"to {target:g}" for target in targets)]
    return ReportTable(
        "savings",
        f"Labels saved against {baseline}",
        f"How many labels fewer than {baseline} the mean curve needs until it reaches a value, joined by straight "
        "lines; below 0, it needs more. 95 % intervals by the bootstrap over seeds. not reached: the strategy does not "
        f"reach the value; only here: {baseline} does not; -: neither does.",
        pd.DataFrame(rows, columns=["strategy", "target", "labels_saved", "low", "high"]).set_index("strategy"),
        pd.DataFrame.from_dict(shown, orient="index", columns=headings),
    )


def _seconds(seconds: pd.DataFrame) -> ReportTable:
    of_strategy = seconds.groupby("strategy", sort=False)
    numbers = pd.DataFrame(
        {
            "total": of_strategy["seconds"].sum(),
            "median_round": of_strategy["seconds"].median(),
            "seeds_at_once": of_strategy["num_seeds"].max(),
        }
    )
    shown = pd.DataFrame(
        {
            "in all": [f"{value:.1f} s" for value in numbers["total"]],
            "a round of a group of seeds": [f"{value:.2f} s" for value in numbers["median_round"]],
            "seeds in a group": [str(value) for value in numbers["seeds_at_once"]],
        },
        index=list(map(str, numbers.index)),
    )
    note = "Without compilation; the median over rounds."
    if "memory" in seconds and seconds["memory"].notna().any():
        numbers["memory"] = of_strategy["memory"].max()
        shown["memory of such a round"] = [
            "-" if pd.isna(value) else f"{value / 2**20:.0f} MiB" for value in numbers["memory"]
        ]
        note += " Memory: arguments, results and intermediate arrays of the compiled round, with the data set."
    return ReportTable("seconds", "Seconds and memory", note, numbers, shown)
