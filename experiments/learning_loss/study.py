"""Learning loss against random, entropy and core-set, and against the ideal: acquiring by the true loss.

    python -m experiments.learning_loss --dataset mnist_5k --output results/learning_loss

``learning_loss`` and ``true_loss`` acquire with a network that is trained together with its loss predictor, as in the
paper (Yoo and Kweon 2019). The others acquire with the same network trained alone: they have no use for a predictor,
whose gradient changes the features of the network, and a method is judged by the whole of what it does. So the curves
already differ at the initial set, although all share it and all keys: that difference is the effect of the joint
training; what is added later is the effect of the acquisition.

``--protocol cifar10`` is that of the paper, for an accelerator: ResNet-18, 1,000 labels and 1,000 more a cycle, the
best of a random 10,000 of the pool. Three things differ from it: minibatches are drawn with replacement, the border
that a crop shows is the mean colour, and batch normalisation predicts with the running statistics of momentum 0.9.
``--tiny`` tries either protocol in minutes. An interrupted run is continued by the same command.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jax
import numpy as np
import pandas as pd
from rich.table import Table

import bal
from bal.studies import (
    acquisitions_frame,
    metrics_frame,
    plot_curves,
    save_picture,
    seconds_frame,
    show,
    summary_table,
    write_parquet,
)
from bal.studies.grid import prepare_grid
from bal.studies.settings import Settings
from bal.studies.sole_writer import sole_writer
from experiments.learning_loss.pictures import correlation_table, plot_predicted_losses

# strategy -> the posterior that it acquires with
STRATEGIES = {
    "random": "point_estimate",
    "max_entropy": "point_estimate",
    "k_center": "point_estimate",
    "learning_loss": "learning_loss",
    "true_loss": "learning_loss",
}


@dataclass(frozen=True)
class Study:
    """The settings that matter; the others follow from the protocol."""

    protocol: Literal["small", "cifar10"] = "small"
    """small: Gal's network, 100 labels and 100 more a round, for two CPU cores; cifar10: that of the paper."""
    dataset: Literal["mnist_5k", "fashion_mnist"] = "mnist_5k"
    """Of the small protocol."""
    data_dir: Path | None = None
    """Folder of prepared TFDS sets; nothing is downloaded where it is given."""
    strategies: tuple[str, ...] = tuple(STRATEGIES)
    """Which of them to run; more can be added later."""
    num_seeds: int = 5
    """Paired runs of each strategy."""
    tiny: bool = False
    """Try the protocol: a few steps of two rounds, for cifar10 on generated data of the same shape."""
    output: Path = Path("results/learning_loss")
    """Folder for tables and pictures; a second run continues what it holds."""


def small(study: Study) -> Settings:
    """Gal's network on 28x28 images; the best of a random 2,000 of the pool."""
    return Settings().with_values(
        dataset=study.dataset,
        num_test=None if study.dataset == "mnist_5k" else 2000,
        network="cnn_gal",
        num_initial=100,
        batch_size=100,
        num_rounds=6,
        pool_subset_size=2000,
        optimizer="adam",
        learning_rate=1e-3,
        num_steps=200,
        minibatch_size=32,
    )


def cifar10(study: Study) -> Settings:
    """Section 4.1 of the paper, and the code of its best known reproduction where the paper is silent."""
    return Settings().with_values(
        dataset="cifar10",
        normalise=True,
        network="resnet18",
        num_initial=1000,
        batch_size=1000,
        num_rounds=10,
        pool_subset_size=10_000,
        optimizer="sgd",
        learning_rate=0.1,
        l2=5e-4,
        num_epochs=200,
        drop_at=160 / 200,
        detach_at=120 / 200,
        minibatch_size=128,
        augmentation="crop_and_flip",
        refit="warm_start",
        targets=(0.8, 0.85, 0.9),
    )


def settings_of(study: Study) -> Settings:
    """The settings that all strategies share."""
    unknown = [name for name in study.strategies if name not in STRATEGIES]
    if unknown:
        raise ValueError(f"expected strategies among {list(STRATEGIES)}, got {unknown}")
    settings = (small(study) if study.protocol == "small" else cifar10(study)).with_values(
        data_dir=study.data_dir,
        num_seeds=study.num_seeds,
        output=study.output,
    )
    if not study.tiny:
        return settings
    return settings.with_values(
        dataset=settings.data.dataset if study.protocol == "small" else "generated images",
        num_initial=16,
        batch_size=8,
        num_rounds=2,
        pool_subset_size=64,
        num_epochs=None if settings.model.num_epochs is None else 1,
        num_steps=4,
        minibatch_size=8,
    )


def main(study: Study) -> None:
    """Run what is missing, write tables and pictures, print the summary."""
    settings = settings_of(study)
    generated = _generated_images() if study.tiny and study.protocol == "cifar10" else None
    grids = []
    for posterior in dict.fromkeys(STRATEGIES[name] for name in study.strategies):
        names = tuple(name for name in study.strategies if STRATEGIES[name] == posterior)
        part = settings.with_values(posterior=posterior, strategies=names, output=study.output / posterior)
        # Every mistake is found before anything is written.
        grids.append((part, prepare_grid(part, generated)))
    with sole_writer(study.output):
        _run_and_write(study, grids, generated)
        shown = write_results(study.output, settings.targets)
    show(*shown, f"Tables and pictures are in {study.output}")


def write_results(folder: Path, targets: tuple[float, ...] | None = None) -> list[Table]:
    """Draw the curves; returns the table of accuracies and, with learning loss, that of its rank correlation."""
    metrics = pd.read_parquet(folder / "metrics.parquet")
    save_picture(plot_curves(metrics), folder / "learning_curves.png")
    tables = [summary_table(metrics, targets=targets)]
    if (metrics["metric"] == "loss_rank_correlation").any():
        save_picture(plot_curves(metrics, "loss_rank_correlation"), folder / "rank_correlation.png")
        tables.append(correlation_table(metrics))
    return tables


def _run_and_write(study: Study, grids: list, generated: bal.Dataset | None) -> None:
    frames, asked, seconds, learned = [], [], [], None
    for part, run in grids:
        units = run()
        frames.append(metrics_frame(part, units))
        asked.append(acquisitions_frame(part, units))
        seconds.append(seconds_frame(units))
        if "learning_loss" in part.run.strategies:
            learned = part, [unit for unit in units if unit.strategy == "learning_loss"]
    write_parquet(pd.concat(frames, ignore_index=True), study.output / "metrics.parquet")
    write_parquet(pd.concat(asked, ignore_index=True), study.output / "acquisitions.parquet")
    write_parquet(pd.concat(seconds, ignore_index=True), study.output / "seconds.parquet")
    if learned is not None:
        plot_predicted_losses(*learned, generated, study.output / "predicted_loss.png")


def _generated_images() -> bal.Dataset:
    """Noise in the shape of CIFAR-10."""
    generator = np.random.default_rng(0)
    images, labels = generator.uniform(size=(160, 32, 32, 3)).astype(np.float32), np.arange(160) % 10
    return jax.device_put(bal.datasets.from_arrays(images[:128], labels[:128], images[128:], labels[128:]))
