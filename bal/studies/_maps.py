"""Images beside maps of their positions: what was seen, what is true, what is predicted, and how uncertain that is."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

SIZE = 1.7  # inches of a panel


class Maps(NamedTuple):
    """A column of a page: a map of each image, on one scale."""

    values: np.ndarray  # [n, H, W]
    colours: str = "viridis"  # a colour map of matplotlib
    limits: tuple[float, float] | None = None  # None: from the smallest to the largest value of the column
    names: Mapping[int, str] = {}  # of classes, for a legend of colours; {} for a colour bar


def plot_maps(columns: Mapping[str, Maps], *, titles: Sequence[str] = (), title: str = "") -> Figure:
    """A page with a row for each image and a column for each kind of map. NaN is white.

    Args:
      columns: maps by the heading of their column; all of the same number of images.
      titles: what to write left of each row.
      title: of the page.

    Returns:
      The figure, for :func:`save_picture`.
    """
    num_rows = min(len(maps.values) for maps in columns.values())
    figure = Figure(figsize=(SIZE * len(columns), SIZE * num_rows + 0.9), layout="constrained")
    panels = figure.subplots(num_rows, len(columns), squeeze=False)
    for column, (heading, maps) in enumerate(columns.items()):
        shown = maps.values[:num_rows]
        low, high = maps.limits or (float(np.nanmin(shown)), float(np.nanmax(shown)))
        for row in range(num_rows):
            ax = panels[row, column]
            picture = ax.imshow(shown[row], cmap=maps.colours, vmin=low, vmax=high, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            if row == 0:
                ax.set_title(heading, fontsize="small")
            if column == 0 and titles:
                ax.set_ylabel(titles[row], fontsize="small")
        bar = figure.colorbar(picture, ax=panels[:, column], location="bottom", shrink=0.9, aspect=15)
        bar.ax.tick_params(labelsize="x-small")
        if maps.names:
            bar.set_ticks(list(maps.names), labels=list(maps.names.values()))
    figure.suptitle(title, fontsize="medium")
    return figure
