"""Rules that need to know nothing about the task: do they beat random on each of five tasks?

    python -m experiments.task_agnostic --output results/task_agnostic

Random, k-center on embeddings, learning loss, and the disagreement of an ensemble choose what to label for
classification, regression, segmentation, depth and detection. What is compared is the area under the curve of each
task's own metric. One posterior judges all rules of a task: the mean of an ensemble of three networks, because it is
also the model whose embeddings and whose disagreement the rules use; for learning loss it is fitted beside the network
that predicts its loss. Initial sets and keys are the same for all rules, so models differ by their labels only. The
rule, fixed before any result: a rule is better than random on a task if the 95 % interval of the paired difference lies
above 0, and worse if it lies below; by chance one interval in twenty would not hold 0. An interrupted run is continued.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.table import Table

from bal.studies import metrics_frame, plot_curves, prepare_grid, save_picture, show, sole_writer, write_parquet
from bal.validation import check_choice
from experiments.task_agnostic.problems import PROBLEMS, settings_of
from experiments.task_agnostic.results import BASELINE, gains, gains_table, plot_gains, sentences

RULES = (BASELINE, "k_center", "learning_loss", "disagreement")


@dataclass(frozen=True)
class Study:
    """The settings that matter; those of each task are in ``problems.py``."""

    tasks: tuple[str, ...] = ()
    """Of classification, regression, segmentation, depth and detection; by default all, in a trial the first."""
    rules: tuple[str, ...] = RULES
    """random first, and which of k_center, learning_loss and disagreement to compare with it."""
    num_seeds: int = 5
    """Paired runs of each rule."""
    num_members: int = 3
    """Networks of the ensemble that judges, and whose disagreement is a rule."""
    tiny: bool = False
    """One task, few points, small networks, two rounds and two seeds: shows that it runs, and nothing else."""
    output: Path = Path("results/task_agnostic")
    """Folder for tables and pictures."""


def main(study: Study) -> None:
    """Run what is missing, write tables and pictures, print the table and what the rule of the study says."""
    tasks = study.tasks or tuple(PROBLEMS)[: 1 if study.tiny else None]
    for task in tasks:
        check_choice("--tasks", task, PROBLEMS)
    for rule in study.rules:
        check_choice("--rules", rule, RULES)
    if study.rules[:1] != (BASELINE,) or len(study.rules) < 2:
        raise ValueError(f"expected {BASELINE} first and others after it as --rules, got {' '.join(study.rules)}")
    num_seeds, num_members = (2, 2) if study.tiny else (study.num_seeds, study.num_members)
    # Every mistake is found before anything is written.
    grids = {
        task: [
            (settings, prepare_grid(settings))
            for settings in settings_of(
                PROBLEMS[task], rules=study.rules, tiny=study.tiny, num_seeds=num_seeds, num_members=num_members,
                output=study.output / task,
            )
        ]
        for task in tasks
    }  # fmt: skip
    with sole_writer(study.output):
        metrics = pd.concat(
            [
                metrics_frame(settings, run()).assign(task=task, posterior="deep_ensemble")
                for task, of_task in grids.items()
                for settings, run in of_task
            ],
            ignore_index=True,
        )
        named = {PROBLEMS[task].disagreement: "disagreement" for task in tasks}
        metrics["strategy"] = metrics["strategy"].replace(named)
        metrics["dataset"] = metrics["dataset"].str.rpartition(":")[2]
        write_parquet(metrics, study.output / "metrics.parquet")
        found = write_results(study.output)
    show(*found, f"Tables and pictures are in {study.output}")


def write_results(folder: Path) -> list[Table | str]:
    """Write the gains, draw them and the curves of each task; returns their table and what the rule says."""
    metrics = pd.read_parquet(folder / "metrics.parquet")
    figures = {str(task): PROBLEMS[task].metric for task in metrics["task"].unique()}
    found = gains(metrics, figures)
    write_parquet(found, folder / "gains.parquet")
    save_picture(plot_gains(found, figures), folder / "gains.png")
    for task, metric in figures.items():
        curve = plot_curves(metrics[metrics["task"] == task], metric, title=f"{task}, mean of an ensemble")
        save_picture(curve, folder / f"curves_{task}.png")
    return [gains_table(metrics, found, figures), *sentences(found)]
