"""Table, sentences and picture of ``experiments.task_agnostic``."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.table import Table

from bal.studies import (
    area_differences,
    curves,
    higher_is_better,
    line_styles,
    mean_and_interval,
    normalised_area,
    with_interval,
)

BASELINE = "random"


def gains(metrics: pd.DataFrame, figures: Mapping[str, str]) -> pd.DataFrame:
    """How much better each rule is than random on each task: a row for each rule, task and seed.

    The gain is the area under the curve of the task's metric less that of random of the same seed, divided by the range
    of label counts; of an error, with the opposite sign. Its unit is that of the metric.

    Args:
      metrics: with the columns task, strategy, seed, num_labelled, metric and value.
      figures: the metric of each task.
    """
    rows = []
    for task, metric in figures.items():
        by_rule = curves(metrics[metrics["task"] == task], metric)
        sign = 1 if higher_is_better(metric) else -1
        for rule, runs in by_rule.items():
            if rule != BASELINE:
                differences = sign * area_differences(runs, by_rule[BASELINE])
                rows += [(task, rule, *pair) for pair in zip(runs.columns.tolist(), differences.tolist(), strict=True)]
    return pd.DataFrame(rows, columns=["task", "rule", "seed", "gain"])


def gains_table(metrics: pd.DataFrame, found: pd.DataFrame, figures: Mapping[str, str]) -> Table:
    """A row for each rule, a column for each task."""
    num_seeds = found["seed"].nunique()
    table = Table(
        title=f"What rules of any task gain over random labels, {num_seeds} paired seeds",
        caption=(
            "random: area under the curve of the metric, divided by the range of label counts\n"
            "others: that area less random's, of an error the opposite, so + is better; ±: 95 % interval over seeds"
        ),
        caption_justify="left",
    )
    table.add_column("rule", no_wrap=True)
    for task, metric in figures.items():
        table.add_column(f"{task}\n{metric}", justify="right", no_wrap=True)
    areas = {
        task: curves(metrics[metrics["task"] == task], metric)[BASELINE].apply(normalised_area).to_numpy()
        for task, metric in figures.items()
    }
    decimals = {task: 2 if area.mean() >= 1 else 4 for task, area in areas.items()}
    table.add_row(BASELINE, *(with_interval(areas[task], decimals=decimals[task]) for task in figures))
    for rule in found["rule"].unique():
        cells = (with_interval(_of(found, rule, task), sign="+", decimals=decimals[task]) for task in figures)
        table.add_row(rule, *cells)
    return table


def sentences(found: pd.DataFrame) -> list[str]:
    """What the rule of the study says of each rule."""
    lines = []
    for rule in found["rule"].unique():
        tasks: dict[str, list[str]] = {"better": [], "worse": [], "not shown to differ": []}
        for task in found["task"].unique():
            mean, half = mean_and_interval(_of(found, rule, task))
            verdict = "better" if mean - half > 0 else "worse" if mean + half < 0 else "not shown to differ"
            tasks[verdict].append(task)
        lines.append(f"{rule}: " + "; ".join(f"{word} on {', '.join(of)}" for word, of in tasks.items() if of))
    return lines


def plot_gains(found: pd.DataFrame, figures: Mapping[str, str]) -> Figure:
    """A panel for each task with the gain of each rule and its interval."""
    rules = list(found["rule"].unique())
    styles = line_styles(rules, BASELINE)
    figure = Figure(figsize=(2.4 * len(figures) + 1, 0.45 * len(rules) + 1.2), layout="constrained")
    panels = figure.subplots(1, len(figures), squeeze=False, sharey=True)[0]
    for ax, (task, metric) in zip(panels, figures.items(), strict=True):
        for row, rule in enumerate(rules):
            mean, half = mean_and_interval(_of(found, rule, task))
            style = {"color": styles[rule]["color"], "marker": styles[rule]["marker"]}
            ax.errorbar(mean, row, xerr=np.nan_to_num(half), capsize=3, **style)
        ax.axvline(0.0, color="0.45", linewidth=1, linestyle="--")
        ax.set_title(f"{task}\n{metric}", fontsize="small")
        ax.tick_params(labelsize="x-small")
        ax.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(rules)), rules)
    panels[0].set_ylim(len(rules) - 0.5, -0.5)
    figure.supxlabel("gain over random in the unit of the metric (right of 0 is better)", fontsize="small")
    return figure


def _of(found: pd.DataFrame, rule: str, task: str) -> np.ndarray:
    return found[(found["rule"] == rule) & (found["task"] == task)].sort_values("seed")["gain"].to_numpy()
