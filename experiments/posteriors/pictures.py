"""The page of ``experiments.posteriors``: a row for each posterior with its predictions and their uncertainty."""

from collections.abc import Mapping
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from bal.information import log_mean_exp, mutual_information
from bal.studies import COLOURS, save_picture
from bal.types import Batch
from experiments.posteriors.problems import Problem

CLASSES = ((COLOURS["blue"], "o"), (COLOURS["vermillion"], "s"))  # colour and shape of their points
WIDTH, LEFT, RIGHT = 81, (-3.0, -2.5), (4.0, 3.0)
TITLES = (
    "two moons: probability of the squares",
    "two moons: epistemic (BALD)",
    "wave: mean, ±2 sd (dark: function, light: label)",
)


def draw_page(names, problems: Mapping[str, Problem], fitted: Mapping, path: Path) -> None:
    """Write the page.

    Args:
      names: posteriors, one row each.
      problems: "two_moons" and "waves".
      fitted: (problem, posterior) -> something with ``predict`` and ``density``; a cell is left empty where there is
        none.
      path: of the PNG file.
    """
    figure = Figure(figsize=(10.5, 2.3 * len(names) + 1), layout="constrained")
    grid = figure.subplots(len(names), 3, squeeze=False)
    shown = [None, None]
    for axes, name in zip(grid, names, strict=True):
        axes[0].set_ylabel(name, fontweight="bold")
        plane, wave = fitted.get(("two_moons", name)), fitted.get(("waves", name))
        for cell, belief, kind in (
            (axes[0], plane, "classes"),
            (axes[1], plane, "classes"),
            (axes[2], wave, "numbers"),
        ):
            cell.set(xticks=[], yticks=[])
            if belief is None:
                cell.text(0.5, 0.5, f"not for {kind}", transform=cell.transAxes, ha="center", va="center", color="0.5")
        if plane is not None:
            shown = _draw_plane(axes[:2], plane, problems["two_moons"].batch)
        if wave is not None:
            _draw_wave(axes[2], wave, problems["waves"].batch)
    for cell, title in zip(grid[0], TITLES, strict=True):
        cell.set_title(title, fontsize=9)
    for column, (image, label) in enumerate(zip(shown, ("probability", "nats"), strict=True)):
        if image is not None:
            figure.colorbar(image, ax=grid[:, column], location="bottom", aspect=30, shrink=0.8, pad=0.005, label=label)
    save_picture(figure, path, dpi=80)


def _draw_plane(axes, belief, batch: Batch):
    """Mean prediction and epistemic uncertainty over the plane.

    The scales are the same in every row, but for a posterior with a density, whose uncertainty is minus its logarithm.
    """
    corners = [np.linspace(low, high, WIDTH) for low, high in zip(LEFT, RIGHT, strict=True)]
    points = np.stack(np.meshgrid(*corners), axis=-1).reshape(-1, 2)
    log_probs = belief.predict(jnp.asarray(points, jnp.float32))
    probability = np.exp(log_mean_exp(log_probs)[:, 1]).reshape(WIDTH, WIDTH)
    density = belief.density(jnp.asarray(points, jnp.float32))
    if density is None:
        epistemic, limits = np.asarray(mutual_information(log_probs)), (0, 0.5)
    else:
        epistemic = -np.asarray(density)
        limits = (epistemic.min(), epistemic.max())
        axes[1].text(
            0.02, 0.97, "-log density, own scale", transform=axes[1].transAxes, va="top", color="white", size=7
        )
    images = [
        axes[0].pcolormesh(*corners, probability, cmap="RdBu_r", vmin=0, vmax=1, shading="auto", rasterized=True),
        axes[1].pcolormesh(
            *corners,
            epistemic.reshape(WIDTH, WIDTH),
            cmap="viridis",
            vmin=limits[0],
            vmax=limits[1],
            shading="auto",
            rasterized=True,
        ),
    ]
    axes[0].contour(*corners, probability, levels=[0.5], colors="black", linewidths=0.8)
    for label, (colour, marker) in enumerate(CLASSES):
        points = np.asarray(batch.inputs)[np.asarray(batch.labels) == label]
        for cell in axes:
            cell.scatter(*points.T, c=colour, marker=marker, s=18, edgecolors="white", linewidths=0.6)
    return images


def _draw_wave(axes, belief, batch: Batch) -> None:
    """Mean, epistemic uncertainty of the function (dark), and total uncertainty of a label (light)."""
    inputs = np.linspace(-2, 2, 201)
    gaussian = belief.predict(jnp.asarray(inputs[:, None], jnp.float32))
    mean = np.asarray(gaussian.mean.mean(axis=0))
    function = np.asarray(gaussian.mean.std(axis=0))
    label = np.sqrt(function**2 + np.asarray(gaussian.variance.mean(axis=0)))
    axes.fill_between(inputs, mean - 2 * label, mean + 2 * label, color=COLOURS["blue"], alpha=0.15, linewidth=0)
    axes.fill_between(inputs, mean - 2 * function, mean + 2 * function, color=COLOURS["blue"], alpha=0.35, linewidth=0)
    axes.plot(inputs, np.sin(4 * inputs), color="0.4", linewidth=0.8, linestyle="--")
    axes.plot(inputs, mean, color=COLOURS["blue"], linewidth=1.2)
    axes.scatter(batch.inputs[:, 0], batch.labels, color="black", s=7, zorder=3)
    axes.set_ylim(-3, 3)
