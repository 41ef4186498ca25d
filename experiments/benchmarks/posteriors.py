"""Fitting posteriors: an ensemble beside PyTorch, Laplace beside laplace-torch, variational beside deterministic steps.

python -m experiments.benchmarks.posteriors --output results/bench.json
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
import tyro
from sklearn.datasets import load_digits
from torch import nn

import bal
from bal.types import Batch
from experiments.benchmarks._timing import interleaved, report

NUM_MEMBERS, NUM_STEPS, MINIBATCH = 10, 400, 32
NUM_POINTS, NUM_FEATURES, NUM_CLASSES, NUM_SAMPLES = 10_000, 128, 10, 100


@dataclass(frozen=True)
class Settings:
    """Fits of posteriors, timed beside their peers."""

    output: Path | None = None
    """JSON file to which the figures are appended."""
    repetitions: int = 5
    """Interleaved repetitions."""
    only: str | None = None
    """One of "ensemble", "laplace", "mean_field"; all where it is left out."""


def torch_mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))


def compiled_fit(posterior: bal.posteriors.Posterior, batch: Batch) -> Callable[[], object]:
    rng_key = jax.random.key(0)
    state = posterior.init(rng_key, batch)
    fit = jax.jit(posterior.fit)
    return lambda: jax.block_until_ready(fit(rng_key, state, batch))


def digits() -> tuple[np.ndarray, np.ndarray]:
    inputs, labels = load_digits(return_X_y=True)
    return (inputs / 16).astype(np.float32), labels.astype(np.int32)


def ensemble(settings: Settings) -> None:
    """Ten networks in one program, against ten PyTorch runs one after the other."""
    inputs, labels = digits()
    posterior = bal.posteriors.deep_ensemble(
        bal.networks.mlp(num_outputs=10),
        bal.likelihoods.categorical(),
        optax.adamw(1e-3),
        num_members=NUM_MEMBERS,
        num_steps=NUM_STEPS,
        minibatch_size=MINIBATCH,
    )
    batch = Batch(jnp.asarray(inputs), jnp.asarray(labels), jnp.ones(len(labels)))
    images, classes = torch.from_numpy(inputs), torch.from_numpy(labels.astype(np.int64))

    def torch_runs():
        for _ in range(NUM_MEMBERS):
            network = torch_mlp()
            optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
            rows = torch.randint(0, len(labels), (NUM_STEPS, MINIBATCH))
            for row in rows:
                optimizer.zero_grad()
                nn.functional.cross_entropy(network(images[row]), classes[row]).backward()
                optimizer.step()

    times = interleaved({"PyTorch": torch_runs, "bal": compiled_fit(posterior, batch)}, settings.repetitions)
    report(
        "ensemble of 10 MLPs on digits", times, baseline="PyTorch", contender="bal", target=5, output=settings.output
    )


def laplace(settings: Settings) -> None:
    """Full last-layer Laplace: curvature, prior precision, and 100 draws predicted at the 10,000 points."""
    from laplace import Laplace

    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(NUM_POINTS, NUM_FEATURES)).astype(np.float32)
    labels = rng.integers(0, NUM_CLASSES, NUM_POINTS).astype(np.int32)
    # The mean is given: training is the same for both, and the step that bal always takes has a rate of 0.
    posterior = bal.posteriors.laplace(
        bal.networks.mlp(num_outputs=NUM_CLASSES, hidden_sizes=(NUM_FEATURES,)),
        bal.likelihoods.categorical(),
        optax.sgd(0.0),
        num_steps=1,
        minibatch_size=1,
    )
    batch = Batch(jnp.asarray(inputs), jnp.asarray(labels), jnp.ones(NUM_POINTS))
    rng_key = jax.random.key(0)
    state = posterior.init(rng_key, batch)

    @jax.jit
    def fit_and_predict(state):
        fitted, _ = posterior.fit(rng_key, state, batch)

        def predictive(chunk):
            return posterior.likelihood.reduce(posterior.predict(fitted, draws, chunk))

        draws = posterior.sample(rng_key, fitted, NUM_SAMPLES)
        return bal.stream(predictive, batch.inputs)

    network = nn.Sequential(nn.Linear(NUM_FEATURES, NUM_FEATURES), nn.ReLU(), nn.Linear(NUM_FEATURES, NUM_CLASSES))
    images, classes = torch.from_numpy(inputs), torch.from_numpy(labels.astype(np.int64))
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images, classes), batch_size=500)

    def torch_fit_and_predict():
        approximation = Laplace(network, "classification", subset_of_weights="last_layer", hessian_structure="full")
        approximation.fit(loader)
        approximation.optimize_prior_precision(method="marglik", pred_type="glm", n_steps=28)
        return torch.cat(
            [
                approximation(piece, pred_type="glm", link_approx="mc", n_samples=NUM_SAMPLES)
                for piece in images.split(500)
            ]
        )

    functions = {
        "laplace-torch": torch_fit_and_predict,
        "bal": lambda: jax.block_until_ready(fit_and_predict(state)),
    }
    times = interleaved(functions, settings.repetitions)
    report("last-layer Laplace", times, baseline="laplace-torch", contender="bal", target=3, output=settings.output)


def mean_field(settings: Settings) -> None:
    """Training steps of Gaussian weights, against those of weights."""
    inputs, labels = digits()
    batch = Batch(jnp.asarray(inputs), jnp.asarray(labels), jnp.ones(len(labels)))
    shared: bal.posteriors.TrainingSettings = {"num_steps": NUM_STEPS, "minibatch_size": MINIBATCH}
    likelihood, optimizer = bal.likelihoods.categorical(), optax.adamw(1e-3)
    functions = {
        "deterministic": compiled_fit(
            bal.posteriors.point_estimate(bal.networks.mlp(num_outputs=10), likelihood, optimizer, **shared), batch
        )
    }
    for estimator in ("local_reparameterisation", "flipout"):
        network = bal.networks.variational_mlp(num_outputs=10, estimator=estimator)
        functions[estimator] = compiled_fit(bal.posteriors.mean_field(network, likelihood, optimizer, **shared), batch)
    times = interleaved(functions, settings.repetitions)
    for estimator in ("local_reparameterisation", "flipout"):
        report(
            f"mean_field step, {estimator}",
            times,
            baseline="deterministic",
            contender=estimator,
            target=1 / 2.5,
            output=settings.output,
        )


BENCHMARKS = {"ensemble": ensemble, "laplace": laplace, "mean_field": mean_field}


def main(settings: Settings) -> None:
    for name, benchmark in BENCHMARKS.items():
        if settings.only in (None, name):
            benchmark(settings)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
