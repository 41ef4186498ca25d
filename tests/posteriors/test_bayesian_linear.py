"""Conjugate regression is exact; that it is, is shown in NumPy float64, and draws follow within their own error."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.posteriors import bayesian_linear
from bal.types import Batch
from tests.compiled import compiled_posterior

NOISE, PRIOR_SCALE, NUM_SAMPLES = 0.4, 1.5, 4000


POINTS = jnp.asarray(np.random.default_rng(1).standard_normal((6, 3)), jnp.float32)


def regression(num_labelled=8, size=12):
    random = np.random.default_rng(0)
    inputs = random.standard_normal((size, 3))
    labels = inputs @ np.array([1.0, -2.0, 0.5]) + 0.3 + NOISE * random.standard_normal(size)
    return Batch(*(jnp.asarray(leaf, jnp.float32) for leaf in (inputs, labels, np.arange(size) < num_labelled)))


def closed_form(batch, inputs):
    """Predictive mean and epistemic covariance by the textbook, dense and in float64, on the labelled rows only."""
    rows = np.asarray(batch.weights) > 0
    design, labels = np.asarray(batch.inputs, np.float64)[rows], np.asarray(batch.labels, np.float64)[rows]
    design, points = (np.column_stack([np.ones(len(x)), x]) for x in (design, np.asarray(inputs, np.float64)))
    covariance = np.linalg.inv(np.eye(4) / PRIOR_SCALE**2 + design.T @ design / NOISE**2)
    return points @ covariance @ design.T @ labels / NOISE**2, points @ covariance @ points.T


@pytest.fixture
def fitted(rng_key):
    batch = regression()
    posterior = compiled_posterior(bayesian_linear(noise=NOISE, prior_scale=PRIOR_SCALE))
    return posterior, posterior.fit(rng_key, posterior.init(rng_key, batch), batch)[0], batch


def test_moments_and_covariance_equal_the_textbook(fitted, rng_key):
    posterior, state, batch = fitted
    inputs = POINTS
    mean, covariance = closed_form(batch, inputs)
    np.testing.assert_allclose(posterior.moments(state, inputs).mean, mean, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(posterior.moments(state, inputs).variance, np.diag(covariance) + NOISE**2, rtol=1e-4)
    np.testing.assert_allclose(posterior.covariance(state, inputs, inputs), covariance, rtol=1e-3, atol=1e-5)


def test_draws_have_the_exact_moments_within_monte_carlo_error(fitted, rng_key):
    posterior, state, batch = fitted
    inputs = POINTS
    mean, covariance = closed_form(batch, inputs)
    draws = posterior.predict(state, posterior.sample(rng_key, state, NUM_SAMPLES), inputs)
    draws = jax.tree.map(np.array, draws)
    spread = np.sqrt(np.diag(covariance))
    # Five standard errors of a mean, and of a covariance of Gaussians.
    assert (np.abs(draws.mean.mean(axis=0) - mean) < 5 * spread / np.sqrt(NUM_SAMPLES)).all()
    error = 5 * np.outer(spread, spread) * np.sqrt(2 / NUM_SAMPLES)
    assert (np.abs(np.cov(draws.mean, rowvar=False) - covariance) < error).all()
    np.testing.assert_allclose(draws.variance, NOISE**2, rtol=1e-5)


def test_a_row_of_weight_two_counts_as_two_rows(rng_key):
    posterior = compiled_posterior(bayesian_linear(noise=NOISE))
    batch = regression(num_labelled=5, size=5)
    twice = jax.tree.map(lambda leaf: np.concatenate([leaf, leaf]), batch)
    doubled = batch._replace(weights=2 * batch.weights)
    states = [posterior.fit(rng_key, posterior.init(rng_key, each), each)[0] for each in (twice, doubled)]
    np.testing.assert_allclose(states[0].mean, states[1].mean, rtol=1e-4)
    np.testing.assert_allclose(states[0].precision_factor, states[1].precision_factor, rtol=1e-4, atol=1e-5)


def test_labels_in_two_steps_teach_as_much_as_at_once(rng_key):
    """The chain rule: the information of a set, 1/2 logdet(I + K / noise), is the sum of what each point adds."""
    posterior = compiled_posterior(bayesian_linear(noise=NOISE))
    inputs = np.array(POINTS)[:4]
    batch = Batch(jnp.asarray(inputs), jnp.zeros(4), jnp.zeros(4))
    state = posterior.init(rng_key, batch)
    covariance = np.array(posterior.covariance(state, inputs, inputs))
    together = 0.5 * np.linalg.slogdet(np.eye(4) + covariance / NOISE**2)[1]
    gained = 0.0
    for i in range(4):
        covariance = np.array(posterior.covariance(state, inputs, inputs))
        gained += 0.5 * np.log1p(covariance[i, i] / NOISE**2)
        batch = batch._replace(weights=jnp.asarray(np.arange(4) <= i, jnp.float32))
        state, _ = posterior.fit(rng_key, state, batch)
    np.testing.assert_allclose(gained, together, rtol=1e-4)


def test_frozen_features_replace_the_inputs(rng_key):
    batch = regression()
    posterior = compiled_posterior(bayesian_linear(lambda inputs: jnp.tanh(inputs[:, :2]), noise=NOISE))
    state, _ = posterior.fit(rng_key, posterior.init(rng_key, batch), batch)
    assert state.mean.shape == (2,)
    assert posterior.features["embedding"](state, batch.inputs).shape == (12, 2)


def test_scales_may_be_swept_with_vmap(rng_key):
    batch = regression()

    def variance(noise):
        posterior = bayesian_linear(noise=noise)
        state, _ = posterior.fit(rng_key, posterior.init(rng_key, batch), batch)
        return posterior.moments(state, batch.inputs).variance.mean()

    small, large = jax.jit(jax.vmap(variance))(jnp.array([0.1, 1.0]))
    assert small < large


def test_bad_settings_are_named(rng_key):
    with pytest.raises(ValueError, match=r"noise above 0, got -1.0"):
        bayesian_linear(noise=-1.0)
    with pytest.raises(ValueError, match="feature_fn to return"):
        bayesian_linear(lambda inputs: inputs.sum(axis=-1), noise=1.0).init(rng_key, regression())


def test_gradients_are_those_of_the_function_by_its_weights(fitted, rng_key):
    posterior, state, batch = fitted
    mean_of = lambda mean: posterior.moments(state._replace(mean=mean), batch.inputs).mean
    expected = jax.jit(jax.jacobian(mean_of))(state.mean)
    np.testing.assert_allclose(posterior.features["gradient"](state, batch.inputs), expected, rtol=1e-6)
