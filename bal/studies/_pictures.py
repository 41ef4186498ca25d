"""The picture at the end of a comparison."""

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bal.studies.report import BASELINE
from bal.studies.settings import Settings
from bal.studies.statistics import curves, mean_and_interval


def plot_curves(frame: pd.DataFrame, settings: Settings, path: Path, metric: str = "accuracy") -> None:
    """Learning curves: mean over seeds and 95 % interval."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    colours = matplotlib.colormaps["tab10"]
    for number, (name, curve) in enumerate(curves(frame, metric).items()):
        mean, half = np.array([mean_and_interval(row) for row in curve.to_numpy()]).T
        style = {"color": "0.35", "linestyle": "--"} if name == BASELINE else {"color": colours(number % 10)}
        axes.plot(curve.index, mean, label=name, **style)
        axes.fill_between(curve.index, mean - half, mean + half, alpha=0.15, color=style["color"], linewidth=0)
    axes.set_xlabel("labels that the model was trained on")
    axes.set_ylabel(f"test {metric.replace('_', ' ')}")
    axes.set_title(f"{settings.dataset}, {settings.posterior}, {settings.num_seeds} seeds: mean and 95 % interval")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    # Without metadata the same figures give the same file.
    figure.savefig(path, dpi=150, metadata={"Software": None})
