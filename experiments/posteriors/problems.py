"""The problems of ``experiments.posteriors``, and how any registered posterior is set up for them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import bal
from bal.posteriors import Posterior
from bal.studies.learners import DISTANCE_AWARE
from bal.studies.models import FACTORIES, arguments, is_classifier, probabilistic_program, recipe
from bal.types import Batch


class Problem(NamedTuple):
    """Labelled points to fit, points like them to test on, and points from elsewhere."""

    name: str
    batch: Batch
    test_inputs: jax.Array
    test_labels: jax.Array
    far_inputs: jax.Array  # out-of-distribution points, where a posterior should be uncertain
    num_outputs: int
    noise: float | None  # standard deviation of real labels; None: classes


# Settings by parameter name, the same for every posterior that has a parameter of that name. A new posterior appears on
# the page as soon as its required parameters are here. What one of them needs beside them is in its recipe.
DEFAULTS = {
    "optimizer": optax.adamw(5e-3, weight_decay=1e-3),
    "num_steps": 1000,
    "minibatch_size": 16,
    "num_members": 10,
    "num_snapshots": 20,
    "steps_between": 20,
    "draws_per_cycle": 10,
    "num_warmup": 300,
    "num_draws": 100,
    "num_chains": 4,
    "max_tree_depth": 7,
}


def build(name: str, problem: Problem, settings: dict | None = None) -> Posterior | None:
    """A registered posterior with the default settings; None if it is for real labels and the problem has classes.

    Args:
      name: in ``bal.posteriors.POSTERIORS``.
      problem: gives the network and likelihood.
      settings: values that replace those of ``DEFAULTS``, such as fewer steps.

    Raises:
      ValueError: a required parameter for which there is no default.
    """
    # A posterior that does not take a likelihood has its own, the Gaussian one.
    factory, classes = FACTORIES[name], problem.noise is None
    if not is_classifier(factory) and classes:
        return None
    needed = {**recipe(name, classes=classes, thorough=True), **_pieces(name, problem)}
    return factory(**arguments(name, factory, {**DEFAULTS, **needed, **(settings or {})}))


def problems() -> dict[str, Problem]:
    """All of them, by name."""
    return {problem.name: problem for problem in (_digits(), _two_moons(), _waves())}


def _pieces(name: str, problem: Problem) -> dict:
    likelihood = bal.likelihoods.categorical() if problem.noise is None else bal.likelihoods.gaussian(initial_noise=0.3)
    network = bal.networks.mlp(num_outputs=problem.num_outputs, hidden_sizes=(64, 64), dropout_rate=0.1)
    # Sampling all weights is slow: a smaller network, whose prior is wide enough to bend. A factorised guide learns
    # classes under an even wider one only, and in one layer.
    is_guided = name == "numpyro_svi" and problem.noise is None
    small = bal.networks.mlp(num_outputs=problem.num_outputs, hidden_sizes=(32,) if is_guided else (16, 16))
    pieces = {
        "network": network,
        "likelihood": likelihood,
        **probabilistic_program(FACTORIES[name], small, prior_scale=8.0 if is_guided else 2.0, noise=problem.noise),
    }
    if name == "mean_field":
        # Gaussian weights have their own layers.
        pieces["network"] = bal.networks.variational_mlp(num_outputs=problem.num_outputs, hidden_sizes=(64, 64))
    if name in DISTANCE_AWARE:
        pieces["network"] = bal.networks.mlp(
            num_outputs=problem.num_outputs, hidden_sizes=(64, 64, 64, 64), residual=True
        )
    if name == "bayesian_linear":
        # A linear model of bumps: where it has no bumps, it predicts 0 with certainty.
        pieces |= {"feature_fn": _bumps, "noise": problem.noise}
    return pieces


def _bumps(inputs):
    return jnp.exp(-0.5 * ((inputs - jnp.linspace(-2, 2, 17)[None]) / 0.25) ** 2)


def _digits() -> Problem:
    """Eight digits; the two digits without labels are out of distribution."""
    dataset = bal.datasets.load("digits")
    assert dataset.pool_labels is not None
    assert dataset.test_inputs is not None
    assert dataset.test_labels is not None
    inputs, labels = dataset.pool_inputs[dataset.pool_labels < 8], dataset.pool_labels[dataset.pool_labels < 8]
    known = dataset.test_labels < 8
    test = dataset.test_inputs[known], dataset.test_labels[known]
    return _problem("digits", inputs[:80], labels[:80], test, dataset.test_inputs[~known], num_outputs=8)


def _two_moons() -> Problem:
    """Forty points; elsewhere is further than 0.75 from any point of the pool."""
    dataset = bal.datasets.load("two_moons")
    points = np.random.default_rng(0).uniform([-3.0, -2.5], [4.0, 3.0], (1000, 2))
    distance = np.linalg.norm(points[:, None] - np.asarray(dataset.pool_inputs)[None], axis=-1).min(axis=1)
    assert dataset.pool_labels is not None
    test = dataset.test_inputs, dataset.test_labels
    inputs, labels = dataset.pool_inputs[:40], dataset.pool_labels[:40]
    return _problem("two_moons", inputs, labels, test, points[distance > 0.75], num_outputs=2)


def _waves() -> Problem:
    """A wave with a gap; elsewhere is the gap and what lies outside."""
    generator = np.random.default_rng(0)

    def draw(size):
        inputs = generator.uniform(0.3, 1.0, (size, 1)) * generator.choice([-1, 1], (size, 1))
        return inputs, np.sin(4 * inputs[:, 0]) + 0.1 * generator.normal(size=size)

    far = np.concatenate([np.linspace(-2, -1.2, 50), np.linspace(-0.15, 0.15, 20), np.linspace(1.2, 2, 50)])[:, None]
    inputs, labels = draw(24)
    return _problem("waves", inputs, labels, draw(200), far, num_outputs=1, noise=0.1)


def _problem(name, inputs, labels, test, far_inputs, *, num_outputs, noise=None) -> Problem:
    dtype = jnp.int32 if noise is None else jnp.float32
    batch = Batch(jnp.asarray(inputs, jnp.float32), jnp.asarray(labels, dtype), jnp.ones(len(labels)))
    test_inputs, test_labels = jnp.asarray(test[0], jnp.float32), jnp.asarray(test[1], dtype)
    return Problem(name, batch, test_inputs, test_labels, jnp.asarray(far_inputs, jnp.float32), num_outputs, noise)
