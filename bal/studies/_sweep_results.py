"""What a sweep shows: the area under the learning curves in each cell, as a table and as lines or heat maps."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.table import Table

from bal.studies._frames import describe_runs
from bal.studies._metrics import direction, main_metric, title_of
from bal.studies._palette import BASELINE, line_styles
from bal.studies._tables import decimals_of, with_interval
from bal.studies.statistics import area_differences, curves, mean_and_interval, normalised_area

COLUMNS = 4  # heat maps in a row


def sweep_table(frame: pd.DataFrame, swept: Sequence[str], *, baseline: str = BASELINE) -> Table:
    """Each cell's and strategy's last value and area, and what the area is more than the baseline's.

    Args:
      frame: metrics of all cells, those of :func:`bal.studies.metrics_frame` with a column for each swept setting.
      swept: the names of these columns.
      baseline: strategy that the others of a cell are compared with by paired seeds, if the frame has it.

    Returns:
      A rich table; :func:`bal.studies.show` prints it.
    """
    metric = _common_metric(frame, swept)
    cells = list(_cells(frame, swept, metric))
    decimals = decimals_of(frame["value"][frame["metric"] == metric].to_numpy())
    has_pairs = any(baseline in by_strategy and len(by_strategy) > 1 for _, by_strategy in cells)
    table = Table(
        title=f"{describe_runs(frame)}: {title_of(metric)}, {direction(metric)}",
        caption=(
            "last: mean of the last round; area: under the curve, divided by the range of label counts\n"
            "±: 95 % interval over seeds, of single cells; differences are those of paired seeds"
        ),
        caption_justify="left",
    )
    for heading in (*swept, "strategy"):
        table.add_column(heading, no_wrap=True)
    for heading in ("last", "area", *([f"area less {baseline}"] if has_pairs else [])):
        table.add_column(heading, justify="right", no_wrap=True)
    for values, by_strategy in cells:
        for name, runs in by_strategy.items():
            row = [with_interval(runs.iloc[-1].to_numpy(), decimals=decimals)]
            row.append(with_interval(runs.apply(normalised_area).to_numpy(), decimals=decimals + 1))
            if baseline in by_strategy and name != baseline:
                difference = area_differences(runs, by_strategy[baseline]).to_numpy()
                row.append(with_interval(difference, sign="+", decimals=decimals + 1))
            table.add_row(*map(str, values), name, *row)
    return table


def plot_sweep(frame: pd.DataFrame, swept: Sequence[str]) -> Figure:
    """Areas under the learning curves: lines over the values of one setting, or a heat map a strategy over two.

    Args:
      frame: see :func:`sweep_table`.
      swept: one or two names of its columns.

    Returns:
      The figure, for :func:`bal.studies.save_picture`.
    """
    metric = _common_metric(frame, swept)
    areas: dict[str, dict[tuple, tuple[float, float]]] = {}
    for values, by_strategy in _cells(frame, swept, metric):
        for name, runs in by_strategy.items():
            mean, half = mean_and_interval(runs.apply(normalised_area).to_numpy())
            areas.setdefault(name, {})[values] = (float(mean), float(half))
    label = f"area under the {title_of(metric)}"
    ticks = [list(dict.fromkeys(frame[name])) for name in swept]
    title = f"{describe_runs(frame)}: mean and 95 % interval"
    if len(swept) == 1:
        return _lines(areas, swept[0], ticks[0], label, title)
    return _heat_maps(areas, swept, ticks, label, title)


def _lines(areas, setting: str, ticks: list, label: str, title: str) -> Figure:
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    ax = figure.subplots()
    for number, (name, style) in enumerate(line_styles(list(areas)).items()):
        means, halves = np.transpose([areas[name].get((value,), (np.nan, np.nan)) for value in ticks])
        # Intervals of several strategies stand beside one another.
        places = np.arange(len(ticks)) + 0.03 * (number - (len(areas) - 1) / 2)
        ax.errorbar(places, means, np.nan_to_num(halves), label=name, capsize=3, linewidth=1.6, **style)
    ax.set_xticks(range(len(ticks)), map(str, ticks))
    ax.set(title=title, xlabel=setting, ylabel=label)
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, handlelength=3.5)
    return figure


def _heat_maps(areas, swept: Sequence[str], ticks: list[list], label: str, title: str) -> Figure:
    columns = min(COLUMNS, len(areas))
    rows = -(-len(areas) // columns)
    size = (1.1 * len(ticks[1]) + 0.8, 0.6 * len(ticks[0]) + 0.6)
    figure = Figure(figsize=(max(6.4, columns * size[0] + 1.2), rows * size[1] + 1.2), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    means = [mean for of_cells in areas.values() for mean, _ in of_cells.values()]
    low, high = np.nanmin(means), np.nanmax(means)
    for ax in panels[len(areas) :]:
        ax.set_axis_off()
    for ax, (name, of_cells) in zip(panels, areas.items(), strict=False):
        values = np.array([[of_cells.get((a, b), (np.nan,))[0] for b in ticks[1]] for a in ticks[0]])
        picture = ax.imshow(values, cmap="cividis", vmin=low, vmax=high, aspect="auto")
        for (i, j), mean in np.ndenumerate(values):
            half = of_cells.get((ticks[0][i], ticks[1][j]), (np.nan, np.nan))[1]
            text = f"{mean:.3g}" + (f"\n± {half:.2g}" if np.isfinite(half) else "")
            # The lower half of this colour map is dark.
            ax.text(j, i, text, ha="center", va="center", color="white" if mean < (low + high) / 2 else "black")
        ax.set_xticks(range(len(ticks[1])), map(str, ticks[1]))
        ax.set_yticks(range(len(ticks[0])), map(str, ticks[0]))
        ax.set(title=name, xlabel=swept[1], ylabel=swept[0])
    figure.colorbar(picture, ax=list(panels), label=label)
    figure.suptitle(title)
    return figure


def _common_metric(frame: pd.DataFrame, swept: Sequence[str]) -> str:
    """The main one of those that all cells have: a sweep may be over data sets."""
    names = [set(part["metric"].unique()) for _, part in frame.groupby(list(swept), sort=False)]
    common = set.intersection(*names)
    if not common:
        raise ValueError(
            f"expected a metric that all values of {' and '.join(swept)} have, got none: compare by folders"
        )
    return main_metric(common)


def _cells(frame: pd.DataFrame, swept: Sequence[str], metric: str) -> Iterator[tuple[tuple, dict[str, pd.DataFrame]]]:
    for values, part in frame.groupby(list(swept), sort=False):
        yield (values if isinstance(values, tuple) else (values,)), curves(part, metric)
