"""What each source of randomness contributes to an area, and how many runs show a difference."""

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.table import Table

from bal.studies import COLOURS
from bal.studies.statistics import normalised_area, variance_shares

BASELINE = "random"
SOURCES = ("initial", "network", "batches", "draws")
TOGETHER = "only together"
# Squared, the quantiles of the normal distribution for an error of 5 % on two sides and a power of 80 %.
QUANTILES = (1.960 + 0.842) ** 2


def areas_by_source(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Areas under the accuracy of each strategy, and of each less random's: an axis for each source.

    Args:
      frame: columns strategy, one for each of the sources, num_labelled and accuracy; every combination once.
    """
    found = {}
    for name, part in frame.groupby("strategy", sort=False):
        curves = part.pivot(index="num_labelled", columns=list(SOURCES), values="accuracy")
        shape = [part[source].nunique() for source in SOURCES]
        found[str(name)] = curves.sort_index(axis=1).apply(normalised_area).to_numpy().reshape(shape)
    differences = {f"{name} less random": areas - found[BASELINE] for name, areas in found.items() if name != BASELINE}
    return found | differences


def variances(frame: pd.DataFrame) -> pd.DataFrame:
    """Variance of an area: a row for each source, and one for what sources do only together; a column for each area."""
    columns = {}
    for name, areas in areas_by_source(frame).items():
        estimates = variance_shares(areas, SOURCES)["variance"]
        alone = estimates[list(SOURCES)].clip(lower=0)
        together = max(estimates.sum() - alone.sum(), 0.0)
        columns[name] = pd.concat([alone, pd.Series({TOGETHER: together})])
    return pd.DataFrame(columns)


def shares_table(frame: pd.DataFrame) -> Table:
    """Share of the variance by source, and below the standard deviation of an area."""
    areas = areas_by_source(frame)
    found = variances(frame)[list(areas)]
    total = found.sum().to_numpy()
    keys = "x".join(str(frame[source].nunique()) for source in SOURCES)
    table = Table(
        title="Area under the accuracy: share of its variance by source of randomness",
        caption=f"Runs of every combination of {keys} keys; estimates of so few keys are rough",
        caption_justify="left",
    )
    table.add_column("source", no_wrap=True)
    for name in areas:
        table.add_column(name, justify="right")
    for source, row in zip(found.index, found.to_numpy(), strict=True):
        shares = [f"{value / of:.0%}" if of > 0 else "-" for value, of in zip(row, total, strict=True)]
        table.add_row(str(source), *shares)
    table.add_section()
    table.add_row("standard deviation", *(f"{math.sqrt(of):.4f}" for of in total))
    table.add_row("mean", *(f"{of.mean():.4f}" for of in areas.values()))
    return table


def runs_needed(frame: pd.DataFrame, difference: float) -> pd.DataFrame:
    """Runs of each strategy that show a difference of areas from random's at 5 % in four of five studies.

    Normal approximation, which is a little too hopeful below ten runs.

    Returns:
      A row for each strategy but random, columns ``paired`` (both strategies have the same keys) and ``unpaired``.
    """
    total = variances(frame).sum()
    rows = {}
    for name in frame["strategy"].unique():
        if name != BASELINE:
            spread = {"paired": total[f"{name} less random"], "unpaired": total[name] + total[BASELINE]}
            rows[name] = {kind: max(2, math.ceil(QUANTILES * value / difference**2)) for kind, value in spread.items()}
    return pd.DataFrame.from_dict(rows, orient="index")


def sentences(frame: pd.DataFrame, differences: tuple[float, ...] = (0.01, 0.02)) -> list[str]:
    """The largest source of each area, and the runs that a comparison needs."""
    found = variances(frame)
    lines = []
    for name, column in zip(found, found.to_numpy().T, strict=True):
        number = int(column[: len(SOURCES)].argmax())
        largest, share = SOURCES[number], column[number] / max(column.sum(), np.finfo(float).tiny)
        if share > 0:
            lines.append(f"{name}: most of one source comes from {largest}, {share:.0%} of the variance")
        else:
            lines.append(f"{name}: no source contributes anything alone")
    for difference in differences:
        for name, row in runs_needed(frame, difference).iterrows():
            lines.append(
                f"{name}: a difference of {difference} from random shows in four of five studies of {row['paired']} "
                f"pairs of runs, or of {row['unpaired']} runs of each without pairs"
            )
    return lines


def plot_shares(frame: pd.DataFrame) -> Figure:
    """Standard deviation of each area, divided by the shares of the variance."""
    found = variances(frame)
    figure = Figure(figsize=(8, 0.55 * found.shape[1] + 1.6), layout="constrained")
    ax = figure.subplots()
    deviations = np.sqrt(found.sum())
    left = np.zeros(found.shape[1])
    hatches = ("", "//", "..", "xx", "")
    colours = [*(COLOURS[name] for name in ("blue", "orange", "green", "purple")), "0.8"]
    for (source, row), hatch, colour in zip(found.iterrows(), hatches, colours, strict=True):
        width = (row / found.sum() * deviations).to_numpy()
        ax.barh(
            [str(name) for name in found],
            width,
            left=left,
            label=str(source),
            color=colour,
            hatch=hatch,
            edgecolor="white",
        )
        left = left + width
    ax.invert_yaxis()
    ax.set(xlabel="standard deviation of the area under the accuracy, divided by the shares of the variance")
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=len(found), frameon=False)
    return figure
