"""Where do differences between seeds come from, and how many runs does a comparison need?

    python -m experiments.randomness --output results/randomness

A run has a key for each source of randomness (``bal.Keys``). Here runs on digits have every combination of a few keys
of four sources: the points that are labelled at the start, the initial parameters of the network, the order of the data
and the dropout of the training, and the draws by which points are scored and ties are broken. An analysis of variance
with random effects says which share of the variance of the area under the accuracy each source has alone, and what they
do only together; so it does of the area less that of random points with the same keys.

No source is called important by a test: few keys give rough shares. What is said was fixed before any result: the
source with the largest share of each area, and the runs that show a difference of .01 and .02 in four of five studies
at 5 %, with pairs of the same keys and without.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from rich.table import Table

import bal
from bal.studies import compiler_options, save_picture, show, sole_writer, write_parquet
from bal.types import Keys
from bal.validation import check_choice, check_count
from experiments.randomness.results import BASELINE, SOURCES, plot_shares, sentences, shares_table

# The keys of a run that each source is made of; what is left over is the same in all runs.
KEYS = {
    "initial": ("initial",),
    "network": ("network",),
    "batches": ("batches",),
    "draws": ("samples", "targets", "selection"),
}
BATCH_SIZE = 5
STRATEGIES = ("random", "margin", "bald", "badge")
CONTINUES = "the same command starts again with the strategies that are missing"


@dataclass(frozen=True)
class Study:
    """Which strategies, and how many keys."""

    strategies: tuple[str, ...] = ("random", "margin", "bald")
    """Of random (always run), margin, bald and badge."""
    num_keys: int = 4
    """Keys of each of the four sources; a strategy has as many runs as the fourth power of this."""
    num_rounds: int = 10
    """Models fitted, and batches of five asked for, from 20 labels on."""
    tiny: bool = False
    """Two keys, two rounds and a few steps: shows that everything runs, and nothing else."""
    output: Path = Path("results/randomness")
    """Folder for tables and the picture."""


def main(study: Study) -> None:
    """Run what is missing, write the table and the picture, print the shares."""
    for name in study.strategies:
        check_choice("--strategies", name, STRATEGIES)
    check_count("--num-keys", study.num_keys, least=2)
    check_count("--num-rounds", study.num_rounds, least=2)
    if study.tiny:
        study = Study(strategies=("margin",), num_keys=2, num_rounds=2, tiny=True, output=study.output)
    with sole_writer(study.output):
        frame = pd.concat(_run(study), ignore_index=True)
        write_parquet(frame, study.output / "metrics.parquet")
        found = write_results(study.output)
    show(*found, f"Tables and the picture are in {study.output}")


def write_results(folder: Path) -> list[Table | str]:
    """Draw the shares; returns their table and what follows from it."""
    frame = pd.read_parquet(folder / "metrics.parquet")
    save_picture(plot_shares(frame), folder / "shares.png")
    return [shares_table(frame), *sentences(frame)]


def keys_of(numbers: dict[str, int]) -> Keys:
    """The keys of a run, from the number of the key of each source."""
    keys = bal.split_keys(jax.random.key(0))
    chosen = {
        name: jax.random.fold_in(getattr(keys, name), numbers[source]) for source in KEYS for name in KEYS[source]
    }
    return keys._replace(**chosen)


def _run(study: Study) -> Iterator[pd.DataFrame]:
    dataset = bal.datasets.load("digits")
    combinations = [
        dict(zip(SOURCES, numbers, strict=True)) for numbers in product(range(study.num_keys), repeat=len(SOURCES))
    ]
    at_once = study.num_keys**2
    for name in dict.fromkeys((BASELINE, *study.strategies)):
        path = (
            study.output / "runs" / f"{name}_{study.num_keys}_{study.num_rounds}{'_tiny' if study.tiny else ''}.parquet"
        )
        if not path.exists():
            learner = _learner(study, name, at_once)
            runs = jax.vmap(lambda keys, learner=learner: bal.run(keys, learner, dataset)[1])
            program = jax.jit(runs, compiler_options=compiler_options())
            curves, labels = [], []
            for first in range(0, len(combinations), at_once):
                keys = jax.tree.map(lambda *each: jnp.stack(each), *map(keys_of, combinations[first : first + at_once]))
                info = jax.device_get(program(keys))
                curves += list(info.metrics["accuracy"])
                labels += list(info.num_labelled)
                show(f"{name}: {len(curves)} of {len(combinations)} runs, accuracy {np.mean(curves, axis=0)[-1]:.3f}")
            parts = [
                pd.DataFrame({"strategy": name, **numbers, "num_labelled": counts, "accuracy": curve})
                for numbers, counts, curve in zip(combinations, labels, curves, strict=True)
            ]
            path.parent.mkdir(exist_ok=True)
            write_parquet(pd.concat(parts, ignore_index=True), path)
        yield pd.read_parquet(path)


def _learner(study: Study, strategy: str, at_once: int) -> bal.ActiveLearner:
    sizes = ((16,), 10) if study.tiny else ((128, 128), 400)
    network = bal.networks.mlp(num_outputs=10, hidden_sizes=sizes[0], dropout_rate=0.5)
    posterior = bal.posteriors.mc_dropout(
        network, bal.likelihoods.categorical(), optax.adamw(2e-3), num_steps=sizes[1], minibatch_size=32
    )
    return bal.build(
        posterior,
        getattr(bal.strategies, strategy)(batch_size=BATCH_SIZE),
        num_samples=32,
        num_initial=20,
        num_rounds=study.num_rounds,
        runs_at_once=at_once,
    )
