"""The last layer of SNGP is the closed form in float64, and its uncertainty grows with the distance from the labels."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bal import likelihoods, networks
from bal.posteriors import sngp
from bal.posteriors.neural._random_features import draw_frequencies, random_features
from bal.types import Batch
from tests.posteriors import closed_form

NUM_FEATURES, NUM_POINTS, PRIOR = 24, 12, 2.0
SETTINGS = {"num_features": NUM_FEATURES, "prior_precision": PRIOR, "num_steps": 20, "minibatch_size": 8}
LIKELIHOODS = {
    "bernoulli": (likelihoods.bernoulli(), 2),
    "categorical": (likelihoods.categorical(), 3),
    "gaussian": (likelihoods.gaussian(initial_noise=0.5), 1),
    "heteroscedastic": (likelihoods.heteroscedastic_gaussian(), 2),
}


def posterior_of(kind):
    likelihood, num_outputs = LIKELIHOODS[kind]
    network = networks.mlp(num_outputs=num_outputs, hidden_sizes=(6, 6), residual=True)
    return sngp(network, likelihood, optax.adam(0.02), **SETTINGS)


def labelled_batch(kind):
    """Weights of 2 and of 0, the latter with infinite inputs."""
    random = np.random.default_rng(0)
    inputs = random.normal(size=(NUM_POINTS, 2))
    inputs[-2:] = np.inf
    weights = np.ones(NUM_POINTS)
    weights[0], weights[-2:] = 2, 0
    labels = {
        "bernoulli": random.integers(2, size=(NUM_POINTS, 2)),
        "categorical": random.integers(3, size=NUM_POINTS),
    }.get(kind, random.normal(size=NUM_POINTS))
    dtype = jnp.float32 if labels.dtype == np.float64 else jnp.int32
    return Batch(jnp.asarray(inputs, jnp.float32), jnp.asarray(labels, dtype), jnp.asarray(weights, jnp.float32))


@functools.cache
def fitted(kind):
    """A fitted state, 20,000 draws, the features of other points, their predictions and covariance."""
    posterior = posterior_of(kind)

    @jax.jit
    def run(rng_key, batch, inputs):
        state, _ = posterior.fit(rng_key, posterior.init(rng_key, batch), batch)
        labelled = batch._replace(inputs=jnp.where(batch.weights[:, None] > 0, batch.inputs, 0.0))
        features = [posterior.features["embedding"](state, each) for each in (labelled.inputs, inputs)]
        draws = posterior.sample(rng_key, state, 20_000)
        few = jax.tree.map(lambda leaf: leaf[:5], draws)
        return (
            state,
            features,
            draws,
            posterior.predict(state, few, inputs),
            posterior.covariance(state, inputs, inputs),
        )

    inputs = jnp.asarray(np.random.default_rng(1).normal(size=(5, 2)), jnp.float32)
    return run(jax.random.key(0), labelled_batch(kind), inputs)


def oracle(kind):
    """Mean and covariances [C, F, F] of the weights in float64, point by point."""
    state, (features, _), *_ = fitted(kind)
    batch, phi = labelled_batch(kind), np.asarray(features, np.float64)
    mean = np.asarray(state.variables.params["weights"], np.float64)
    outputs = phi @ mean
    precisions = np.stack([PRIOR * np.eye(NUM_FEATURES)] * mean.shape[1])
    for i in range(NUM_POINTS - 2):
        if kind == "categorical":
            p = np.exp(outputs[i]) / np.exp(outputs[i]).sum()
            second = p * (1 - p)
        elif kind == "bernoulli":
            p = 1 / (1 + np.exp(-outputs[i]))
            second = p * (1 - p)
        elif kind == "gaussian":
            second = np.array([np.exp(-float(state.noise["log_variance"]))])
        else:
            inverse = np.exp(-outputs[i, 1])
            second = np.array([inverse, 0.5 * inverse * (float(batch.labels[i]) - outputs[i, 0]) ** 2])
        for c in range(mean.shape[1]):
            precisions[c] += float(batch.weights[i]) * second[c] * np.outer(phi[i], phi[i])
    return mean, np.linalg.inv(precisions)


@pytest.mark.parametrize("kind", LIKELIHOODS)
def test_covariances_are_the_closed_form(kind):
    state, (_, features), draws, _, covariance = fitted(kind)
    mean, expected = oracle(kind)
    factors = np.asarray(state.precision_factor, np.float64)
    np.testing.assert_allclose(np.linalg.inv(factors @ factors.transpose(0, 2, 1)), expected, atol=2e-5)
    phi = np.asarray(features, np.float64)
    np.testing.assert_allclose(covariance, sum(phi @ each @ phi.T for each in expected), atol=1e-4)
    # 20,000 draws: a standard error of 1 % of a variance, of which there are up to 1,700.
    draws = np.asarray(draws, np.float64)
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=0.025)
    for c in range(mean.shape[1]):
        np.testing.assert_allclose(np.cov(draws[:, :, c].T), expected[c], atol=0.025)


def test_the_mean_of_a_gaussian_likelihood_is_that_of_bayesian_linear_regression():
    state, (features, _), *_ = fitted("gaussian")
    batch, precision = labelled_batch("gaussian"), np.exp(-float(state.noise["log_variance"]))
    phi, weights = np.asarray(features, np.float64), np.asarray(batch.weights, np.float64)
    matrix = PRIOR * np.eye(NUM_FEATURES) + precision * phi.T @ (weights[:, None] * phi)
    expected = np.linalg.solve(matrix, precision * phi.T @ (weights * np.asarray(batch.labels, np.float64)))
    np.testing.assert_allclose(state.variables.params["weights"][:, 0], expected, atol=1e-5)


@pytest.mark.parametrize("kind", LIKELIHOODS)
def test_predictions_are_those_of_each_draw(kind):
    state, (_, features), draws, predictions, _ = fitted(kind)
    outputs = np.einsum("nf,sfc->snc", np.asarray(features, np.float64), np.asarray(draws[:5], np.float64))
    if kind == "categorical":
        expected = outputs - np.log(np.exp(outputs).sum(axis=-1, keepdims=True))
        np.testing.assert_allclose(predictions, expected, atol=1e-4)
    elif kind == "bernoulli":
        np.testing.assert_allclose(predictions[..., 1], -np.log1p(np.exp(-outputs)), atol=1e-4)
    else:
        np.testing.assert_allclose(predictions.mean, outputs[..., 0], atol=1e-4)


def test_random_features_approximate_the_rbf_kernel():
    points = np.random.default_rng(0).normal(size=(8, 3))
    distances = np.square(points[:, None] - points[None]).sum(axis=-1)

    @jax.jit
    def features(rng_key, points):
        return random_features(draw_frequencies(rng_key, 3, 4096), points, 1.5)

    phi = np.asarray(features(jax.random.key(0), jnp.asarray(points, jnp.float32)))
    # The standard error of each of the 64 entries is at most sqrt(2 / 4096), or .022.
    np.testing.assert_allclose(phi @ phi.T, np.exp(-distances / (2 * 1.5**2)), atol=0.08)


def test_little_noise_and_many_labels_give_finite_factors(rng_key):
    # 1e8 observations' worth of precision against a prior of 2 is beyond float32.
    posterior = sngp(
        networks.mlp(num_outputs=1, hidden_sizes=(6, 6), residual=True),
        likelihoods.gaussian(noise=1e-4),
        optax.sgd(0.0),
        **SETTINGS,
    )
    state, _ = jax.jit(posterior.fit)(
        rng_key, posterior.init(rng_key, labelled_batch("gaussian")), labelled_batch("gaussian")
    )
    assert np.isfinite(state.precision_factor).all()
    assert np.isfinite(state.variables.params["weights"]).all()


def test_a_last_layer_that_is_not_linear_is_refused(rng_key):
    identity = networks.mlp(num_outputs=3)._replace(readout=lambda variables, embeddings: embeddings)
    with pytest.raises(ValueError, match="one linear layer"):
        sngp(identity, likelihoods.categorical(), optax.sgd(0.1), **SETTINGS).init(
            rng_key, labelled_batch("categorical")
        )
    with pytest.raises(ValueError, match="embedding for sngp"):
        sngp(closed_form.linear_network()._replace(embeds=False), likelihoods.gaussian(), optax.sgd(0.1), **SETTINGS)
