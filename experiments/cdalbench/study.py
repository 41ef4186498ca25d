"""CDALBench's two generated sets: do our strategies stand where the published ones stand?

    python -m experiments.cdalbench --output results/cdalbench

The protocol of Werner et al. 2024 (arXiv:2408.00426) as the paper describes it: sets drawn anew for each of fifty
runs, one label of each class at the start, 60 more one by one, a small network trained from scratch and stopped early
on a fifth of the training points, and the area under the accuracy curve, divided by the range of label counts. BALD has
dropout, the others have one network. What is not theirs: the optimiser is Adam (there NAdam), and stops after two
evaluations without improvement, of which there is one in 50 steps. Their greedy oracle, which tries points with their
labels, is not run: published .957 on diverging sine and .783 on three clusters.

The authors' code differs from the paper: where it means to reset the network it loads the present weights, so training
goes on from round to round, and each network has one hidden layer more than its configuration says.
``--follow code`` does both. Configurations of their repository have 60 to 400 labels; ``--num-labels`` sets them.

**Fixed before any result was seen:** a figure agrees with the published one if their difference is at most the sum of
the two standard errors times two. The order agrees on a set if Spearman's rank correlation of our and the published
mean areas over strategies is above .643, which of eight random orders one in twenty exceeds.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from rich.table import Table

from bal.studies import Settings, curves, plot_curves, save_picture, show, sole_writer, write_parquet
from bal.studies.statistics import areas
from bal.validation import check_choice, check_count
from experiments.cdalbench.data import PROBLEMS, drawn
from experiments.tables.programs import Programs, tidy

# Mean and standard deviation of the area over fifty runs, from results/auc_qs1.csv of the authors' repository.
PUBLISHED = {
    "diverging_sine": {
        "random": (0.933, 0.017), "margin": (0.941, 0.018), "least_confidence": (0.940, 0.016),
        "max_entropy": (0.942, 0.017), "bald": (0.928, 0.014), "badge": (0.941, 0.017), "k_center": (0.937, 0.014),
        "typiclust": (0.934, 0.018),
    },
    "three_clusters": {
        "random": (0.721, 0.036), "margin": (0.704, 0.074), "least_confidence": (0.692, 0.094),
        "max_entropy": (0.696, 0.083), "bald": (0.698, 0.043), "badge": (0.690, 0.083), "k_center": (0.730, 0.031),
        "typiclust": (0.727, 0.033),
    },
}  # fmt: skip
PUBLISHED_RUNS = 50
AGREE = 0.643
SEEDS_AT_ONCE = 10
CONTINUES = "the same command starts again with the strategies that are missing"


@dataclass(frozen=True)
class Study:
    """The settings that matter; the others follow from the protocol."""

    sets: tuple[str, ...] = tuple(PROBLEMS)
    """three_clusters, diverging_sine."""
    strategies: tuple[str, ...] = tuple(PUBLISHED["three_clusters"])
    """Those with a published figure."""
    num_seeds: int = 50
    """Paired runs of each strategy, in groups of ten."""
    follow: Literal["paper", "code"] = "paper"
    """Networks that are trained from scratch in each round, or those of the authors' code, which never are."""
    num_labels: int = 60
    """Labels asked for, one by one."""
    tiny: bool = False
    """One set, two strategies, few labels and steps: shows that it runs, and nothing else."""
    output: Path = Path("results/cdalbench")
    """Folder for tables and pictures."""


def main(study: Study) -> None:
    """Run what is missing, write tables and pictures, print our areas beside the published ones."""
    for name in study.sets:
        check_choice("--sets", name, PROBLEMS)
    for name in study.strategies:
        check_choice("--strategies", name, PUBLISHED["three_clusters"])
    check_count("--num-seeds", study.num_seeds, least=2)
    check_count("--num-labels", study.num_labels)
    if study.tiny:
        study = replace(study, sets=("three_clusters",), strategies=("random", "margin"), num_seeds=2, num_labels=3)
    with sole_writer(study.output):
        metrics = pd.concat(_run(study), ignore_index=True)
        write_parquet(metrics, study.output / "metrics.parquet")
        found = write_results(study.output)
    show(*found, f"Tables and pictures are in {study.output}")


def write_results(folder: Path) -> list[Table | str]:
    """Write the areas and draw the curves of each set; returns the table beside the published ones and what it says."""
    metrics = pd.read_parquet(folder / "metrics.parquet")
    compared = compare(metrics)
    write_parquet(compared, folder / "areas.parquet")
    for name, part in metrics.groupby("dataset", sort=False):
        save_picture(plot_curves(part.drop(columns="posterior"), "accuracy"), folder / f"{name}.png")
    return [areas_table(compared), *sentences(compared)]


