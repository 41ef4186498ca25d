"""A published comparison run again, with its figures beside ours.

    python -m experiments.reproductions --paper gal_2017 --small --output results/gal_2017

The defaults are the protocol of the paper, as far as it is known; ``--small`` is a size for two cores, on digits that
need no download. What counts, fixed before any result. A published accuracy agrees where it lies within .02 of our mean
at the same number of labels, and differs where it lies further away and outside its 95 % interval; else it is open. A
claim of the paper holds where the 95 % interval of the
paired difference of the areas under the accuracy lies above 0, and is contradicted where it lies below; paired runs
share their seed, and so their initial sets. An interrupted run is continued by the same command.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.table import Table

from bal.studies import Settings, metrics_frame, plot_curves, save_picture, show, sole_writer, write_parquet
from bal.studies.grid import prepare_grid
from bal.validation import check_choice
from experiments.reproductions.paper import Paper
from experiments.reproductions.papers import PAPERS
from experiments.reproductions.results import beside_published, claim_sentences, counted, published_table

TINY = {
    "dataset": "digits",
    "network": "mlp",
    "hidden_sizes": (8,),
    "num_pool": 80,
    "num_test": 40,
    "num_validation": 0,
    "patience": None,
    "num_epochs": None,
    "num_steps": 5,
    "num_initial": 20,
    "num_rounds": 2,
    "batch_size": 2,
    "pool_subset_size": None,
    "max_automatic": 20,
    "num_seeds": 2,
    "seeds_at_once": 2,
}


@dataclass(frozen=True)
class Study:
    """Which paper to run again, and at what size."""

    paper: str = "gal_2017"
    """gal_2017, wang_2017 (CEAL), beluch_2018 (ensembles), stochastic_2021 (PowerBALD) or epig_2023."""
    variants: tuple[str, ...] = ()
    """What the paper compares beside strategies; by default everything."""
    num_seeds: int | None = None
    """Paired runs of each strategy; by default as many as the paper has."""
    num_rounds: int | None = None
    """Models fitted, and batches asked for; by default as many as the paper has."""
    small: bool = False
    """A size for two cores, on digits that need no download."""
    tiny: bool = False
    """Try it: two rounds of a few steps with a few points."""
    output: Path = Path("results/reproduction")
    """Folder for tables and pictures; a second run continues what it holds."""


def main(study: Study) -> None:
    """Run what is missing, write metrics and pictures, print figures beside the published ones and what holds."""
    check_choice("--paper", study.paper, PAPERS)
    paper = PAPERS[study.paper]
    for name in study.variants:
        check_choice("--variants", name, paper.variants)
    # Every mistake is found before anything is written.
    grids = {name: settings_of(study, name) for name in study.variants or paper.variants}
    runs = {name: prepare_grid(settings) for name, settings in grids.items()}
    with sole_writer(study.output):
        frames: list[pd.DataFrame] = []
        for name, settings in grids.items():
            show(f"{name}: {len(frames) + 1} of {len(grids)}")
            frames.append(metrics_frame(settings, runs[name]()).assign(variant=name))
        write_parquet(pd.concat(frames, ignore_index=True), study.output / "metrics.parquet")
        found = write_results(study.output, paper)
    show(*found, f"Metrics and pictures are in {study.output}")


def write_results(folder: Path, paper: Paper) -> list[Table | str]:
    """Draw the curves of each variant; returns the figures beside the published ones and which claims hold."""
    metrics = pd.read_parquet(folder / "metrics.parquet")
    for name, part in metrics.groupby("variant", sort=False):
        title = f"{paper.title.partition(':')[0]}, {name}"
        save_picture(plot_curves(part, title=title), folder / f"{_folder(str(name))}.png")
    found = beside_published(metrics, paper)
    beside: list[Table | str] = [published_table(found), counted(found)] if found else []
    return [paper.title, *beside, *claim_sentences(metrics, paper), paper.deviations]


def settings_of(study: Study, variant: str) -> Settings:
    """The protocol with one variant."""
    paper = PAPERS[study.paper]
    settings = Settings().with_values(**paper.protocol).with_values(**(paper.small if study.small else {}))
    settings = settings.with_values(**paper.variants[variant], output=study.output / _folder(variant))
    sizes = {"num_seeds": study.num_seeds, "num_rounds": study.num_rounds}
    settings = settings.with_values(**{name: size for name, size in sizes.items() if size is not None})
    return settings.with_values(**TINY) if study.tiny else settings


def _folder(variant: str) -> str:
    return variant.lower().replace(" ", "_")
