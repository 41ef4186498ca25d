"""Colours, line styles and markers that can be told apart with any colour vision, and in grey.

Colours are those of Okabe and Ito 2008, Color universal design. Their yellow is left out: a thin line of it cannot be
seen on white. A colour that carries a meaning never stands alone: lines differ in style and marker too, areas in their
hatch, points in their shape.
"""

from collections.abc import Sequence
from typing import Any

COLOURS = {
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "black": "#000000",
}
LINES = ("-", "-.", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)), (0, (7, 2)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
BASELINE = "random"
BASELINE_STYLE = {"color": "0.45", "linestyle": "--", "marker": ".", "zorder": 1.9}


def line_styles(names: Sequence[str], baseline: str = BASELINE) -> dict[str, dict[str, Any]]:
    """Keywords of ``Axes.plot`` for each name; after seven names they start again.

    Example:
      >>> line_styles(["random", "bald"])["bald"]
      {'color': '#0072B2', 'linestyle': '-', 'marker': 'o'}
    """
    others = [name for name in names if name != baseline]
    colours = tuple(COLOURS.values())
    styles: dict[str, dict[str, Any]] = {
        name: {"color": colours[k % 7], "linestyle": LINES[k % 7], "marker": MARKERS[k % 7]}
        for k, name in enumerate(others)
    }
    return {name: styles.get(name, BASELINE_STYLE) for name in names}
