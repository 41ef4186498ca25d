"""Images beside maps of their positions: what was seen, what is true, what is predicted, and how uncertain that is."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

SIZE = 1.7  # inches of a panel


class Boxes(NamedTuple):
    """Objects of an image."""

    corners: np.ndarray  # [k, 4], (y0, x0, y1, x1) in the pixels of the map
    names: Sequence[str]  # what to write at each
    colour: str


class Maps(NamedTuple):
    """A column of a page: a map of each image, on one scale."""

    values: np.ndarray  # [n, H, W]
    colours: str | Colormap = "viridis"
    limits: tuple[float, float] | None = None  # None: from the smallest to the largest value of the column
    names: Mapping[int, str] = {}  # of classes, for a legend of colours; {} for a colour bar
    boxes: Sequence[Boxes] = ()  # of each image, drawn over its map


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
            if maps.boxes:
                _draw_boxes(ax, maps.boxes[row])
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


def _draw_boxes(ax: Axes, boxes: Boxes) -> None:
    for (y0, x0, y1, x1), name in zip(boxes.corners, boxes.names, strict=True):
        # The middle of the first pixel is at 0, its edge at -1/2.
        ax.add_patch(Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, fill=False, edgecolor=boxes.colour))
        ax.text(x0, y0 - 1, name, color=boxes.colour, fontsize="xx-small", clip_on=True)
