"""Exact Gaussian processes against dense NumPy in float64; pathwise draws against the exact moments."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bal.posteriors import bayesian_linear, gaussian_process
from bal.types import Batch, Gaussian

LENGTHSCALE, SCALE, NOISE = 0.8, 1.3, 0.3
FIXED = {"num_steps": 0, "lengthscale": LENGTHSCALE, "scale": SCALE, "noise": NOISE}
NUM_SAMPLES = 4000
KERNELS = ("linear", "matern32", "matern52", "rbf")


def regression(num_labelled=10, size=14):
    random = np.random.default_rng(0)
    inputs = random.uniform(-2.0, 2.0, (size, 2))
    labels = np.sin(2 * inputs[:, 0]) + inputs[:, 1] + NOISE * random.standard_normal(size)
    return Batch(*(jnp.asarray(leaf, jnp.float32) for leaf in (inputs, labels, np.arange(size) < num_labelled)))


def first_rows(batch, count):
    return jax.tree.map(lambda leaf: jnp.asarray(np.array(leaf)[:count]), batch)


POINTS = jnp.asarray(np.random.default_rng(1).standard_normal((5, 2)), jnp.float32)


class Answers(NamedTuple):
    """What a process says of points: moments [n], covariance [n, n] and functions [S, n]."""

    moments: Gaussian
    covariance: np.ndarray
    functions: Gaussian


def fit(posterior, rng_key, batch):
    return posterior.fit(rng_key, posterior.init(rng_key, batch), batch)


def answers(posterior, rng_key, state, inputs, num_samples):
    functions = posterior.predict(state, posterior.sample(rng_key, state, num_samples), inputs)
    return Answers(posterior.moments(state, inputs), posterior.covariance(state, inputs, inputs), functions)


@functools.cache
def fixed(kernel):
    """A fit of fixed hyperparameters and its answers at the points: one program for each kernel."""
    posterior = gaussian_process(optax.sgd(0.1), kernel=kernel, num_features=16, **FIXED)

    @jax.jit
    def run(rng_key, batch):
        state, info = fit(posterior, rng_key, batch)
        return state, info, answers(posterior, rng_key, state, POINTS, NUM_SAMPLES)

    return lambda rng_key, batch: jax.tree.map(np.array, run(rng_key, batch))


@functools.cache
def learned():
    """A fit of hyperparameters, by plain gradient descent in large steps, to which the scale of the loss matters."""
    posterior = gaussian_process(optax.sgd(0.3), num_steps=20, noise=NOISE)
    run = jax.jit(lambda rng_key, batch: fit(posterior, rng_key, batch))
    return lambda rng_key, batch: jax.tree.map(np.array, run(rng_key, batch))


def kernel_oracle(kernel, a, b):
    r = np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=-1)) / LENGTHSCALE
    return (
        SCALE**2
        * {
            "linear": lambda: 1 + a @ b.T,
            "matern32": lambda: (1 + np.sqrt(3) * r) * np.exp(-np.sqrt(3) * r),
            "matern52": lambda: (1 + np.sqrt(5) * r + 5 / 3 * r**2) * np.exp(-np.sqrt(5) * r),
            "rbf": lambda: np.exp(-(r**2) / 2),
        }[kernel]()
    )


def oracle(kernel, batch, inputs):
    """Mean, epistemic covariance and negative log marginal likelihood of the labelled rows."""
    rows = np.asarray(batch.weights) > 0
    known, labels = np.asarray(batch.inputs, np.float64)[rows], np.asarray(batch.labels, np.float64)[rows]
    inputs = np.asarray(inputs, np.float64)
    covariance = kernel_oracle(kernel, known, known) + NOISE**2 * np.eye(len(known))
    cross = kernel_oracle(kernel, inputs, known)
    posterior = kernel_oracle(kernel, inputs, inputs) - cross @ np.linalg.solve(covariance, cross.T)
    loss = labels @ np.linalg.solve(covariance, labels) + np.linalg.slogdet(2 * np.pi * covariance)[1]
    return cross @ np.linalg.solve(covariance, labels), posterior, loss / 2 / len(labels)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_posterior_equals_a_dense_computation_in_float64(kernel, rng_key):
    batch = regression()
    _, info, (gaussian, joint, _) = fixed(kernel)(rng_key, batch)
    mean, covariance, loss = oracle(kernel, batch, POINTS)
    np.testing.assert_allclose(gaussian.mean, mean, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(gaussian.variance, np.diag(covariance) + NOISE**2, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(joint, covariance, atol=1e-4)
    np.testing.assert_allclose(info.loss, loss, rtol=1e-4)


@pytest.mark.parametrize("kernel", KERNELS)
def test_pathwise_draws_have_the_exact_mean_and_covariance_within_monte_carlo_error(kernel, rng_key):
    batch = regression()
    draws = fixed(kernel)(rng_key, batch)[2].functions.mean
    mean, covariance, _ = oracle(kernel, batch, POINTS)
    spread = np.sqrt(np.diag(covariance))
    # The covariance of the draws is exact for any number of features: each has its own frequencies. Six standard errors
    # of Gaussian moments leave room for tails that are a little heavier than Gaussian.
    assert (np.abs(draws.mean(axis=0) - mean) < 6 * spread / np.sqrt(NUM_SAMPLES)).all()
    error = 6 * np.outer(spread, spread) * np.sqrt(2 / NUM_SAMPLES)
    assert (np.abs(np.cov(draws, rowvar=False) - covariance) < error).all()


def test_a_linear_kernel_is_bayesian_linear_regression(rng_key):
    batch = regression()
    linear = bayesian_linear(noise=NOISE, prior_scale=SCALE)

    @jax.jit
    def run(rng_key, batch):
        state, _ = fit(linear, rng_key, batch)
        return linear.moments(state, POINTS), linear.covariance(state, POINTS, POINTS)

    expected = jax.tree.map(np.array, run(rng_key, batch))
    moments, covariances = zip(fixed("linear")(rng_key, batch)[2][:2], expected, strict=True)
    np.testing.assert_allclose(moments[0].mean, moments[1].mean, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(moments[0].variance, moments[1].variance, rtol=1e-3)
    np.testing.assert_allclose(*covariances, atol=2e-4)
    # BALD of a Gaussian.
    scores = [0.5 * np.log1p(np.diag(covariance) / NOISE**2) for covariance in covariances]
    np.testing.assert_allclose(*scores, atol=1e-3)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_marginal_likelihood_rises_and_its_gradient_is_finite_at_equal_points(kernel, rng_key):
    batch = regression()
    batch = batch._replace(inputs=jnp.asarray(np.array(batch.inputs)[[0, 0, *range(2, 14)]]))
    posterior = gaussian_process(optax.adam(0.05), kernel=kernel, **{**FIXED, "num_steps": 30})
    state, after = jax.jit(lambda rng_key, batch: fit(posterior, rng_key, batch))(rng_key, batch)
    _, _, before = oracle(kernel, batch, POINTS)
    assert float(after.loss) < before - 1e-3
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))


def test_padding_adds_nothing_to_the_marginal_likelihood(rng_key):
    batch = regression()
    (state, info), (expected, expected_info) = (learned()(rng_key, each) for each in (batch, first_rows(batch, 10)))
    np.testing.assert_allclose(info.loss, expected_info.loss, rtol=1e-4)
    np.testing.assert_allclose(state.kernel, expected.kernel, rtol=1e-3, atol=1e-4)


def test_rows_of_weight_w_have_the_marginal_likelihood_of_w_observations(rng_key):
    batch = regression()._replace(weights=jnp.array([2.0, 3, 1, 1, 2, 1, 1, 4, 1, 1, 0, 0, 0, 0]))
    repeats = np.asarray(batch.weights, int)
    repeated = Batch(*(np.repeat(np.array(leaf), repeats, axis=0) for leaf in (*batch[:2], np.ones(14))))
    _, _, loss = oracle("rbf", repeated, POINTS)
    np.testing.assert_allclose(fixed("rbf")(rng_key, batch)[1].loss, loss, rtol=1e-4)


def test_hyperparameters_learned_from_weight_two_are_those_of_two_rows(rng_key):
    inputs, labels, _ = map(np.array, regression())
    rows = np.arange(14)
    weight_two = Batch(*map(jnp.asarray, (inputs, labels, 2 * (rows < 7).astype(np.float32))))
    twice = Batch(*map(jnp.asarray, (inputs[rows % 7], labels[rows % 7], np.ones(14, np.float32))))
    (state, info), (expected, expected_info) = (learned()(rng_key, each) for each in (weight_two, twice))
    np.testing.assert_allclose(state.kernel, expected.kernel, atol=1e-3)
    np.testing.assert_allclose(state.noise["log_variance"], expected.noise["log_variance"], atol=1e-3)
    np.testing.assert_allclose(info.loss, expected_info.loss, rtol=1e-3)


def test_an_extended_state_predicts_the_same_and_is_fitted_on_a_longer_buffer(rng_key):
    posterior = gaussian_process(optax.sgd(0.1), num_features=16, **FIXED)
    batch = regression()

    @jax.jit
    def run(rng_key, short, batch):
        state, _ = fit(posterior, rng_key, short)
        longer = posterior.extend(state, 14)
        both = [answers(posterior, rng_key, each, POINTS, 3) for each in (longer, state)]
        return state, both, posterior.fit(rng_key, longer, batch)[0]

    state, both, continued = run(rng_key, first_rows(batch, 8), batch)
    expected = fixed("rbf")(rng_key, batch)[0]
    for pair in (both, (continued, expected)):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), *pair)
    with pytest.raises(ValueError, match="budget to be a whole number of at least 8, got 7"):
        posterior.extend(state, 7)


def test_the_limit_of_the_noise_costs_no_more_than_it_says(rng_key):
    """The figures of the docstring for less noise than float32 can factor, on their worst case."""
    inputs = np.random.default_rng(0).uniform(-2, 2, (200, 2)).astype(np.float32)
    batch = Batch(jnp.asarray(inputs), jnp.asarray(np.sin(2 * inputs[:, 0])), jnp.asarray(np.ones(200, np.float32)))
    posterior = gaussian_process(optax.sgd(0.1), num_steps=0, noise=1e-3)
    points = np.random.default_rng(1).uniform(-2, 2, (50, 2))
    run = jax.jit(lambda rng_key, batch, points: posterior.moments(fit(posterior, rng_key, batch)[0], points))
    gaussian = jax.tree.map(np.array, run(rng_key, batch, jnp.asarray(points, jnp.float32)))
    known = np.asarray(inputs, np.float64)

    def covariance(a, b):
        return np.exp(-0.5 * ((a[:, None] - b[None]) ** 2).sum(axis=-1))

    cross, matrix = covariance(points, known), covariance(known, known) + 1e-6 * np.eye(200)
    mean = cross @ np.linalg.solve(matrix, np.asarray(batch.labels, np.float64))
    variance = 1 - np.einsum("nk,kn->n", cross, np.linalg.solve(matrix, cross.T))
    np.testing.assert_allclose(gaussian.mean, mean, atol=0.004)
    np.testing.assert_allclose(np.sqrt(gaussian.variance - 1e-6), np.sqrt(variance), atol=0.04)


def test_a_noise_free_process_still_factors_in_float32(rng_key):
    inputs = np.linspace(-1, 1, 40, dtype=np.float32)[:, None]
    batch = Batch(*map(jnp.asarray, (inputs, np.sin(3 * inputs[:, 0]), np.ones(40, np.float32))))
    posterior = gaussian_process(optax.sgd(0.1), num_steps=0, noise=1e-6)

    @jax.jit
    def run(rng_key, batch):
        state, _ = fit(posterior, rng_key, batch)
        draws = posterior.predict(state, posterior.sample(rng_key, state, 5), batch.inputs)
        return posterior.moments(state, batch.inputs).mean, draws.mean

    mean, draws = run(rng_key, batch)
    np.testing.assert_allclose(mean, batch.labels, atol=1e-2)
    np.testing.assert_allclose(draws, np.tile(np.array(batch.labels)[None], (5, 1)), atol=5e-2)


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match=r"one of 'linear', 'matern32', 'matern52', 'rbf', got 'cosine'"):
        gaussian_process(optax.sgd(0.1), num_steps=1, kernel="cosine")
    with pytest.raises(ValueError, match=r"lengthscale above 0, got 0.0"):
        gaussian_process(optax.sgd(0.1), num_steps=1, lengthscale=0.0)
    with pytest.raises(ValueError, match="num_steps to be a whole number of at least 0, got -1"):
        gaussian_process(optax.sgd(0.1), num_steps=-1)


@pytest.mark.parametrize("kernel", KERNELS)
def test_gradients_have_the_kernel_as_their_inner_products(kernel):
    posterior = gaussian_process(optax.sgd(0.1), kernel=kernel, num_features=20_000, **FIXED)
    batch = regression()
    state, _ = fit(posterior, jax.random.key(0), batch)
    features = np.asarray(jax.jit(posterior.features["gradient"])(state, batch.inputs), np.float64)
    inputs = np.asarray(batch.inputs, np.float64)
    # The standard error of an inner product of 20,000 cosines is at most SCALE**2 / sqrt(20,000).
    tolerance = 1e-4 if kernel == "linear" else 5 * SCALE**2 / np.sqrt(20_000)
    np.testing.assert_allclose(features @ features.T, kernel_oracle(kernel, inputs, inputs), atol=tolerance)
