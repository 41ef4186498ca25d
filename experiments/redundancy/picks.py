"""A picture of one round: which points each strategy asks for, on a plane where everything can be seen."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

import bal
from bal.studies import COLOURS, save_picture

NUM_SAMPLES = 100  # dropout masks
CLASSES = ((COLOURS["blue"], "o"), (COLOURS["vermillion"], "s"))  # colour and shape of their points
COLUMNS = 5


class Round(NamedTuple):
    """What strategies see of a round, and what the model says everywhere in the plane."""

    view: bal.PoolView
    positions: jax.Array  # [N, 2] of the pool
    labelled: jax.Array  # indices of the labelled points
    ticks: tuple[np.ndarray, np.ndarray]
    probability: np.ndarray  # [rows, columns], of class 1
    bald: np.ndarray  # [rows, columns]


def waves(positions: jax.Array) -> jax.Array:
    """Fixed random waves of the plane: on them networks are flexible functions, uncertain away from the data."""
    key_directions, key_phases = jax.random.split(jax.random.key(11))
    directions = jax.random.normal(key_directions, (2, 100))
    phases = jax.random.uniform(key_phases, (100,), maxval=2 * jnp.pi)
    return jnp.sqrt(2.0) * jnp.cos(positions @ directions + phases)


def two_moons_round(*, num_labelled: int = 8, resolution: int = 120) -> Round:
    """Dropout networks fitted to a few labels of the two moons."""
    dataset = jax.device_put(bal.datasets.load("two_moons"))
    positions = dataset.pool_inputs
    dataset = bal.datasets.map_inputs(dataset, waves)
    network = bal.networks.mlp(num_outputs=2, hidden_sizes=(128, 128), dropout_rate=0.4)
    posterior = bal.posteriors.mc_dropout(
        network, bal.likelihoods.categorical(), optax.adamw(5e-3), num_steps=200, minibatch_size=num_labelled
    )
    key_labelled, key_run = jax.random.split(jax.random.key(3))
    indices = jax.random.permutation(key_labelled, len(positions))[:num_labelled]
    learner = bal.build(
        posterior,
        bal.strategies.random(batch_size=1),
        num_samples=NUM_SAMPLES,
        num_initial=num_labelled,
        num_rounds=1,
    )
    assert dataset.pool_labels is not None
    state = learner.init(key_run, dataset, initial=(indices, dataset.pool_labels[indices]))
    state, _ = jax.jit(learner.ask)(key_run, state, dataset)
    view = learner.view(key_run, state, dataset)
    low, high = positions.min(axis=0) - 0.3, positions.max(axis=0) + 0.3
    ticks = np.linspace(low[0], high[0], resolution), np.linspace(low[1], high[1], resolution)
    plane = jnp.stack(jnp.meshgrid(*ticks), axis=-1)
    log_probs = view.predict(waves(plane.reshape(-1, 2)))
    probability = jnp.exp(log_probs).mean(axis=0)[:, 1].reshape(plane.shape[:2])
    bald = bal.acquisition.bald(log_probs).reshape(plane.shape[:2])
    return Round(view, positions, indices, ticks, np.asarray(probability), np.asarray(bald))


def plot_picks(strategies: Sequence[str], path: Path, *, batch_size: int) -> None:
    """One panel a strategy: its picks in the order chosen, over the uncertainty that labels would remove (BALD)."""
    seen = two_moons_round()
    rows = -(-(len(strategies) + 1) // COLUMNS)
    figure = Figure(figsize=(3.1 * COLUMNS, 2.6 * rows + 0.7), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    belief = panels[0].contourf(*seen.ticks, seen.probability, levels=np.linspace(0, 1, 21), cmap="RdBu_r", alpha=0.6)
    panels[0].set_title("what the model believes")
    figure.colorbar(belief, ax=panels[0], label="probability of the squares", ticks=[0, 0.5, 1], location="left")
    _plot_points(panels[0], seen)
    for axes, name in zip(panels[1:], strategies, strict=False):
        chosen = bal.strategies.STRATEGIES[name](batch_size=batch_size).select(jax.random.key(0), seen.view)
        bald = axes.contourf(*seen.ticks, seen.bald, levels=np.linspace(0, seen.bald.max(), 15), cmap="Greys")
        _plot_points(axes, seen)
        for rank, index in enumerate(chosen.indices.tolist(), 1):
            x, y = seen.positions[index].tolist()
            axes.plot(x, y, "o", color="white", markeredgecolor="black", markersize=10, zorder=3)
            axes.text(x, y, str(rank), fontsize=7, ha="center", va="center_baseline", zorder=4)
        axes.set_title(name)
    figure.colorbar(bald, ax=panels, label="BALD in nats", format="%.1f", ticks=np.arange(0, 0.7, 0.1), shrink=0.6)
    figure.suptitle(
        f"One round on two moons: large points are labelled, numbers are the {batch_size} that each strategy asks for"
    )
    save_picture(figure, path, dpi=110)


def _plot_points(axes, seen: Round) -> None:
    """The pool, small; the labelled points in the colour and shape of their class; the line between the classes."""
    axes.scatter(*seen.positions.T, s=2, color=COLOURS["green"], alpha=0.6, linewidths=0)
    boundary = axes.contour(*seen.ticks, seen.probability, levels=[0.5], colors="black", linewidths=1)
    boundary.set_path_effects([withStroke(linewidth=2.5, foreground="white")])
    labels = np.asarray(seen.view.labelled.labels)[: len(seen.labelled)]  # the buffer has room for the batch too
    for label, (colour, marker) in enumerate(CLASSES):
        labelled = np.asarray(seen.positions[seen.labelled])[labels == label]
        axes.scatter(*labelled.T, s=60, color=colour, marker=marker, edgecolors="white", linewidths=1.2, zorder=2)
