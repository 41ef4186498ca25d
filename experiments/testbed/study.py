"""The Neural Testbed: how good are the joint predictions of posteriors, against the network that made the labels?

    python -m experiments.testbed --output results/testbed

Problems of Osband et al. 2022 (arXiv:2110.04629) at a size for two cores: labels of two classes from a random network
with two hidden layers of 50 units, at three temperatures, in 2 and 10 dimensions, with 1, 10 and 100 labelled points a
dimension (there also 100 dimensions, and 1,000 points). Every model has a network of that size, a thousand steps of
Adam (mean field four thousand, SGHMC as many of its own) and, where it has no prior of its own, the weight decay of the
testbed; nothing is tuned, as the paper does. The figure is the Kullback-Leibler divergence from the true labels to the
predicted ones, of single points (marginal) and of ten labels of two points (joint), averaged over the problems of a
seed, beside that of one network without uncertainty. Mean field with other priors was added when the rest was known.

**Fixed before any result was seen:** a model is better (worse) than one network, in marginal or in joint predictions,
where the 95 % interval over seeds of the mean logarithm of the ratio lies below (above) 0. The paper's claim, that some
Bayesian methods have good marginal and poor joint predictions, is supported by a model whose marginal predictions are
better and whose joint ones are not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from rich.table import Table

from bal.studies import compiler_options, show, sole_writer, write_parquet
from bal.studies.statistics import mean_and_interval
from bal.validation import check_choice, check_count
from experiments.testbed.models import MODELS, build
from experiments.testbed.problem import divergences, draw

BASELINE = "mlp"
KINDS = ("marginal", "joint")
CONTINUES = "the same command starts again with the seeds that are missing"


@dataclass(frozen=True)
class Study:
    """Which models on which problems."""

    models: tuple[str, ...] = tuple(MODELS)
    """mlp (one network, always run), ensemble, dropout, epinet, laplace, mean_field, the same with a narrower prior
    (mean_field_narrow), with the full weight of the divergence from it (mean_field_full_kl) and with both
    (mean_field_narrow_full_kl), swag, sghmc."""
    num_inputs: tuple[int, ...] = (2, 10)
    """Dimensions of the inputs."""
    ratios: tuple[int, ...] = (1, 10, 100)
    """Labelled points for each dimension."""
    temperatures: tuple[float, ...] = (0.01, 0.1, 0.5)
    """Noise of the labels: almost none, some, much."""
    num_seeds: int = 10
    """Networks that make labels, for each combination."""
    num_samples: int = 100
    """Draws of each posterior; all where it has fewer."""
    num_steps: int = 1000
    """Gradient steps."""
    num_sets: int = 1000
    """Test sets of ten labels."""
    tiny: bool = False
    """Two models, two seeds and a few steps: shows that everything runs, and nothing else."""
    output: Path = Path("results/testbed")
    """Folder for the tables."""


def main(study: Study) -> None:
    """Run what is missing, write the tables, print each model beside one network."""
    if study.tiny:
        study = Study(("dropout",), (2,), (1, 10), (0.1,), 2, 5, 10, 20, output=study.output)
    for name in study.models:
        check_choice("--models", name, MODELS)
    for setting in ("num_samples", "num_steps", "num_sets"):
        check_count(f"--{setting.replace('_', '-')}", getattr(study, setting))
    check_count("--num-seeds", study.num_seeds, least=2)
    with sole_writer(study.output):
        frame = pd.concat(_run(study), ignore_index=True)
        write_parquet(frame, study.output / "divergences.parquet")
        found = write_results(study.output)
    show(*found, f"The table of all problems is {study.output}/divergences.parquet")


def write_results(folder: Path) -> list[Table | str]:
    """The table of ratios, and what the rule says of each model; there is no picture."""
    frame = pd.read_parquet(folder / "divergences.parquet")
    return [ratios_table(frame), *sentences(frame)]


def ratios(frame: pd.DataFrame) -> pd.DataFrame:
    """Each model's mean divergence of a seed by that of one network: log ratios, their mean and half interval.

    Args:
      frame: columns model, seed, marginal and joint, one row a problem.

    Returns:
      Rows by model and kind, with columns ``nats`` (the mean divergence), ``log_ratio`` and ``half``.
    """
    rows = []
    for kind in KINDS:
        by_seed = frame.pivot_table(index="seed", columns="model", values=kind, sort=False)
        for name in by_seed:
            log_ratio = np.log(by_seed[name].to_numpy() / by_seed[BASELINE].to_numpy())
            rows.append((name, kind, by_seed[name].mean(), *mean_and_interval(log_ratio)))
    return pd.DataFrame(rows, columns=["model", "kind", "nats", "log_ratio", "half"])


def ratios_table(frame: pd.DataFrame) -> Table:
    """Divergence in nats, and its ratio to that of one network with an interval."""
    found = ratios(frame).set_index(["model", "kind"])
    table = Table(
        title="Divergence from the true labels, in nats, and its ratio to that of one network; less is better"
    )
    for heading in ("model", *(text for kind in KINDS for text in (kind, "ratio (95 %)"))):
        table.add_column(heading, no_wrap=True)
    for name in dict.fromkeys(frame["model"]):
        cells = []
        for kind in KINDS:
            row = found.loc[(name, kind)]
            low, middle, high = np.exp(row["log_ratio"] + np.array([-1, 0, 1]) * row["half"])
            cells += [f"{row['nats']:.4f}", "" if name == BASELINE else f"{middle:.2f} ({low:.2f} to {high:.2f})"]
        table.add_row(name, *cells)
    return table


def sentences(frame: pd.DataFrame) -> list[str]:
    """What the rule of the study says of each model."""
    lines = []
    for name, part in ratios(frame).groupby("model", sort=False):
        if name != BASELINE:
            said = {kind: _verdict(*of_kind) for kind, *of_kind in part[["kind", "log_ratio", "half"]].to_numpy()}
            line = f"{name}: marginal predictions {said['marginal']}, joint ones {said['joint']}"
            supports = said["marginal"] == "better" and said["joint"] != "better"
            lines.append(f"{line}: as the paper claims of some" if supports else line)
    return lines


def _verdict(log_ratio: float, half: float) -> str:
    return "better" if log_ratio + half < 0 else "worse" if log_ratio - half > 0 else "not shown to differ"


def _run(study: Study) -> Iterator[pd.DataFrame]:
    for name, num_inputs in product(dict.fromkeys((BASELINE, *study.models)), study.num_inputs):
        program = jax.jit(jax.vmap(_program(study, name, num_inputs)), compiler_options=compiler_options())
        cells = list(product(study.ratios, study.temperatures))
        num_train = jnp.array([ratio * num_inputs for ratio, _ in cells])
        temperatures = jnp.array([temperature for _, temperature in cells])
        for seed in range(study.num_seeds):
            asked = (name, num_inputs, cells, study.num_samples, study.num_steps, study.num_sets, seed)
            path = study.output / "cells" / f"{_file_name(asked)}.parquet"
            if not path.exists():
                # Models of a seed see the same problems.
                keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), num_inputs), len(cells))
                found = jax.device_get(program(keys, num_train, temperatures))
                if not all(np.isfinite(values).all() for values in found.values()):
                    raise FloatingPointError(
                        f"a divergence is not finite: {name}, seed {seed}, {num_inputs} dimensions"
                    )
                columns = {"model": name, "num_inputs": num_inputs, "seed": seed, "num_train": num_train}
                path.parent.mkdir(exist_ok=True)
                write_parquet(pd.DataFrame({**columns, "temperature": temperatures, **found}), path)
                show(f"{name}, {num_inputs} dimensions, seed {seed}: joint {found['joint'].mean():.3f} nats")
            yield pd.read_parquet(path)


def _program(study: Study, name: str, num_inputs: int) -> Any:
    """(key, labelled points, temperature) -> divergences of a fresh problem."""

    def run(rng_key: jax.Array, num_train: jax.Array, temperature: jax.Array) -> dict[str, jax.Array]:
        key_problem, key_init, key_fit, key_sample = jax.random.split(rng_key, 4)
        most = max(study.ratios) * num_inputs
        sizes = {"num_inputs": num_inputs, "most_train": most, "num_sets": study.num_sets}
        problem = draw(key_problem, num_train, temperature, **sizes)
        posterior = build(name, temperature, num_inputs=num_inputs, num_steps=study.num_steps)
        state, _ = posterior.fit(key_fit, posterior.init(key_init, problem.batch), problem.batch)
        num_samples = min(study.num_samples, posterior.max_samples or study.num_samples)
        draws = posterior.sample(key_sample, state, num_samples)
        log_probs = posterior.predict(state, draws, problem.inputs)
        return divergences(problem, -jax.vmap(posterior.likelihood.nll, in_axes=(0, None))(log_probs, problem.labels))

    return run


def _file_name(asked: tuple) -> str:
    name, num_inputs, cells, *sizes, seed = asked
    problems = "_".join(f"{ratio}x{temperature}" for ratio, temperature in cells)
    return f"{name}_{num_inputs}_{problems}_{'_'.join(map(str, sizes))}_{seed}"
