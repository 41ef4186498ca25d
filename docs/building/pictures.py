"""Small pictures of scores: two functions and two classes, or the mean and the noise of a real label."""

from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import matplotlib
import numpy as np
from matplotlib.figure import Figure

import bal

matplotlib.use("agg")

SIDE = 61
# The two functions contradict each other at the target of the scores that have one.
TARGET = jnp.log(jnp.array([[[0.9, 0.1]], [[0.1, 0.9]]]))
OF_CLASSES: dict[str, Callable] = {
    **{name: bal.acquisition.SCORES[name] for name in ("max_entropy", "least_confidence", "margin")},
    **{name: bal.acquisition.SCORES[name] for name in ("bald", "mean_std", "vote_entropy")},
    "epig": lambda log_probs: bal.acquisition.epig(log_probs, TARGET),
    "expected_error_reduction": lambda log_probs: bal.acquisition.expected_error_reduction(log_probs, TARGET),
}
OF_NUMBERS = ("total_variance", "epistemic_variance", "gaussian_bald")


def write(folder: Path) -> None:
    """Draw all pictures as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    first, second = np.meshgrid(np.linspace(0.005, 0.995, SIDE), np.linspace(0.005, 0.995, SIDE))
    probs = jnp.stack([first.ravel(), second.ravel()])  # [S=2, N]
    log_probs = jnp.log(jnp.stack([probs, 1 - probs], axis=-1))
    for name, score in OF_CLASSES.items():
        figure = Figure(figsize=(2.3, 2.3), layout="constrained")
        _draw(figure.subplots(), first, second, score(log_probs))
        figure.supxlabel("first function", fontsize=9)
        figure.supylabel("second function", fontsize=9)
        figure.savefig(folder / f"score_{name}.png", dpi=150)
    noise, spread = np.meshgrid(np.linspace(0.1, 1, SIDE), np.linspace(0, 1, SIDE))
    mean = jnp.stack([spread.ravel(), -spread.ravel()])  # standard deviation of the means: spread
    predictions = bal.Gaussian(mean, jnp.broadcast_to(noise.ravel() ** 2, mean.shape))
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(OF_NUMBERS)), OF_NUMBERS, strict=True):
        _draw(axes, noise, spread, bal.acquisition.GAUSSIAN_SCORES[name](predictions))
        axes.set_title(name, fontsize=9)
    figure.supxlabel("noise (standard deviation)", fontsize=9)
    figure.supylabel("spread of the means", fontsize=9)
    figure.savefig(folder / "score_gaussian.png", dpi=150)


def _draw(axes, x, y, values) -> None:
    axes.contourf(x, y, np.asarray(values).reshape(x.shape), levels=14, cmap="Greys")
    axes.set_aspect("equal")
    axes.tick_params(labelsize=7)
