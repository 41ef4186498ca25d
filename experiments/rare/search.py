"""How many labels a strategy needs to find the positives: a table, sentences by the rule of the study, a picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.table import Table

from bal.studies import (
    COLOURS,
    area_differences,
    curves,
    labels_to,
    mean_and_interval,
    normalised_area,
    save_picture,
    with_interval,
)

FOUND, BASELINE, SEARCH = "positives_found", "random", "active_search"
SHARES = (0.5, 0.9)
NUM_SHOWN = 20  # images of a strategy


def search_table(frame: pd.DataFrame) -> Table:
    """Labels to find shares of the positives, and the area under the curve of the share less that of two others."""
    by_strategy = curves(frame, FOUND)
    references = [name for name in (BASELINE, SEARCH) if name in by_strategy and len(by_strategy) > 1]
    table = Table(
        title="Labels until a share of the pool's positives is found, the initial ones included",
        caption=(
            "to: labels at which half of the seeds have found it (of single seeds: smallest to largest); -: not found\n"
            "area: under the share found, divided by the range of label counts; paired seeds, ±: 95 % interval"
        ),
        caption_justify="left",
    )
    table.add_column("strategy", no_wrap=True)
    for heading in [*(f"to {share:.0%}" for share in SHARES), "found at the end", "area"]:
        table.add_column(heading, justify="right", no_wrap=True)
    for name in references:
        table.add_column(f"area less {name}", justify="right", no_wrap=True)
    for name, runs in by_strategy.items():
        cells = [_labels(runs, share) for share in SHARES]
        cells.append(with_interval(runs.iloc[-1].to_numpy(), decimals=3))
        cells.append(f"{mean_and_interval(_areas(runs))[0]:.3f}")
        for reference in references:
            difference = area_differences(runs, by_strategy[reference]).to_numpy()
            cells.append("" if name == reference else with_interval(difference, sign="+", decimals=3))
        table.add_row(name, *cells)
    return table


def sentences(frame: pd.DataFrame, metric: str) -> list[str]:
    """What the rule of the study says about each strategy: against random in learning, and in the search."""
    found = [
        _verdict(frame, FOUND, BASELINE, "finds positives sooner than random", "later"),
        _verdict(frame, FOUND, SEARCH, "finds positives sooner than active_search", "later"),
        _verdict(
            frame, metric, BASELINE, f"has a larger area under the {metric.replace('_', ' ')} than random", "smaller"
        ),
    ]
    return [sentence for part in found for sentence in part]


def plot_asked(images: np.ndarray, labels: np.ndarray, asked: pd.DataFrame, path: Path) -> None:
    """The first images that each strategy asks for with the first seed, in the order asked; positives have a frame."""
    first = asked[asked["seed"] == 0]
    names = list(dict.fromkeys(first["strategy"]))
    figure = Figure(figsize=(0.62 * NUM_SHOWN + 1.6, 0.72 * len(names) + 0.5), layout="constrained")
    panels = figure.subplots(len(names), NUM_SHOWN, squeeze=False)
    for row, name in zip(panels, names, strict=True):
        points = first[first["strategy"] == name].sort_values(["round", "rank"])["index"].to_numpy()[:NUM_SHOWN]
        for axes in row:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        for axes, point in zip(row, points, strict=False):
            image = images[point]
            axes.imshow(image[..., 0] if image.shape[-1] == 1 else image, cmap="Greys")
            if labels[point] == 1:
                axes.spines[:].set(visible=True, color=COLOURS["vermillion"], linewidth=3)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center")
    figure.suptitle("The first points that each strategy asks for (first seed); positives have a frame")
    save_picture(figure, path, dpi=110)


def _verdict(frame: pd.DataFrame, metric: str, reference: str, better: str, worse: str) -> list[str]:
    """One sentence for those that are better, one for those that are worse; the others are level."""
    by_strategy = curves(frame, metric)
    if reference not in by_strategy:
        return []
    signs: dict[int, list[str]] = {1: [], -1: []}
    for name, runs in by_strategy.items():
        mean, half = mean_and_interval(area_differences(runs, by_strategy[reference]).to_numpy())
        if abs(mean) > half:
            signs[int(np.sign(mean))].append(name)
    return [f"{better}: {_list(signs[1])}; {worse}: {_list(signs[-1])}"]


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"


def _labels(runs: pd.DataFrame, share: float) -> str:
    median = labels_to(runs, share)
    if median is None:
        return "-"
    each = [labels_to(runs[[seed]], share) for seed in runs]
    numbers = [count for count in each if count is not None]
    return f"{median} ({min(numbers)} to {max(numbers) if len(numbers) == len(each) else '-'})"


def _areas(runs: pd.DataFrame) -> np.ndarray:
    return runs.apply(normalised_area).to_numpy()
