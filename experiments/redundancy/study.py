"""What batch rules are for: a pool in which every point has copies, and which points each rule picks in one round.

    python -m experiments.redundancy --dataset digits --output results/redundancy

The pool is repeated with noise (Repeated-MNIST, Kirsch et al. 2019). Among the best points by BALD are
copies of one another; rules that consider the whole batch, or that sample, rarely ask for copies. An interrupted run is
continued.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
from rich.table import Table

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
from bal.studies.learners import load_dataset
from bal.studies.settings import Settings
from bal.studies.sole_writer import sole_writer
from experiments.redundancy.picks import plot_picks
from experiments.redundancy.results import originals_table

STRATEGIES = (
    "random",
    "bald",
    "power_bald",
    "softmax_bald",
    "batch_bald",
    "epig",
    "batch_epig",
    "badge",
    "k_center",
)
BATCH_SIZE = 10


@dataclass(frozen=True)
class Study:
    """The settings that matter; the others are those of ``bal compare``."""

    dataset: Literal["digits", "mnist_5k"] = "digits"
    """Whose pool is repeated."""
    copies: int = 4
    """How often each point occurs."""
    noise: float = 0.1
    """Standard deviation of the noise by which copies differ; inputs are in [0, 1]."""
    num_seeds: int = 10
    """Paired runs of each strategy."""
    num_rounds: int = 12
    """Models fitted, and batches of 10 asked for."""
    num_samples: int = 32
    """Posterior samples (dropout masks)."""
    output: Path = Path("results/redundancy")
    """Folder for tables, learning curves and the picture of the picks."""


def main(study: Study) -> None:
    """Draw the picks, which takes seconds, run what is missing, write tables and pictures, print what was found."""
    settings = settings_of(study)
    run = prepare_grid(settings)
    with sole_writer(study.output):
        plot_picks(STRATEGIES, study.output / "picks.png", batch_size=BATCH_SIZE)
        units = run()
        asked = acquisitions_frame(settings, units)
        # The whole pool stands once more after itself for each copy.
        asked["original"] = asked["index"] % (len(load_dataset(settings).pool_inputs) // study.copies)
        write_parquet(metrics_frame(settings, units), study.output / "metrics.parquet")
        write_parquet(asked, study.output / "acquisitions.parquet")
        write_parquet(seconds_frame(units), study.output / "seconds.parquet")
        shown = write_results(study.output)
    show(*shown, f"Tables and pictures are in {study.output}")


def write_results(folder: Path) -> list[Table]:
    """Draw the learning curves; returns the table of accuracies and that of originals."""
    metrics, asked = (pd.read_parquet(folder / f"{name}.parquet") for name in ("metrics", "acquisitions"))
    save_picture(plot_curves(metrics), folder / "learning_curves.png")
    return [summary_table(metrics), originals_table(asked)]


def settings_of(study: Study) -> Settings:
    """The grid of the study."""
    return Settings().with_values(
        dataset=study.dataset,
        copies=study.copies,
        noise=study.noise,
        strategies=STRATEGIES,
        num_seeds=study.num_seeds,
        num_rounds=study.num_rounds,
        num_samples=study.num_samples,
        batch_size=BATCH_SIZE,
        output=study.output,
    )
