"""Labels that are wrong in one of ten or one of five cases: what they cost, and what asking again recovers.

    python -m experiments.noisy --output results/noisy

A simulated oracle gives any other class with the probability of the noise, also at the start; the test set keeps its
labels. Each strategy is run as it is, and with relabelling: up to three of the ten labels of a batch are spent on
labels that look wrong, because the model gives another class a probability of at least .5, and the second answer, as
noisy as the first, replaces the first. Curves are against labels paid for, so a label that is asked for again costs a
new one. The answers about a point are the same for all strategies of a seed.

The rule, fixed before any result: relabelling helps at a noise if the 95 % interval of the mean difference of areas
under the accuracy curves, paired by seed, lies above 0; it hurts if it lies below. What it recovers is that difference
as a share of what the noise costs, the mean area without noise less that with it, and is given only where the interval
of that cost lies above 0. Without noise the difference is the price of doubting right labels. The intervals are those
of single comparisons.

``--tiny`` tries the study in a minute. An interrupted run is continued by the same command.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.table import Table

from bal.studies import (
    Settings,
    metrics_frame,
    oracle_frame,
    plot_curves,
    prepare_grid,
    save_picture,
    show,
    sole_writer,
    write_parquet,
)
from bal.validation import check_probability
from experiments.noisy.results import WAYS, differences, labels_table, sentences, table_of

MOST = 3  # labels of a batch that may be asked for again


@dataclass(frozen=True)
class Study:
    """The settings that matter; the others are those of ``bal compare``."""

    dataset: str = "digits"
    """A classification set of `bal list datasets`."""
    strategies: tuple[str, ...] = ("random", "margin")
    """Names of `bal list strategies`; each is run with and without relabelling."""
    noises: tuple[float, ...] = (0.1, 0.2)
    """Shares of wrong labels; without noise is always run."""
    certainty: float = 0.5
    """Probability of another class from which on a label looks wrong."""
    num_seeds: int = 10
    """Paired runs of each."""
    num_rounds: int = 20
    """Models fitted, and batches of ten asked for, after twenty labels at the start."""
    tiny: bool = False
    """Two seeds, three rounds and a few steps: shows that it runs, and nothing else."""
    output: Path = Path("results/noisy")
    """Folder for tables and pictures; the same command continues them."""


def main(study: Study) -> None:
    """Run what is missing, write tables and a picture for each noise, print what was found."""
    for noise in study.noises:
        check_probability(noises=noise)
    small = {"num_steps": 20, "num_samples": 4, "hidden_sizes": (16,), "num_pool": 200} if study.tiny else {}
    num_seeds, num_rounds = (2, 3) if study.tiny else (study.num_seeds, study.num_rounds)
    grids = {}
    for noise in dict.fromkeys((0.0, *study.noises)):
        for way, most in zip(WAYS, (0, MOST), strict=True):
            settings = Settings().with_values(
                dataset=study.dataset,
                strategies=study.strategies,
                num_seeds=num_seeds,
                seeds_at_once=num_seeds,
                num_initial=20,
                num_rounds=num_rounds,
                batch_size=10,
                label_noise=noise,
                relabel=most,
                relabel_certainty=study.certainty,
                output=study.output / f"{noise:g}" / way.replace(" ", "_"),
                **small,
            )
            grids[noise, way] = (settings, prepare_grid(settings))
    with sole_writer(study.output):
        metrics, oracles = [], []
        for (noise, way), (settings, run) in grids.items():
            units = run()
            metrics.append(metrics_frame(settings, units).assign(noise=noise, way=way))
            if noise or way != WAYS[0]:  # else the labels are those of the pool
                oracles.append(oracle_frame(settings, units).assign(noise=noise, way=way))
        frame, asked = pd.concat(metrics, ignore_index=True), pd.concat(oracles, ignore_index=True)
        write_parquet(frame, study.output / "metrics.parquet")
        write_parquet(asked, study.output / "oracle.parquet")
        found = write_results(study.output)
    show(*found, f"Tables and pictures are in {study.output}")


def write_results(folder: Path) -> list[Table | str]:
    """Draw the curves at each noise; returns the tables and what the rule says."""
    metrics, asked = (pd.read_parquet(folder / f"{name}.parquet") for name in ("metrics", "oracle"))
    for noise, part in metrics.groupby("noise", sort=False):
        named = part.assign(strategy=part["strategy"] + ", " + part["way"])
        save_picture(plot_curves(named), folder / f"learning_curves_{noise:g}.png")
    found = differences(metrics)
    return [table_of(found), labels_table(asked), *sentences(found)]
