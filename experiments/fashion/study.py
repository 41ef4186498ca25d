"""Which strategy beats random on Fashion-MNIST, by the protocol of Gal et al. (2017).

    BAL_DATA_DIR=... python -m experiments.fashion --output results/fashion

BAL_DATA_DIR is a folder of TFDS that holds fashion_mnist as array_record files; nothing is downloaded. A run starts
from two labels a class and asks for 10 in each round, to 300; the best are sought among 2,000 random points of the
pool. The network is Gal's, trained anew for 50 epochs with Adam and a weight decay of 2.5 / N. MC dropout has 100
draws, the ensemble five networks. Two reproductions with this protocol found that top-k BALD and entropy lose to
random; nobody has published BatchBALD, PowerBALD or EPIG here.

What counts, fixed before any result. The protocol is reproduced where the mean accuracy of random points lies within
.015 of one of the two published curves at 100, 200 and 300 labels. Under each posterior a strategy is better (worse)
than random where the area under its accuracy is, by Wilcoxon's exact test over paired seeds, below .05 after Holm's
correction over the strategies. The classes that a strategy asks for are shown beside those of random.

``--num-seeds``, ``--num-rounds``, ``--num-test``, ``--strategies`` and ``--posteriors`` make it as small as two cores
need; more of each can be added later but test points. ``--tiny`` tries it on generated images, without any data. An
interrupted run is continued by the same command.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jax
import numpy as np
import pandas as pd
from rich.table import Table

import bal
from bal.studies import (
    Settings,
    acquisitions_frame,
    metrics_frame,
    plot_curves,
    save_picture,
    seconds_frame,
    show,
    sole_writer,
    summary_table,
    write_parquet,
)
from bal.studies.grid import prepare_grid
from experiments.fashion.results import beside_published, classes_table, verdicts

STRATEGIES = (
    "random",
    "max_entropy",
    "bald",
    "margin",
    "experiments.fashion.rules:power_bald_1",
    "power_bald",
    "batch_bald",
    "epig",
    "badge",
    "typiclust",
)
NUM_SAMPLES = {"mc_dropout": 100, "deep_ensemble": None}  # all members
TINY = {
    "network": "mlp",
    "hidden_sizes": (8,),
    "num_epochs": 1,
    "num_rounds": 2,
    "pool_subset_size": 30,
    "seeds_at_once": 2,
}


@dataclass(frozen=True)
class Study:
    """The size of the study; the rest is the protocol."""

    strategies: tuple[str, ...] = STRATEGIES
    """Names of `bal list strategies`, or module:function."""
    posteriors: tuple[Literal["mc_dropout", "deep_ensemble"], ...] = ("mc_dropout", "deep_ensemble")
    """What the strategies acquire with and are judged by."""
    num_seeds: int = 10
    """Paired runs of each strategy."""
    num_rounds: int = 29
    """Models fitted, and batches of 10 asked for; the last of 29 has 300 labels."""
    num_test: int | None = None
    """Use a random part of the 10,000 test images."""
    tiny: bool = False
    """Try the study: two rounds of one epoch of a small MLP on generated images."""
    output: Path = Path("results/fashion")
    """Folder for tables and pictures; a second run continues what it holds."""


def main(study: Study) -> None:
    """Run what is missing, write tables and pictures, print what was found."""
    dataset = _generated_images() if study.tiny else _fashion_mnist(study.num_test)
    labels, names = np.asarray(dataset.pool_labels), dataset.about.label_names or tuple(map(str, range(10)))
    # Every mistake is found before anything is written.
    grids = [settings_of(study, each) for each in dict.fromkeys(study.posteriors)]
    runs = [prepare_grid(settings, dataset) for settings in grids]
    with sole_writer(study.output):
        for settings, run in zip(grids, runs, strict=True):
            units = run()
            metrics, asked = metrics_frame(settings, units), acquisitions_frame(settings, units)
            asked["class"] = pd.Categorical.from_codes(labels[asked["index"]], pd.Index(names))
            for frame in (metrics, asked):  # a plugin is shown by the name of its function
                frame["strategy"] = frame["strategy"].str.rpartition(":")[2]
            write_parquet(metrics, settings.output / "metrics.parquet")
            write_parquet(asked, settings.output / "acquisitions.parquet")
            write_parquet(seconds_frame(units), settings.output / "seconds.parquet")
            show(*write_results(settings.output))
    show(f"Tables and pictures are in {study.output}")


def write_results(folder: Path) -> list[Table | str]:
    """Draw the curves under one posterior; returns tables, random beside published curves, and the verdicts."""
    metrics, asked = (pd.read_parquet(folder / f"{name}.parquet") for name in ("metrics", "acquisitions"))
    save_picture(plot_curves(metrics), folder / "learning_curves.png")
    is_published = (metrics["posterior"] == "mc_dropout").all()
    published = beside_published(metrics) if is_published else []
    return [summary_table(metrics, targets=(0.7, 0.75)), *published, *verdicts(metrics), classes_table(asked)]


def settings_of(study: Study, posterior: str) -> Settings:
    """The protocol under one posterior."""
    settings = Settings().with_values(
        dataset="fashion_mnist",
        network="cnn_gal",
        posterior=posterior,
        num_samples=NUM_SAMPLES[posterior],
        optimizer="adam",
        learning_rate=1e-3,
        weight_decay=2.5,
        num_epochs=50,
        minibatch_size=128,
        num_initial=20,
        initial_set="balanced",
        batch_size=10,
        pool_subset_size=2000,
        strategies=study.strategies,
        num_seeds=study.num_seeds,
        num_rounds=study.num_rounds,
        output=study.output / posterior,
    )
    return settings.with_values(**TINY) if study.tiny else settings


def _fashion_mnist(num_test: int | None) -> bal.Dataset:
    folder = os.environ.get("BAL_DATA_DIR")
    if not folder:
        raise ValueError(
            "expected the environment variable BAL_DATA_DIR, a folder of TFDS that holds fashion_mnist, got none: set "
            "it, or try the study with --tiny"
        )
    dataset = bal.datasets.load("fashion_mnist", data_dir=folder, download=False)
    return dataset if num_test is None else bal.datasets.subset(jax.random.key(0), dataset, num_test=num_test)


def _generated_images() -> bal.Dataset:
    """Noise in the shape of Fashion-MNIST."""
    generator = np.random.default_rng(0)
    images, labels = generator.uniform(size=(160, 28, 28, 1)).astype(np.float32), np.arange(160) % 10
    return bal.datasets.from_arrays(images[:120], labels[:120], images[120:], labels[120:])
