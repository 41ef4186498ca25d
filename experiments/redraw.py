"""Redraws the pictures of the studies, and prints again what they found, from the results that are kept.

    python -m experiments.redraw --output results/redrawn
    python -m experiments.redraw --studies fashion tables

Nothing is run: ``experiments/results`` holds the metrics. ``experiments/README.md`` says what they show.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
from rich.table import Table

from bal.studies import plot_curves, save_picture, show, sole_writer, summary_table
from bal.studies.command import run_command
from bal.validation import check_choice
from experiments import dense
from experiments.autolabel import study as autolabel
from experiments.batch_bald import study as batch_bald
from experiments.cdalbench import study as cdalbench
from experiments.depth import study as depth
from experiments.detection import study as detection
from experiments.fashion import study as fashion
from experiments.learning_loss import study as learning_loss
from experiments.noisy import study as noisy
from experiments.randomness import study as randomness
from experiments.rare import study as rare
from experiments.redundancy import study as redundancy
from experiments.regression import study as regression
from experiments.reproductions import study as reproductions
from experiments.reproductions.papers import PAPERS
from experiments.segmentation import study as segmentation
from experiments.stopping import study as stopping
from experiments.tables import results as tables
from experiments.task_agnostic import study as task_agnostic
from experiments.testbed import study as testbed
from experiments.text import study as text

RESULTS = Path(__file__).parent / "results"


def write_demo(folder: Path) -> list[Table]:
    """Draw the curves of ``make demo``; returns the table that the first screen of the project shows."""
    metrics = pd.read_parquet(folder / "metrics.parquet")
    save_picture(plot_curves(metrics), folder / "learning_curves.png")
    return [summary_table(metrics, targets=(0.9,))]


# folder of results -> what to print, after pictures were written into it
WriteResults = Callable[[Path], Sequence[Table | str]]
PAPERS_AGAIN: dict[str, WriteResults] = {
    name: partial(reproductions.write_results, paper=paper) for name, paper in PAPERS.items()
}
STUDIES: dict[str, WriteResults] = {
    "autolabel": autolabel.write_results,
    "batch_bald": batch_bald.write_results,
    "calibration": tables.write_results,
    "cdalbench": cdalbench.write_results,
    "ceiling": tables.write_results,
    "demo": write_demo,
    "depth": partial(dense.write_results, shown=depth.SHOWN),
    "detection": partial(dense.write_results, shown=detection.SHOWN),
    "fashion": fashion.write_results,
    "fashion_ensemble": fashion.write_results,
    "fashion_to_300": fashion.write_results,
    "learning_loss": learning_loss.write_results,
    "noisy": noisy.write_results,
    "numbers": tables.write_results,
    "randomness": randomness.write_results,
    "rare": partial(rare.write_results, metric="average_precision"),
    "redundancy": redundancy.write_results,
    "regression": regression.write_results,
    "segmentation": partial(dense.write_results, shown=segmentation.SHOWN),
    "stopping": stopping.write_results,
    "tables": tables.write_results,
    "task_agnostic": task_agnostic.write_results,
    "testbed": testbed.write_results,
    "text": partial(text.write_results, targets=text.Study.targets),
    **PAPERS_AGAIN,
}


@dataclass(frozen=True)
class Choice:
    """Which studies to redraw, and where."""

    studies: tuple[str, ...] = tuple(STUDIES)
    """Folders of experiments/results; by default all."""
    output: Path = Path("results/redrawn")
    """The folder of each study is copied into it, and its pictures are added."""


def main(choice: Choice) -> None:
    """Redraw the pictures of each study, print what it found."""
    for name in choice.studies:
        check_choice("--studies", name, STUDIES)
        for kept in (RESULTS / name).iterdir():
            there = choice.output / name / kept.name
            if there.exists() and there.read_bytes() != kept.read_bytes():
                raise ValueError(f"expected --output to hold no other results, got {there}: choose another folder")
    with sole_writer(choice.output):
        for name in choice.studies:
            folder = choice.output / name
            shutil.copytree(RESULTS / name, folder, dirs_exist_ok=True)
            show(name, *STUDIES[name](folder))
    show(f"Metrics and pictures are in {choice.output}")


if __name__ == "__main__":
    run_command(main, Choice, __doc__)
