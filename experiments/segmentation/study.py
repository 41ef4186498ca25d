"""Segmentation: does any rule beat random regions of which two thirds show foreground?

    python -m experiments.segmentation --output results/segmentation

The unit of labelling is a cell of a grid over an image. The baseline reads where the objects are, as an annotator who
looks at the image does (nnActive, arXiv:2511.19183). The rule of the comparison, fixed before any result: a strategy is
better if the 95 % interval of the paired difference of its area under the mean IoU to that baseline's lies above 0, and
worse if it lies below. An interrupted run is continued.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bal.studies import show
from experiments.dense import Shown, image_settings, run_dense
from experiments.segmentation.pictures import draw_page

BASELINE = "foreground_random"
STRATEGIES = (BASELINE, "random", "max_entropy", "bald", "power_bald", "clasp_pe", "k_center")
SHOWN = Shown(curves={"learning_curves.png": "mean_iou"}, tables=("mean_iou", "mean_dice"), baseline=BASELINE)


@dataclass(frozen=True)
class Study:
    """The settings that matter; the others are those of ``bal compare``."""

    dataset: Literal["digit_scenes", "stardist_nuclei", "mni152"] = "digit_scenes"
    """Scenes of digits, or real images that ship in packages."""
    task: Literal["foreground", "segmentation"] | None = None
    """Of the scenes: digit or background (default), or which digit, which 200 steps do not teach this network."""
    image_size: int | None = 48
    """Side of the scenes."""
    num_pool: int | None = 300
    """Images of the pool."""
    num_test: int | None = 100
    """Images of the test set."""
    grid: tuple[int, int] = (4, 4)
    """Regions along height and width."""
    strategies: tuple[str, ...] = STRATEGIES
    """Which rules to compare; the first is the baseline."""
    aggregate: str = "mean"
    """How the scores of a region's positions are summed up."""
    num_seeds: int = 5
    """Paired runs of each strategy."""
    num_initial: int = 48
    """Regions labelled at the start."""
    num_rounds: int = 4
    """Models fitted, and batches asked for."""
    batch_size: int = 48
    """Regions asked for in a round."""
    num_steps: int = 200
    """Optimiser steps a round."""
    num_samples: int = 10
    """Dropout masks."""
    tiny: bool = False
    """A few small images, two rounds and two seeds: shows in a minute that everything runs, and nothing else."""
    output: Path = Path("results/segmentation")
    """Folder for tables, curves and the page of maps."""


def main(study: Study) -> None:
    """Run the grid, write tables, curves and the page of maps."""
    settings = image_settings(
        study,
        dataset=study.dataset,
        task=study.task or ("foreground" if study.dataset == "digit_scenes" else "segmentation"),
        image_size=study.image_size if study.dataset == "digit_scenes" else None,
        grid=study.grid,
        aggregate=study.aggregate,
        dropout_rate=0.2,
        minibatch_size=16,
        num_samples=study.num_samples,
    )
    if study.tiny:
        settings = settings.with_values(
            num_pool=16, num_test=8, hidden_sizes=(4, 8), strategies=study.strategies[:2], num_seeds=2,
            num_initial=16, num_rounds=2, batch_size=8, num_steps=4, num_samples=3,
        )  # fmt: skip
    tables = run_dense(settings, draw_page, SHOWN._replace(baseline=study.strategies[0]))
    show(*tables, f"Tables and pictures are in {study.output}")
