"""Tables and pictures of the studies again, from what is kept in ``experiments/results``; nothing is run.

    python -m experiments.redraw --output results/redrawn
    python -m experiments.redraw --studies fashion tables

Every figure that ``experiments/README.md`` states of these studies is among what is printed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
from rich.table import Table

from bal.studies import show, sole_writer
from bal.studies.command import run_command
from bal.validation import check_choice
from experiments import dense
from experiments.batch_bald import study as batch_bald
from experiments.cdalbench import study as cdalbench
from experiments.depth import study as depth
from experiments.detection import study as detection
from experiments.fashion import results as of_fashion
from experiments.fashion import study as fashion
from experiments.noisy import study as noisy
from experiments.randomness import study as randomness
from experiments.rare import study as rare
from experiments.regression import study as regression
from experiments.reproductions import study as reproductions
from experiments.reproductions.papers import PAPERS
from experiments.segmentation import study as segmentation
from experiments.stopping import study as stopping
from experiments.tables.results import write_results as write_tables
from experiments.task_agnostic import study as task_agnostic
from experiments.testbed import study as testbed
from experiments.text import study as text

RESULTS = Path(__file__).parent / "results"
Shown = Sequence[Table | str]
# (folder of what is kept, folder for pictures) -> what to print
Redraw = Callable[[Path, Path], Shown]


def _of_metrics(write_results: Callable[[pd.DataFrame, Path], Shown]) -> Redraw:
    """Of a study whose results all follow from its metrics."""
    return lambda kept, folder: write_results(pd.read_parquet(kept / "metrics.parquet"), folder)


def _fashion(kept: Path, folder: Path) -> Shown:
    asked = pd.read_parquet(kept / "acquisitions.parquet")
    shown: list[Table | str] = [of_fashion.classes_table(asked)]
    for path in sorted(kept.glob("to_*.parquet")):
        shown += [path.stem, *fashion.write_results(pd.read_parquet(path), folder, path.stem)]
    return shown


def _noisy(kept: Path, folder: Path) -> Shown:
    return noisy.write_results(
        pd.read_parquet(kept / "metrics.parquet"), pd.read_parquet(kept / "oracle.parquet"), folder
    )


def _stopping(kept: Path, folder: Path) -> Shown:
    return stopping.write_results(
        pd.read_parquet(kept / "metrics.parquet"), pd.read_parquet(kept / "stops.parquet"), folder
    )


def _tables(metrics: pd.DataFrame, folder: Path) -> Shown:
    return [line for each in write_tables(metrics, folder, "random") for line in each.sentences]


STUDIES: dict[str, Redraw] = {
    "batch_bald": _of_metrics(batch_bald.write_results),
    **{name: _of_metrics(partial(reproductions.write_results, paper=paper)) for name, paper in PAPERS.items()},
    "cdalbench": _of_metrics(cdalbench.write_results),
    **{
        name: _of_metrics(partial(dense.write_results, figures=study.FIGURES))
        for name, study in {"depth": depth, "detection": detection, "segmentation": segmentation}.items()
    },
    "fashion": _fashion,
    "noisy": _noisy,
    "randomness": _of_metrics(randomness.write_results),
    "rare": _of_metrics(lambda metrics, folder: rare.write_results(metrics, "average_precision", folder)),
    "regression": lambda kept, folder: regression.write_results(pd.read_parquet(kept / "log_errors.parquet"), folder),
    "stopping": _stopping,
    **dict.fromkeys(("tables", "numbers", "ceiling"), _of_metrics(_tables)),
    "task_agnostic": _of_metrics(task_agnostic.write_results),
    "testbed": lambda kept, _: testbed.results(pd.read_parquet(kept / "divergences.parquet")),
    "text": _of_metrics(text.write_results),
}


@dataclass(frozen=True)
class Redrawn:
    """What to draw, and where."""

    studies: tuple[str, ...] = tuple(STUDIES)
    """Folders of experiments/results; by default all."""
    output: Path = Path("results/redrawn")
    """A folder for each study is made in it."""


def main(redrawn: Redrawn) -> None:
    """Write the pictures of each study, print its tables."""
    for name in redrawn.studies:
        check_choice("--studies", name, STUDIES)
    with sole_writer(redrawn.output):
        for name in redrawn.studies:
            folder = redrawn.output / name
            folder.mkdir(exist_ok=True)
            show(name, *STUDIES[name](RESULTS / name, folder))
    show(f"Tables and pictures are in {redrawn.output}")


if __name__ == "__main__":
    run_command(main, Redrawn, __doc__)