def settings_of(study: Study, name: str, strategy: str) -> Settings:
    """Model and run of a strategy on a set."""
    hidden_sizes = PROBLEMS[name].hidden_sizes
    return Settings().with_values(
        posterior="mc_dropout" if strategy == "bald" else "point_estimate",
        hidden_sizes=hidden_sizes if study.follow == "paper" else (hidden_sizes[0], *hidden_sizes),
        refit="restart" if study.follow == "paper" else "warm_start",
        dropout_rate=0.1 if strategy == "bald" else 0.0,
        optimizer="adam",
        learning_rate=1e-3,
        num_steps=20 if study.tiny else 1000,
        patience=2,
        evaluate_every=10 if study.tiny else 50,
        num_initial=2,
        initial_set="balanced",
        batch_size=1,
        num_rounds=study.num_labels + 1,
        seeds_at_once=min(study.num_seeds, SEEDS_AT_ONCE),
    )


def compare(metrics: pd.DataFrame) -> pd.DataFrame:
    """Our mean area of each set and strategy, its standard deviation over runs, and the published ones."""
    rows = []
    for name, part in metrics.groupby("dataset", sort=False):
        for strategy, values in areas(curves(part, "accuracy")).items():
            ours = values.mean(), values.std(ddof=1), len(values)
            rows.append((name, strategy, *ours, *PUBLISHED[str(name)][str(strategy)]))
    columns = ["dataset", "strategy", "area", "deviation", "runs", "published", "published_deviation"]
    return pd.DataFrame(rows, columns=columns)


def agrees(compared: pd.DataFrame) -> pd.Series:
    """Whether our area and the published one are within two standard errors of each."""
    errors = compared["deviation"] / np.sqrt(compared["runs"])
    errors += compared["published_deviation"] / np.sqrt(PUBLISHED_RUNS)
    return (compared["area"] - compared["published"]).abs() <= 2 * errors


def areas_table(compared: pd.DataFrame) -> Table:
    """Ours beside the published areas, mean and standard deviation over runs."""
    table = Table(title="Area under the accuracy curve: mean and standard deviation over runs")
    for heading in ("set", "strategy", "ours", "published", "agrees"):
        table.add_column(heading, no_wrap=True)
    for row, is_alike in zip(compared.itertuples(), agrees(compared), strict=True):
        ours = f"{row.area:.3f} ± {row.deviation:.3f}"
        published = f"{row.published:.3f} ± {row.published_deviation:.3f}"
        table.add_row(str(row.dataset), str(row.strategy), ours, published, "yes" if is_alike else "no")
    return table


def sentences(compared: pd.DataFrame) -> list[str]:
    """What the rule of the study says of each set."""
    from scipy.stats import spearmanr

    lines = []
    for name, part in compared.groupby("dataset", sort=False):
        alike = int(agrees(part).sum())
        line = f"{name}: {alike} of {len(part)} areas agree"
        # The threshold is that of all eight.
        if len(part) == len(PUBLISHED[str(name)]):
            order = spearmanr(part["area"], part["published"]).statistic
            said = "agrees" if order > AGREE else "is not shown to agree"
            line += f"; the order {said} (rank correlation {order:.2f})"
        lines.append(line)
    return lines


def _run(study: Study):
    programs = Programs()
    for name in study.sets:
        for strategy in study.strategies:
            for first in range(0, study.num_seeds, SEEDS_AT_ONCE):
                settings = settings_of(study, name, strategy)
                seeds = list(range(first, min(first + SEEDS_AT_ONCE, study.num_seeds)))
                cell = f"{name}_{strategy}_{first}_{len(seeds)}_{settings.run.num_rounds}_{study.follow}"
                path = study.output / "cells" / f"{cell}.parquet"
                if not path.exists():
                    result = programs.run(settings, strategy, drawn(PROBLEMS[name], seeds), seeds)
                    path.parent.mkdir(exist_ok=True)
                    kept = result._replace(metrics={"accuracy": result.metrics["accuracy"]})
                    names = {"dataset": name, "posterior": settings.model.posterior, "strategy": strategy}
                    write_parquet(tidy(kept, seeds, **names), path)
                    show(f"{name}, {strategy}, seeds from {first}: {result.metrics['accuracy'].mean():.3f}")
                yield pd.read_parquet(path)
