"""What the studies of labels with places in an image share: the network, the run, and the model of the page."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import pandas as pd
from rich.table import Table

import bal
from bal.studies import main_metric, metrics_frame, plot_curves, save_picture, summary_table, write_parquet
from bal.studies.grid import Unit, prepare_grid
from bal.studies.learners import build_learner, load_dataset, seed_key
from bal.studies.settings import Settings
from bal.studies.sole_writer import sole_writer
from bal.studies.tasks import task_of

SAME_NAME = (
    "num_pool", "num_test", "strategies", "num_seeds", "num_initial", "num_rounds", "batch_size", "num_steps", "output"
)  # fmt: skip


def image_settings(study: Any, **values: Any) -> Settings:
    """The settings that a study names as ``bal compare`` does, and the other values; by default a small U-Net."""
    named = {name: getattr(study, name) for name in SAME_NAME}
    return Settings().with_values(**{"network": "unet", "hidden_sizes": (8, 16, 32), **named, **values})


class Shown(NamedTuple):
    """What a study shows of its metrics."""

    curves: Mapping[str, str]  # which metric to draw, by the name of the picture
    tables: tuple[str, ...]  # which metrics have a table
    baseline: str = "random"  # the strategy with which others are compared


def run_dense(settings: Settings, draw_page: Callable[[Settings, list[Unit], Path], None], shown: Shown) -> list[Table]:
    """Run the grid, write metrics, curves and the page of maps; returns the tables.

    Args:
      settings: of the grid.
      draw_page: writes the page of maps.
      shown: which curves and tables.
    """
    run, output = prepare_grid(settings), settings.output
    with sole_writer(output):
        units = run()
        metrics = metrics_frame(settings, units)
        for column in ("dataset", "strategy"):  # a plugin is shown by the name of its function
            metrics[column] = metrics[column].str.rpartition(":")[2]
        write_parquet(metrics, output / "metrics.parquet")
        tables = write_results(output, shown)
        draw_page(settings, units, output / "maps.png")
    return tables


def write_results(folder: Path, shown: Shown) -> list[Table]:
    """Draw the curves; returns the tables."""
    metrics = pd.read_parquet(folder / "metrics.parquet")
    for picture, metric in shown.curves.items():
        save_picture(plot_curves(metrics, metric, baseline=shown.baseline), folder / picture)
    return [summary_table(metrics, metric, baseline=shown.baseline) for metric in shown.tables]


class LastModel(NamedTuple):
    """The model of a typical run of the last strategy, after the last round."""

    dataset: bal.Dataset
    unit: Unit
    row: int  # of the run in its unit
    pool: bal.pool.PoolState
    predict: Callable[[Any], Any]  # from inputs [n, ...] to predictions


def last_model(settings: Settings, units: list[Unit]) -> LastModel:
    """The model of a page of maps: of the run with the median of the main metric, since single fits may fail."""
    last = [unit for unit in units if unit.strategy == units[-1].strategy]
    metric = main_metric(last[0].info.metrics)
    runs = [
        (float(unit.info.metrics[metric][-1, row]), number, row)
        for number, unit in enumerate(last)
        for row, seed in enumerate(unit.seeds)
        if seed < settings.run.num_seeds
    ]
    _, number, row = sorted(runs)[len(runs) // 2]
    dataset, unit = load_dataset(settings), last[number]
    learner = build_learner(settings.with_values(seeds_at_once=len(unit.seeds)), unit.strategy, task_of(dataset))
    state = jax.tree.map(lambda leaf: jnp.asarray(leaf)[row], unit.state())
    return LastModel(dataset, unit, row, state.pool, learner.predictor(seed_key(settings, unit.seeds[row]), state))
