"""Learning curves that a reader switches on and off."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from bal.studies._metrics import direction, higher_is_better, title_of
from bal.studies._palette import COLOURS
from bal.studies._pictures import MAX_LINES, X_LABEL
from bal.studies.statistics import mean_and_interval

GREY = "#737373"
DASHES = ("solid", "dashdot", "dash", "dot", "longdash", "longdashdot", "12px 3px 3px 3px")
MARKERS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x")


def interactive_curves(by_strategy: Mapping[str, pd.DataFrame], metric: str, baseline: str) -> str:
    """Mean over seeds and 95 % interval against the number of labels, as JSON of a Plotly figure.

    At most eight are shown at first: the baseline and the best by their last mean. A name in the legend switches a
    curve and its band on and off.
    """
    import plotly.graph_objects as go

    last = {name: mean_and_interval(runs.iloc[-1].to_numpy())[0] for name, runs in by_strategy.items()}
    sign = -1 if higher_is_better(metric) else 1
    order = sorted(last, key=lambda name: (name != baseline, np.nan_to_num(sign * last[name], nan=np.inf)))
    shown = set(order[: MAX_LINES + 1])
    figure = go.Figure()
    others = [name for name in by_strategy if name != baseline]
    for name in order:
        runs = by_strategy[name]
        mean, half = mean_and_interval(runs.to_numpy())
        counts = runs.index.to_numpy()
        number = others.index(name) if name in others else 0
        # Beyond seven, a colour comes again with another dash.
        colour, dash = tuple(COLOURS.values())[number % 7], DASHES[(number + number // 7) % 7]
        marker = MARKERS[(number + number // 7) % 7]
        if name == baseline:
            colour, dash, marker = GREY, "dash", "circle-open"
        visible = True if name in shown else "legendonly"
        if np.isfinite(half).all():
            figure.add_scatter(
                x=[*counts.tolist(), *counts[::-1].tolist()],
                y=[*(mean + half).tolist(), *(mean - half)[::-1].tolist()],
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
            x=counts.tolist(),
            y=mean.tolist(),
            customdata=half.tolist(),
            name=name,
            mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2},
            marker={"symbol": marker, "size": 7},
            legendgroup=name,
            visible=visible,
            hovertemplate=f"{name}<br>%{{x}} labels: %{{y:.4f}} ± %{{customdata:.4f}}<extra></extra>",
        )
    better = direction(metric)
    figure.update_layout(
        template="simple_white",
        height=460,
        margin={"l": 60, "r": 10, "t": 10, "b": 50},
        xaxis={"title": X_LABEL},
        yaxis={"title": title_of(metric) + (f" ({better})" if better else ""), "showgrid": True},
        legend={"orientation": "h", "yanchor": "top", "y": -0.2},
    )
    return str(figure.to_json())
