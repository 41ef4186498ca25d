"""The density of DDU is the mixture of Gaussians in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bal import likelihoods, networks
from bal.posteriors import ddu
from bal.types import Batch

NETWORK = networks.mlp(num_outputs=4, hidden_sizes=(6, 6), residual=True)
REGRESSION = networks.mlp(num_outputs=1, hidden_sizes=(6, 6), residual=True)
POSTERIORS = {
    "classes": ddu(NETWORK, likelihoods.categorical(), optax.adam(0.01), num_steps=10, minibatch_size=4),
    "numbers": ddu(REGRESSION, likelihoods.gaussian(), optax.adam(0.01), num_steps=10, minibatch_size=4),
}
POINTS = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)


def labelled_batch(kind, num_labelled=9):
    """Class 1 has one label, class 3 none; one row counts twice, and padding has infinite inputs."""
    random = np.random.default_rng(0)
    inputs = random.normal(size=(12, 3)).astype(np.float32)
    inputs[num_labelled:] = np.inf
    weights = (np.arange(12) < num_labelled).astype(np.float32)
    weights[:1] *= 2
    classes = np.array([0, 0, 0, 0, 1, 2, 2, 2, 2, 3, 3, 3], np.int32)
    labels = classes if kind == "classes" else random.normal(size=12).astype(np.float32)
    return Batch(*map(jnp.asarray, (inputs, labels, weights)))


@functools.cache
def run(kind):
    posterior = POSTERIORS[kind]

    def fit(rng_key, batch, points):
        state, _ = posterior.fit(rng_key, posterior.init(rng_key, batch), batch)
        labelled = jnp.where(batch.weights[:, None] > 0, batch.inputs, 0.0)
        embeddings = [posterior.features["embedding"](state, each) for each in (labelled, points)]
        return embeddings, posterior.features["log_density"](state, points)

    return jax.jit(fit)


@pytest.mark.parametrize("kind", POSTERIORS)
def test_the_density_is_that_of_the_mixture(kind, rng_key):
    batch = labelled_batch(kind)
    embeddings, log_density = run(kind)(rng_key, batch, POINTS)
    labelled, points = (np.asarray(each, np.float64) for each in embeddings)
    rows, weights = labelled[:9], np.asarray(batch.weights, np.float64)[:9]
    total = weights.sum()
    centred = rows - weights @ rows / total
    variance = (weights @ centred**2).mean() / total
    classes = np.asarray(batch.labels)[:9] if kind == "classes" else np.zeros(9, int)
    density = np.zeros(5)
    for c in set(classes):
        count = weights[classes == c].sum()
        mean = weights[classes == c] @ rows[classes == c] / count
        scatter = variance * np.eye(6)
        for weight, row in zip(weights[classes == c], rows[classes == c], strict=True):
            scatter += weight * np.outer(row - mean, row - mean)
        covariance = scatter / (count + 1)
        deviations = points - mean
        exponents = np.einsum("nd,de,ne->n", deviations, np.linalg.inv(covariance), deviations)
        density += count / total * np.exp(-0.5 * exponents) / np.sqrt(np.linalg.det(2 * np.pi * covariance))
    assert log_density.shape == (5, 1)
    np.testing.assert_allclose(log_density[:, 0], np.log(density), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("num_labelled", [0, 1])
def test_no_label_or_one_gives_a_finite_density(num_labelled, rng_key):
    _, log_density = run("classes")(rng_key, labelled_batch("classes", num_labelled), POINTS)
    assert np.isfinite(log_density).all()


def test_without_an_optimizer_the_weights_are_kept(rng_key):
    posterior = ddu(NETWORK, likelihoods.categorical(), None)
    batch = labelled_batch("classes")
    start = jax.jit(posterior.init)(rng_key, batch)
    state, _ = jax.jit(posterior.fit)(rng_key, start, batch)
    jax.tree.map(np.testing.assert_array_equal, state.variables, start.variables)
    assert not np.allclose(state.density.means, start.density.means)
