"""Why BatchBALD is level with random on repeated digits, where its paper has it far ahead: one factor at a time.

    python -m experiments.batch_bald --output results/batch_bald

The base is the study of copies (``experiments.redundancy``) on ``mnist_5k``: an MLP, 32 draws, each image four times
with noise of standard deviation .1 on pixels in [0, 1], 20 initial labels drawn uniformly, batches of 10, 20 to 130
labels, 400 steps a round. ``smaller_pool`` has 1,000 of its 4,000 images, so that a factor takes minutes, and all other
factors change one thing of that, most of them to what Kirsch et al. (2019) do on Repeated-MNIST. Their network is
compared with the MLP at ten draws: on a CPU it predicts a pool slowly.

What counts, fixed before any result. The gain of a factor is the area under the accuracy of BatchBALD less that of
random points, paired by seed. BatchBALD is ahead where the 95 % interval of the mean gain lies above 0, and level where
the interval holds 0. A factor matters if its gains differ from those of what it is compared with: Wilcoxon's exact test
over the paired seeds, below .05 after Holm's correction over all factors that have run. A factor that raises the
gain so and with which BatchBALD is ahead is the reason. If there is none, no single factor is shown to be the reason.

A factor is a folder; an interrupted run is continued by the same command.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from rich.table import Table

from bal.studies import Settings, metrics_frame, run_grid, save_picture, show, sole_writer, write_parquet
from bal.validation import check_choice
from experiments.batch_bald.results import gains_table, plot_gains, sentences

BASE = Settings().with_values(
    dataset="mnist_5k",
    copies=4,
    noise=0.1,
    strategies=("random", "batch_bald"),
    num_initial=20,
    num_rounds=12,
    batch_size=10,
    num_samples=32,
    num_steps=400,
)
RULES = "experiments.batch_bald.rules"
TINY = {
    "num_pool": 60,
    "num_test": 40,
    "hidden_sizes": (8,),
    "num_steps": 5,
    "num_samples": 4,
    "num_rounds": 3,
    "batch_size": 2,
    "seeds_at_once": 2,
}


class Factor(NamedTuple):
    """What is changed, of what, and what the result is therefore compared with."""

    changes: dict[str, Any]
    against: str = "smaller_pool"


FACTORS = {
    "base": Factor({}, ""),
    "smaller_pool": Factor({"num_pool": 1000}, "base"),
    "paper_noise": Factor({"noise": 0.0308}),  # .1 after their division by .3081
    "no_copies": Factor({"copies": 1}),
    "balanced_start": Factor({"initial_set": "balanced"}),
    "batches_of_5": Factor({"batch_size": 5, "num_rounds": 23}),
    "to_300_labels": Factor({"num_rounds": 29}),
    "fewer_draws": Factor({"num_samples": 10}),
    "more_draws": Factor({"num_samples": 100}),
    "fewer_configurations": Factor({"strategies": ("random", f"{RULES}:fewer_configurations")}),
    "more_configurations": Factor({"strategies": ("random", f"{RULES}:more_configurations")}),
    "lower_dropout": Factor({"dropout_rate": 0.2}),
    "more_steps": Factor({"num_steps": 2000}),
    "early_stopping": Factor({"num_steps": 2000, "num_validation": 500, "patience": 3}),
    "paper_network": Factor({"network": "cnn_batchbald"}, "fewer_draws"),
}


@dataclass(frozen=True)
class Study:
    """Which factors to run, and how often."""

    factors: tuple[str, ...] = tuple(FACTORS)
    """What to change, each alone; the tables are of those that are named, and what has run is not run again."""
    num_seeds: int = 10
    """Paired runs of each strategy with each factor."""
    tiny: bool = False
    """Try the study: a few steps of three rounds with a few points."""
    output: Path = Path("results/batch_bald")
    """Folder of the factors, the table of all and the picture; a second run continues what it holds."""


def main(study: Study) -> None:
    """Run what is missing, write the table and the picture of the gains, print what was found."""
    for name in study.factors:
        check_choice("the factor", name, FACTORS)
    frames: list[pd.DataFrame] = []
    with sole_writer(study.output):
        for name in study.factors:
            show(f"{name}: {len(frames) + 1} of {len(study.factors)}")
            settings = settings_of(study, name)
            frame = metrics_frame(settings, run_grid(settings))
            # Whatever the number of its configurations, the rule is BatchBALD.
            frame["strategy"] = frame["strategy"].where(frame["strategy"] == "random", "batch_bald")
            frames.append(frame.assign(factor=name))
            metrics = pd.concat(frames, ignore_index=True)
            write_parquet(metrics, study.output / "metrics.parquet")
        found = write_results(study.output)
    show(*found, f"The table and the picture are in {study.output}")


def write_results(folder: Path) -> list[Table | str]:
    """Draw the gains of the factors that have run; returns their table and what the rule says."""
    metrics = pd.read_parquet(folder / "metrics.parquet")
    against = {name: FACTORS[name].against for name in metrics["factor"].unique()}
    save_picture(plot_gains(metrics), folder / "gains.png")
    return [gains_table(metrics, against), *sentences(metrics, against)]


def settings_of(study: Study, name: str) -> Settings:
    """Those of what the factor is compared with, and what it changes."""
    against = FACTORS[name].against
    compared = settings_of(study, against) if against else BASE.with_values(num_seeds=study.num_seeds)
    settings = compared.with_values(output=study.output / name, **FACTORS[name].changes)
    return settings.with_values(**TINY) if study.tiny else settings
