"""SWAG has the moments of the snapshots, and draws have the moments that it states."""

import jax
import numpy as np
import optax
import pytest

from bal import likelihoods
from bal.posteriors import swag
from bal.posteriors.neural._swag import _add_snapshot, _Moments
from bal.posteriors.training._gradient_steps import gradient_steps
from tests.posteriors import closed_form

LINEAR = closed_form.linear_network()
SETTINGS = {"num_snapshots": 6, "steps_between": 5, "rank": 4, "num_steps": 10, "minibatch_size": 8}


def fit(posterior, batch):
    run = jax.jit(lambda batch: posterior.fit(jax.random.key(1), posterior.init(jax.random.key(0), batch), batch)[0])
    return jax.tree.map(np.array, run(batch))


def test_moments_are_those_of_the_snapshots():
    snapshots = 100 + np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    zeros = np.zeros((4, 3), np.float32)
    moments = _Moments((zeros[0], ()), (zeros[0], ()), (zeros, ()))
    add_snapshot = jax.jit(_add_snapshot)
    for number, snapshot in enumerate(snapshots):
        moments = add_snapshot(moments, (snapshot, ()), np.int32(number))
    moments = jax.tree.map(np.array, moments)
    np.testing.assert_allclose(moments.mean[0], snapshots.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(moments.squares[0] / 6, snapshots.var(axis=0), rtol=1e-4)
    deviations = [snapshots[i] - snapshots[: i + 1].mean(axis=0) for i in (4, 5, 2, 3)]
    np.testing.assert_allclose(moments.deviations[0], deviations, atol=1e-4)


def test_snapshots_are_taken_along_one_training_of_the_same_optimiser():
    batch = closed_form.regression_batch()
    optimizer = optax.sgd(0.02, momentum=0.9)
    state = fit(swag(LINEAR, closed_form.known_noise(), optimizer, **SETTINGS), batch)
    steps = gradient_steps(LINEAR, closed_form.known_noise(), optimizer, minibatch_size=8)
    key_train, key_collect = jax.random.split(jax.random.key(1))
    posterior = swag(LINEAR, closed_form.known_noise(), optimizer, **SETTINGS)

    @jax.jit
    def ten_steps(rng_key, batch):
        start = posterior.init(jax.random.key(0), batch)
        return steps.run(rng_key, steps.init(start), batch, 0, 10)[0]

    five_steps = jax.jit(lambda key, carry: steps.run(key, carry, batch, 0, 5)[0])
    carry, snapshots = ten_steps(key_train, batch), []
    for key in jax.random.split(key_collect, 6):
        carry = five_steps(key, carry)
        snapshots.append(closed_form.stacked_weights(carry.trained[0]))
    np.testing.assert_allclose(
        closed_form.stacked_weights(state.variables.params), np.mean(snapshots, axis=0), atol=1e-5
    )
    np.testing.assert_allclose(
        closed_form.stacked_weights(state.variance[0]), np.var(snapshots, axis=0), rtol=1e-3, atol=1e-6
    )


def test_draws_have_half_the_diagonal_and_half_the_low_rank_covariance():
    batch = closed_form.regression_batch()
    posterior = swag(LINEAR, closed_form.known_noise(), optax.sgd(0.05), **SETTINGS)
    state = fit(posterior, batch)
    draws = closed_form.stacked_weights(
        jax.jit(posterior.sample, static_argnums=2)(jax.random.key(2), state, 40_000).variables.params
    )
    deviations = closed_form.stacked_weights(state.deviations[0])
    variance = closed_form.stacked_weights(state.variance[0])
    covariance = 0.5 * (np.diag(variance) + deviations.T @ deviations / 3)
    scale = np.diagonal(covariance).max()
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.04 * scale)  # five standard errors
    mean = closed_form.stacked_weights(state.variables.params)
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=5 * (scale / 40_000) ** 0.5)


def test_the_mean_is_near_the_optimum_and_the_spread_follows_the_learning_rate():
    batch = closed_form.regression_batch()
    settings = {**SETTINGS, "num_snapshots": 100, "num_steps": 300}
    slow, fast = (
        fit(swag(LINEAR, closed_form.known_noise(), optax.sgd(rate), **settings), batch) for rate in (0.01, 0.04)
    )
    # No prior: the optimum is least squares. Iterates scatter around it; their mean by about a tenth of that.
    exact = closed_form.exact_posterior(batch, prior_precision=0.0)
    np.testing.assert_allclose(closed_form.stacked_weights(fast.variables.params), exact.mean, atol=0.1)
    ratio = closed_form.stacked_weights(fast.variance[0]) / closed_form.stacked_weights(slow.variance[0])
    # The stationary variance of SGD is proportional to the learning rate.
    assert 2 < ratio.mean() < 8


def test_invalid_settings_are_refused():
    def build(**changed):
        return swag(LINEAR, likelihoods.gaussian(), optax.sgd(0.1), **{**SETTINGS, **changed})

    with pytest.raises(ValueError, match="rank"):
        build(rank=1)
    with pytest.raises(ValueError, match="rank"):
        build(rank=7)
    with pytest.raises(ValueError, match="steps_between"):
        build(steps_between=0)
    with pytest.raises(ValueError, match="early_stopping"):
        build(early_stopping=object())
