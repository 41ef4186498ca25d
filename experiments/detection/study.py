"""Detection: which images to label, and over what should the uncertainty of an image's objects be summed up?

    python -m experiments.detection --output results/detection

A small one-stage detector with dropout finds zeros and sevens in scenes. Strategies are compared by the area under the
average precision at an overlap of .5, from the same initial sets and keys; the rule, fixed before any result: a
strategy is better than random if the 95 % interval of the paired difference lies above 0, and worse if it lies below.
An interrupted run is continued.
"""

from dataclasses import dataclass
from pathlib import Path

from bal.studies import show
from experiments.dense import Shown, image_settings, run_dense
from experiments.detection.pictures import draw_page

SHOWN = Shown(curves={"learning_curves.png": "ap_50"}, tables=("ap_50", "ap"))
RULES = "experiments.detection.rules:"
STRATEGIES = (
    "random", "k_center", "difficulty_weighted", f"{RULES}class_mean", f"{RULES}class_max", f"{RULES}class_objectness",
    f"{RULES}box_sum", f"{RULES}class_sum",
)  # fmt: skip


@dataclass(frozen=True)
class Study:
    """The settings that matter; the others are those of ``bal compare``."""

    dataset: str = "experiments.detection.data:zeros_and_sevens"
    """A data set with boxes: of your own, as module:function."""
    num_pool: int | None = None
    """Images of the pool; all by default."""
    num_test: int | None = None
    """Images of the test set; all by default."""
    strategies: tuple[str, ...] = STRATEGIES
    """Which rules to compare."""
    num_seeds: int = 5
    """Paired runs of each strategy."""
    num_initial: int = 100
    """Images labelled at the start."""
    num_rounds: int = 4
    """Models fitted, and batches asked for."""
    batch_size: int = 100
    """Images asked for in a round."""
    num_steps: int = 800
    """Optimiser steps a round."""
    num_samples: int = 10
    """Dropout masks."""
    tiny: bool = False
    """A few images, two rounds and two seeds: shows in a minute that everything runs, and nothing else."""
    output: Path = Path("results/detection")
    """Folder for tables, curves and the page of boxes and maps."""


def main(study: Study) -> None:
    """Run the grid, write tables, curves and the page of boxes and maps."""
    settings = image_settings(
        study,
        dataset=study.dataset,
        network="center_net",
        hidden_sizes=(16, 32),
        dropout_rate=0.2,
        learning_rate=5e-3,
        minibatch_size=8,
        num_samples=study.num_samples,
    )
    if study.tiny:
        settings = settings.with_values(
            num_pool=16, num_test=8, hidden_sizes=(4,), strategies=study.strategies[:2], num_seeds=2, num_initial=4,
            num_rounds=2, batch_size=2, num_steps=4, num_samples=3,
        )  # fmt: skip
    show(*run_dense(settings, draw_page, SHOWN), f"Tables and pictures are in {study.output}")
