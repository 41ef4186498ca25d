"""Depth: which images to label, and does uncertainty know where the errors are?

    python -m experiments.depth --output results/depth

A U-Net predicts mean and noise of the depth at each position (Kendall and Gal 2017, arXiv:1703.04977). Strategies are
compared by the area under the RMSE in metres, from the same initial sets and keys; the rule, fixed before any result: a
strategy is better than random if the 95 % interval of the paired difference lies below 0. An interrupted run is
continued.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bal.studies import show
from experiments.dense import Shown, image_settings, run_dense
from experiments.depth.pictures import draw_page

STRATEGIES = ("random", "gaussian_bald", "epistemic_variance", "k_center")
SHOWN = Shown(
    curves={"learning_curves.png": "rmse", "sparsification.png": "ause"},
    tables=("rmse", "abs_rel", "delta_1", "ause"),
)


@dataclass(frozen=True)
class Study:
    """The settings that matter; the others are those of ``bal compare``."""

    posterior: Literal["mc_dropout", "deep_ensemble"] = "mc_dropout"
    """Which uncertainty: of dropout masks, or of five networks."""
    dataset: str = "experiments.depth.data:standardised_scenes"
    """A data set with depth: of your own, as module:function."""
    num_pool: int = 400
    """Images of the pool."""
    num_test: int = 100
    """Images of the test set."""
    strategies: tuple[str, ...] = STRATEGIES
    """Which rules to compare."""
    num_seeds: int = 5
    """Paired runs of each strategy."""
    num_initial: int = 20
    """Images labelled at the start."""
    num_rounds: int = 5
    """Models fitted, and batches asked for."""
    batch_size: int = 20
    """Images asked for in a round."""
    num_steps: int = 600
    """Optimiser steps a round."""
    num_samples: int = 10
    """Dropout masks; an ensemble has five members."""
    tiny: bool = False
    """A few small images, two rounds and two seeds: shows in a minute that everything runs, and nothing else."""
    output: Path = Path("results/depth")
    """Folder for tables, curves and the page of maps."""


def main(study: Study) -> None:
    """Run the grid, write tables, curves and the page of maps."""
    is_ensemble = study.posterior == "deep_ensemble"
    settings = image_settings(
        study,
        dataset=study.dataset,
        # Two levels: with three, the network learned nothing from some initial weights.
        hidden_sizes=(8, 16),
        dropout_rate=0.0 if is_ensemble else 0.1,
        learning_rate=3e-3,
        posterior=study.posterior,
        minibatch_size=8,
        num_samples=None if is_ensemble else study.num_samples,
    )
    if study.tiny:
        settings = settings.with_values(
            num_pool=16, num_test=8, hidden_sizes=(4, 8), strategies=study.strategies[:2], num_seeds=2,
            num_initial=4, num_rounds=2, batch_size=2, num_steps=4, num_members=2,
            num_samples=None if is_ensemble else 3,
        )  # fmt: skip
    show(*run_dense(settings, draw_page, SHOWN), f"Tables and pictures are in {study.output}")
