"""Stopping criteria: how many labels would each have saved, and how much accuracy would that have cost?

    python -m experiments.stopping --output results/stopping

Runs go on to their end, and watch the six criteria of ``bal.stop_rounds`` on random points of the pool, at most 500.
Afterwards each criterion says where it would have stopped. Labels saved are those beyond the model that it would have
kept, as a share of the labels of the last model; accuracy lost is that of the last model on the test set less that of
the model kept. A run that is not stopped saves and loses nothing.

Thresholds, fixed before any result (``bal.studies.stopping``): those of the papers for the agreement of successive
models (.99, mean of three rounds) and for the predicted change of F (.05 for three rounds, for its bound too); mean
entropy below .1 nats; information of a label below .02 nats; lower end of the predicted accuracy at least .95.

The rule, fixed before any result: on a data set and with a strategy a criterion is safe if the 95 % interval of the
mean accuracy lost lies below .01, and useful if it is safe and the interval of the mean share of labels saved lies
above 0. The intervals are those of single comparisons over paired seeds. How much can be saved depends on the number
of labels at the end: criteria are to be compared on one data set, not one criterion over data sets.

``--tiny`` tries the study in a minute. An interrupted run is continued by the same command.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

from bal.studies import (
    Settings,
    metrics_frame,
    plot_curves,
    prepare_grid,
    save_picture,
    show,
    sole_writer,
    stopping_frame,
    stops,
    write_parquet,
)
from bal.validation import check_choice
from experiments.stopping.results import METRIC, plot_stops, sentences, shares, table_of

# Labels at the start, in a batch, and rounds; points on which models are compared.
PROBLEMS: dict[str, dict[str, Any]] = {
    "digits": {"num_initial": 20, "batch_size": 10, "num_rounds": 40, "stop_set_size": 500},
    "mnist_5k": {"num_initial": 20, "batch_size": 20, "num_rounds": 40, "stop_set_size": 500},
    "breast_cancer": {"num_initial": 10, "batch_size": 5, "num_rounds": 40, "stop_set_size": 398},
    "wine": {"num_initial": 6, "batch_size": 2, "num_rounds": 40, "stop_set_size": 125},
}


@dataclass(frozen=True)
class Study:
    """The settings that matter; the others are those of ``bal compare``."""

    datasets: tuple[str, ...] = tuple(PROBLEMS)
    """Of digits, mnist_5k, breast_cancer and wine; in a trial the first."""
    strategies: tuple[str, ...] = ("random", "margin")
    """Names of `bal list strategies`."""
    num_seeds: int = 5
    """Paired runs of each."""
    tiny: bool = False
    """One data set, few points, two seeds, five rounds: shows that it runs, and nothing else."""
    output: Path = Path("results/stopping")
    """Folder for tables and pictures; the same command continues them."""


def main(study: Study) -> None:
    """Run what is missing, write tables and a picture, print what was found."""
    for name in study.datasets:
        check_choice("--datasets", name, PROBLEMS)
    grids = {name: settings_of(study, name) for name in study.datasets[: 1 if study.tiny else None]}
    runs = {name: prepare_grid(settings) for name, settings in grids.items()}
    with sole_writer(study.output):
        metrics, numbers, found = [], [], []
        for name, settings in grids.items():
            units = runs[name]()
            metrics.append(metrics_frame(settings, units))
            numbers.append(stopping_frame(settings, units).assign(dataset=name))
            found.append(stops(numbers[-1], metrics[-1], METRIC).assign(dataset=name))
        write_parquet(pd.concat(metrics, ignore_index=True), study.output / "metrics.parquet")
        write_parquet(pd.concat(numbers, ignore_index=True), study.output / "stopping.parquet")
        write_parquet(shares(pd.concat(found, ignore_index=True)), study.output / "stops.parquet")
        shown = write_results(study.output)
    show(*shown, f"Tables and pictures are in {study.output}")


def write_results(folder: Path) -> list[Table | str]:
    """Draw the curves and the stops; returns a table for each data set and what the rule says."""
    metrics, found = (pd.read_parquet(folder / f"{name}.parquet") for name in ("metrics", "stops"))
    for name, part in metrics.groupby("dataset", sort=False):
        save_picture(plot_curves(part), folder / f"learning_curves_{name}.png")
    save_picture(plot_stops(found), folder / "stopping.png")
    tables = [table_of(part, str(name)) for name, part in found.groupby("dataset", sort=False)]
    return [*tables, *sentences(found)]


def settings_of(study: Study, name: str) -> Settings:
    """The grid of one data set."""
    small = {
        "num_pool": 100, "num_test": 100, "num_initial": 6, "batch_size": 4, "num_rounds": 5, "stop_set_size": 50,
        "num_steps": 20, "num_samples": 4, "hidden_sizes": (16,),
    }  # fmt: skip
    num_seeds = 2 if study.tiny else study.num_seeds
    common = Settings().with_values(
        dataset=name,
        strategies=study.strategies,
        num_seeds=num_seeds,
        seeds_at_once=num_seeds,
        output=study.output / name,
    )
    return common.with_values(**{**PROBLEMS[name], **(small if study.tiny else {})})
