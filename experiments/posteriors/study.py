"""Every registered posterior on the same labels: one page of pictures and one table.

    python -m experiments.posteriors --output results/posteriors

Digits (without 8 and 9 among the labels), two moons, and a wave with a gap. A good posterior has low nll, joint_nll,
ece and rmse, and a high auroc: it is more uncertain about out-of-distribution points.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import pandas as pd
from rich.table import Table

from bal import metrics
from bal.information import mutual_information
from bal.posteriors import POSTERIORS, Posterior
from bal.studies import show, write_parquet
from bal.studies.sole_writer import sole_writer
from bal.studies.whole_file import whole_file
from bal.types import PyTree
from bal.validation import check_choice, check_count
from experiments.posteriors.pictures import draw_page
from experiments.posteriors.problems import Problem, build, problems

SHOWN = {
    "digits": ("nll", "joint_nll", "ece", "auroc", "seconds"),
    "two_moons": ("nll", "joint_nll", "ece", "auroc", "seconds"),
    "waves": ("nll", "joint_nll", "rmse", "auroc", "seconds"),
}


@dataclass(frozen=True)
class Settings:
    """Fit posteriors to the same labels and show what they believe."""

    posteriors: tuple[str, ...] = tuple(POSTERIORS)
    """Names in bal.posteriors.POSTERIORS."""
    num_samples: int = 100
    """Draws of each posterior; all where it has fewer."""
    num_steps: int | None = None
    """Optimiser steps of every method that takes them; its own default where left out."""
    seed: int = 0
    """Changes everything that is random."""
    output: Path = Path("results/posteriors")
    """Folder for posteriors.png, posteriors.csv and posteriors.parquet."""


class Fitted(NamedTuple):
    """A posterior with its draws, as a function of inputs."""

    posterior: Posterior
    state: PyTree
    draws: PyTree

    def predict(self, inputs: jax.Array) -> PyTree:
        return jax.jit(self.posterior.predict)(self.state, self.draws, inputs)

    def density(self, inputs: jax.Array) -> jax.Array | None:
        """Log-density of the features of each point; None if the posterior has none."""
        feature = self.posterior.features.get("log_density")
        return None if feature is None else jax.jit(feature)(self.state, inputs)[:, 0]


def main(settings: Settings) -> pd.DataFrame:
    """Fit, measure, write and print."""
    for name in settings.posteriors:
        check_choice("posterior", name, POSTERIORS)
    check_count("--num-samples", settings.num_samples)
    check_count("--seed", settings.seed, least=0)
    if settings.num_steps is not None:
        check_count("--num-steps", settings.num_steps)
    with sole_writer(settings.output):
        fitted, frame = _fit_all(settings)
        with whole_file(settings.output / "posteriors.csv") as partial:
            frame.to_csv(partial, index=False)
        write_parquet(frame, settings.output / "posteriors.parquet")
        draw_page(settings.posteriors, problems(), fitted, settings.output / "posteriors.png")
    show(_table(frame, settings.posteriors), f"Tables and picture are in {settings.output}")
    return frame


def _fit_all(settings: Settings) -> tuple[dict[tuple[str, str], Fitted], pd.DataFrame]:
    fitted: dict[tuple[str, str], Fitted] = {}
    rows = []
    for problem in problems().values():
        for name in settings.posteriors:
            overrides = {} if settings.num_steps is None else {"num_steps": settings.num_steps}
            posterior = build(name, problem, overrides)
            if posterior is None:
                continue
            belief, seconds = _fit(posterior, problem, settings)
            fitted[problem.name, name] = belief
            figures: dict[str, Any] = {**evaluate(belief, problem, jax.random.key(settings.seed)), "seconds": seconds}
            rows += [(problem.name, name, metric, float(value)) for metric, value in figures.items()]
            show(f"{problem.name} {name}: {seconds:.1f} s")
    return fitted, pd.DataFrame(rows, columns=["dataset", "posterior", "metric", "value"])


def epistemic(kind: str, predictions: PyTree) -> jax.Array:
    """Disagreement between the draws: BALD in nats for classes, the variance of the mean for real labels."""
    return predictions.mean.var(axis=0) if kind == "gaussian" else mutual_information(predictions)


def evaluate(belief: Fitted, problem: Problem, rng_key) -> dict[str, jax.Array]:
    """Metrics of the likelihood, joint negative log-likelihood of dyadic sets of 10, AUROC of points from elsewhere."""
    likelihood, labels = belief.posterior.likelihood, problem.test_labels
    densities = [belief.density(inputs) for inputs in (problem.test_inputs, problem.far_inputs)]

    # One program: many small ones would take longer to compile than to fit.
    @jax.jit
    def figures(predictions, far_predictions, densities):
        tally = likelihood.tally(likelihood.reduce(predictions), labels, jnp.ones(labels.shape[0]))
        sets = metrics.dyadic_sets(rng_key, labels.shape[0], num_sets=1000)
        log_likelihoods = -jax.vmap(likelihood.nll, in_axes=(0, None))(predictions, labels)
        known, unknown = (
            epistemic(likelihood.predicts, each) if density is None else -density
            for each, density in zip((predictions, far_predictions), densities, strict=True)
        )
        joint = metrics.joint_nll(log_likelihoods, sets)
        return {**likelihood.figures(tally), "joint_nll": joint, "auroc": metrics.ood_auroc(known, unknown)}

    return figures(belief.predict(problem.test_inputs), belief.predict(problem.far_inputs), densities)


def _fit(posterior: Posterior, problem: Problem, settings: Settings) -> tuple[Fitted, float]:
    """The fitted posterior, and the seconds of a fit once it is compiled."""
    key_init, key_fit, key_sample = jax.random.split(jax.random.key(settings.seed), 3)
    most = posterior.max_samples
    num_samples = settings.num_samples if most is None else min(settings.num_samples, most)
    state = jax.jit(posterior.init)(key_init, problem.batch)
    fit = jax.jit(posterior.fit).lower(key_fit, state, problem.batch).compile()
    start = time.perf_counter()
    state, _ = jax.block_until_ready(fit(key_fit, state, problem.batch))
    seconds = time.perf_counter() - start
    return Fitted(posterior, state, posterior.sample(key_sample, state, num_samples)), seconds


def _table(frame: pd.DataFrame, names: tuple[str, ...]) -> Table:
    table = Table(
        title="Posteriors on the same labels",
        caption="lower is better, but for auroc (of points from elsewhere); joint_nll: nats of 10 points together",
    )
    table.add_column("posterior", no_wrap=True)
    for dataset, shown in SHOWN.items():
        for number, metric in enumerate(shown):
            table.add_column(f"{dataset}\n{metric}" if number == 0 else f"\n{metric}", justify="right", no_wrap=True)
    values = frame.set_index(["dataset", "posterior", "metric"])["value"].to_dict()
    for name in names:
        cells = []
        for dataset, shown in SHOWN.items():
            found = [values.get((dataset, name, metric)) for metric in shown]
            cells += ["-" if value is None else f"{value:.2f}" for value in found]
        table.add_row(name, *cells)
    return table
