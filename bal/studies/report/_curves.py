"""Learning curves and performance profiles that a reader switches on and off."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from bal.studies._metrics import direction, higher_is_better, title_of
from bal.studies._palette import COLOURS
from bal.studies._pictures import MAX_LINES, X_LABEL
from bal.studies.statistics import mean_and_interval, performance_profile

GREY = "#737373"
NUM_THRESHOLDS = 41  # of a profile
DASHES = ("solid", "dashdot", "dash", "dot", "longdash", "longdashdot", "12px 3px 3px 3px")
MARKERS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x")


class Line(NamedTuple):
    """A curve and its band."""

    x: np.ndarray
    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray


def interactive_curves(by_strategy: Mapping[str, pd.DataFrame], metric: str, baseline: str) -> str:
    """Mean over seeds and 95 % interval against the number of labels, as JSON of a Plotly figure.

    At most eight are shown at first: the baseline and the best by their last mean. A name in the legend switches a
    curve and its band on and off.
    """
    lines = {}
    for name, runs in by_strategy.items():
        mean, half = mean_and_interval(runs.to_numpy())
        lines[name] = Line(runs.index.to_numpy(), mean, mean - half, mean + half)
    sign = -1 if higher_is_better(metric) else 1
    order = sorted(lines, key=lambda name: np.nan_to_num(sign * lines[name].middle[-1], nan=np.inf))
    better = direction(metric)
    return _figure(lines, order, baseline, X_LABEL, title_of(metric) + (f" ({better})" if better else ""))


def interactive_profiles(scores: Mapping[str, np.ndarray], metric: str, baseline: str) -> str:
    """Share of all runs with an area better than a value, as JSON of a Plotly figure like that of the curves.

    Args:
      scores: area of each data set and seed by strategy, [D, n].
      metric: whose areas these are.
      baseline: shown first.
    """
    better = higher_is_better(metric)
    values = np.concatenate([each.ravel() for each in scores.values()])
    thresholds = np.linspace(values.min(), values.max(), NUM_THRESHOLDS)
    lines = {}
    for name, own in scores.items():
        profile = performance_profile(own, thresholds, higher_is_better=better)
        lines[name] = Line(thresholds, *(profile[part].to_numpy() for part in ("share", "low", "high")))
    order = sorted(lines, key=lambda name: -lines[name].middle.mean())
    x_title = f"area under the curve ({direction(metric)})"
    return _figure(lines, order, baseline, x_title, "share of runs that are better")


def _figure(lines: Mapping[str, Line], order: Sequence[str], baseline: str, x_title: str, y_title: str) -> str:
    """The lines from the best to the worst, the baseline before all."""
    import plotly.graph_objects as go

    order = sorted(order, key=lambda name: name != baseline)
    shown = set(order[: MAX_LINES + 1])
    figure = go.Figure()
    others = [name for name in lines if name != baseline]
    for name in order:
        line = lines[name]
        number = others.index(name) if name in others else 0
        # Beyond seven, a colour comes again with another dash.
        colour, dash = tuple(COLOURS.values())[number % 7], DASHES[(number + number // 7) % 7]
        marker = MARKERS[(number + number // 7) % 7]
        if name == baseline:
            colour, dash, marker = GREY, "dash", "circle-open"
        visible = True if name in shown else "legendonly"
        if np.isfinite(line.high).all():
            figure.add_scatter(
                x=[*line.x.tolist(), *line.x[::-1].tolist()],
                y=[*line.high.tolist(), *line.low[::-1].tolist()],
                fill="toself",
                fillcolor=colour,
                opacity=0.12,
                line={"width": 0},
                mode="lines",
                hoverinfo="skip",
                legendgroup=name,
                showlegend=False,
                visible=visible,
            )
        figure.add_scatter(
            x=line.x.tolist(),
            y=line.middle.tolist(),
            customdata=np.stack([line.low, line.high], axis=1).tolist(),
            name=name,
            mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2},
            marker={"symbol": marker, "size": 7},
            legendgroup=name,
            visible=visible,
            hovertemplate=f"{name}<br>at %{{x}}: %{{y:.4f}} [%{{customdata[0]:.4f}}, %{{customdata[1]:.4f}}]"
            "<extra></extra>",
        )
    figure.update_layout(
        template="simple_white",
        height=460,
        margin={"l": 60, "r": 10, "t": 10, "b": 50},
        xaxis={"title": x_title},
        yaxis={"title": y_title, "showgrid": True},
        legend={"orientation": "h", "yanchor": "top", "y": -0.2},
    )
    return str(figure.to_json())
