"""Which points need no person? Four ways to spend labels, and what a model may label by itself at a promised error.

    python -m experiments.autolabel --dataset digits --output results/autolabel

First, active learning itself: random and active choice, each with and without learning from the model's own labels
(CEAL: entropy below a falling threshold), from the same initial sets and keys. Then the practical question: with n
labels from a person and some more for calibration, what share of the rest can be labelled automatically if at most 1 %
or 5 % of these labels may be wrong, and how many are wrong? An interrupted run is continued.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
from rich.table import Table

from bal.autolabel import risk_controlled
from bal.studies import (
    automatic_frame,
    curves,
    metrics_frame,
    plot_curves,
    save_picture,
    show,
    summary_table,
    with_interval,
    write_parquet,
)
from bal.studies.grid import prepare_grid
from bal.studies.settings import Settings
from bal.studies.sole_writer import sole_writer
from bal.studies.statistics import areas
from bal.validation import check_count
from experiments.autolabel.pictures import draw_page
from experiments.autolabel.promises import keep_promises, promises_table, sentences

NUM_COUNTS = 5  # label counts at which promises are measured
AUTOMATIC = " + automatic"  # after the name of a strategy whose models learn from their own labels too


@dataclass(frozen=True)
class Study:
    """The settings that matter; the others are those of ``bal compare``."""

    dataset: str = "digits"
    """digits, mnist_5k (no network needed), or a TFDS classification set such as fashion_mnist."""
    data_dir: Path | None = None
    """Folder of prepared TFDS sets; nothing is downloaded where it is given."""
    num_pool: int | None = None
    """Use a random part of the pool; all of it where left out."""
    num_test: int | None = None
    """Use a random part of the test set; all of it where left out."""
    network: Literal["mlp", "cnn_gal", "cnn_batchbald"] = "mlp"
    """Architecture."""
    posterior: str = "deep_ensemble"
    """Name in bal.posteriors.POSTERIORS."""
    strategy: str = "margin"
    """What is compared with random choice."""
    num_seeds: int = 5
    """Paired runs of each way."""
    num_initial: int = 20
    """Points labelled at the start."""
    num_rounds: int = 13
    """Models fitted, and batches asked for."""
    batch_size: int = 10
    """Points asked for in a round."""
    num_calibration: int = 300
    """Random points that a person labels for calibration only."""
    promised: tuple[float, ...] = (0.01, 0.05)
    """Error rates that automatic labels may have."""
    confidence: float = 0.9
    """Probability that a promised error rate holds."""
    delta_0: float = 0.1
    """Entropy in nats below which a model learns from its own labels, in the first round."""
    rate: float = 0.005
    """By how much that threshold falls in each round."""
    max_automatic: int = 300
    """Automatic labels that a model learns from, at most."""
    num_steps: int = 400
    """Optimiser steps a round."""
    output: Path = Path("results/autolabel")
    """Folder for all results; the same command continues them."""


def main(study: Study) -> None:
    """Run both grids, keep the promises, write tables and pictures."""
    alone, together = settings_of(study)
    # Every mistake is found before anything is written.
    check_count("--num-calibration", study.num_calibration)
    for error in study.promised:
        risk_controlled(error, confidence=study.confidence)
    run_together, run_alone = prepare_grid(together), prepare_grid(alone)
    with sole_writer(study.output):
        more_units, units = run_together(), run_alone()
        metrics = metrics_frame(alone, units)
        more = metrics_frame(together, more_units)
        metrics = pd.concat([metrics, more.assign(strategy=more["strategy"] + AUTOMATIC)])
        write_parquet(metrics, study.output / "metrics.parquet")
        write_parquet(automatic_frame(together, more_units), study.output / "automatic.parquet")
        promises, seen = keep_promises(alone, units, study.promised, confidence=study.confidence, num_counts=NUM_COUNTS)
        write_parquet(promises, study.output / "promises.parquet")
        shown = write_results(study.output)
        draw_page(seen[study.strategy], promises, study.dataset, study.output / "autolabel.png")
    show(*shown, f"Tables and pictures are in {study.output}")


def write_results(folder: Path) -> list[Table | str]:
    """Draw the learning curves; returns tables of the four ways and of the promises, and these in words."""
    metrics, promises = (pd.read_parquet(folder / f"{name}.parquet") for name in ("metrics", "promises"))
    save_picture(plot_curves(metrics), folder / "learning_curves.png")
    (num_calibration,) = promises["num_calibration"].unique()
    summary = summary_table(metrics, num_calibration=int(num_calibration))
    return [summary, *effects(metrics), promises_table(promises), *sentences(promises)]


def effects(metrics: pd.DataFrame) -> list[str]:
    """What learning from the model's own labels changes, a sentence for each strategy."""
    of_runs = areas(curves(metrics, "accuracy"))
    alone = [name for name in map(str, of_runs) if not name.endswith(AUTOMATIC)]
    changes = {name: (of_runs[name + AUTOMATIC] - of_runs[name]).to_numpy() for name in alone}
    return [
        f"{name}: area with the model's own labels less that without: {with_interval(change, sign='+', decimals=3)}"
        for name, change in changes.items()
    ]


def settings_of(study: Study) -> tuple[Settings, Settings]:
    """Of the grid without labels of the model, and of the one with them."""
    settings = Settings().with_values(
        dataset=study.dataset,
        data_dir=study.data_dir,
        num_pool=study.num_pool,
        num_test=study.num_test,
        num_calibration=study.num_calibration,
        network=study.network,
        posterior=study.posterior,
        strategies=("random", study.strategy),
        num_seeds=study.num_seeds,
        num_initial=study.num_initial,
        num_rounds=study.num_rounds,
        batch_size=study.batch_size,
        num_steps=study.num_steps,
        seeds_at_once=None if study.network != "mlp" else study.num_seeds,
    )
    alone = settings.with_values(output=study.output / "alone")
    together = settings.with_values(
        output=study.output / "together",
        automatic="entropy_below",
        automatic_level=study.delta_0,
        automatic_rate=study.rate,
        max_automatic=study.max_automatic,
    )
    return alone, together
