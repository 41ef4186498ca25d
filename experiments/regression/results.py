"""Tables and the picture of ``experiments.regression``."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.table import Table

from bal.studies import line_styles, mean_and_interval, plot_curves, with_interval

ERRORS = {"rmse": "log_rmse", "mae": "log_mae", "error_q95": "log_q95", "error_q99": "log_q99"}
COLUMNS = 4  # panels in a row


def log_errors(metrics: pd.DataFrame, scales: Mapping[str, float]) -> pd.DataFrame:
    """The logarithm of each error in standard deviations of the labels, as rows of a table of metrics.

    Args:
      metrics: as :func:`bal.studies.metrics_frame` returns them, of several data sets.
      scales: standard deviation of the labels by data set, in their original unit.
    """
    errors = metrics[metrics["metric"].isin(list(ERRORS))]
    values = np.log(errors["value"] / errors["dataset"].map(scales))
    return errors.assign(metric=errors["metric"].map(ERRORS), value=values).reset_index(drop=True)


def mean_error(errors: pd.DataFrame, metric: str = "log_rmse") -> pd.DataFrame:
    """The mean over the rounds after the first batch and over data sets: a row for each strategy, a column a seed."""
    after = errors[(errors["metric"] == metric) & (errors["round"] > 0)]
    # All have the same number of rounds, so each data set has the same weight.
    return after.pivot_table(index="strategy", columns="seed", values="value", aggfunc="mean", sort=False)


def less_random(errors: pd.DataFrame, metric: str = "log_rmse") -> pd.DataFrame:
    """Differences to random of the same seed: a row for each other strategy, a column a seed."""
    means = mean_error(errors, metric)
    return (means - means.loc["random"]).drop(index="random")


def verdicts(differences: pd.DataFrame) -> dict[str, str]:
    """ "better", "worse", or "-" for each strategy, at a level of 95 % for all strategies together.

    Example:
      >>> verdicts(pd.DataFrame([[-1.0, -1.1, -0.9], [1.0, -1.0, 0.5]], index=["lcmd", "bait"]))
      {'lcmd': 'better', 'bait': '-'}
    """
    level = 1 - 0.05 / len(differences)
    mean, half = mean_and_interval(differences.to_numpy(), level=level)
    words = np.where(mean + half < 0, "better", np.where(mean - half > 0, "worse", "-"))
    return dict(zip(map(str, differences.index), map(str, words), strict=True))


def error_table(errors: pd.DataFrame) -> Table:
    """A row for each strategy, the best first."""
    names = ", ".join(map(str, errors["dataset"].unique()))
    num_batches, num_seeds = errors["round"].max(), errors["seed"].nunique()
    table = Table(
        title=f"Mean log error of {num_batches} batches, {num_seeds} seeds: {names}",
        caption="errors in standard deviations of the labels, lower is better; ±: 95 % interval over paired seeds\n"
        "verdict: 95 % for all strategies together",
        caption_justify="left",
    )
    table.add_column("strategy", no_wrap=True)
    for heading in ("log RMSE", "less random\n(- is better)", "verdict", "log MAE", "log q95", "log q99"):
        table.add_column(heading, justify="right", no_wrap=True)
    means = {name: mean_error(errors, name) for name in ERRORS.values()}
    differences = less_random(errors)
    found = verdicts(differences)
    for name in means["log_rmse"].mean(axis=1).sort_values().index:
        figures = [f"{means[metric].loc[name].mean():.3f}" for metric in ERRORS.values()]
        compared = ["", ""]
        if name != "random":
            compared = [with_interval(differences.loc[name].to_numpy(), sign="+", decimals=3), found[name]]
        table.add_row(name, figures[0], *compared, *figures[1:])
    return table


def table_by_dataset(errors: pd.DataFrame) -> Table:
    """Mean log RMSE less that of random, on each data set."""
    parts = {str(name): less_random(part) for name, part in errors.groupby("dataset", sort=False)}
    table = Table(title="Mean log RMSE less random, by data set (- is better; ±: 95 % interval over paired seeds)")
    table.add_column("strategy", no_wrap=True)
    for name in parts:
        table.add_column(name, justify="right", no_wrap=True)
    for strategy in less_random(errors).index:
        cells = [with_interval(part.loc[strategy].to_numpy(), sign="+", decimals=3) for part in parts.values()]
        table.add_row(strategy, *cells)
    return table


def draw_page(errors: pd.DataFrame) -> Figure:
    """Learning curves on each data set, and the differences to random on all of them."""
    datasets = list(errors["dataset"].unique())
    rows = -(-(len(datasets) + 1) // COLUMNS)
    figure = Figure(figsize=(4.6 * COLUMNS, 3.8 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in panels[len(datasets) + 1 :]:
        axes.set_axis_off()
    for axes, name in zip(panels, datasets, strict=False):
        plot_curves(errors[errors["dataset"] == name], "log_rmse", ax=axes, title=name)
        # One legend for all panels; beside a panel it would take half of its width.
        axes.get_legend().remove()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=8)
    _draw_differences(panels[len(datasets)], errors)
    return figure


def _draw_differences(axes, errors: pd.DataFrame) -> None:
    """For each strategy, its difference to random on each data set (small) and on average, with its interval."""
    differences = less_random(errors)
    parts = [less_random(part).mean(axis=1) for _, part in errors.groupby("dataset")]
    styles = line_styles(["random", *differences.index])
    order = differences.mean(axis=1).sort_values(ascending=False).index
    mean, half = mean_and_interval(differences.loc[order].to_numpy())
    for place, name in enumerate(order):
        colour, marker = styles[name]["color"], styles[name]["marker"]
        axes.plot([part.loc[name] for part in parts], [place] * len(parts), "o", color=colour, alpha=0.35, markersize=4)
        axes.errorbar(mean[place], place, xerr=np.nan_to_num(half[place]), color=colour, marker=marker, capsize=3)
    axes.axvline(0, color="0.45", linestyle="--", linewidth=1)
    axes.set_yticks(range(len(order)), order)
    axes.locator_params(axis="x", nbins=5)
    axes.set(xlabel="mean log RMSE less random (lower is better)", title="all data sets; small: each of them")
