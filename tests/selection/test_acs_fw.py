"""Frank-Wolfe coresets against a slow loop from the paper."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

from bal import selection
from bal.selection import acs_fw
from bal.selection.information import _acs_fw

# One program for each shape, where each operation by itself would be one.
frank_wolfe = jax.jit(_acs_fw.frank_wolfe, static_argnames="num_iterations")
log_likelihood_features = jax.jit(selection.log_likelihood_features)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def slow_frank_wolfe(features, num_iterations):
    norms = np.linalg.norm(features, axis=1)
    target, weights, visits, residuals = features.sum(axis=0), np.zeros(len(features)), [], []
    for _ in range(num_iterations):
        sum_now = weights @ features
        residuals.append(np.linalg.norm(target - sum_now))
        index = int(np.argmax(features @ (target - sum_now) / norms))
        vertex = norms.sum() / norms[index]
        direction = vertex * features[index] - sum_now
        rate = direction @ (target - sum_now) / (direction @ direction)
        weights = (1 - rate) * weights
        weights[index] += rate * vertex
        visits.append(index)
    return weights, visits, residuals


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_iteration_of_the_paper(seed, rng_key):
    features = normal(seed, 20, 6) + np.float32(0.5)
    weights, visits, residuals = slow_frank_wolfe(features.astype(np.float64), 8)
    features = jax.device_put(features)
    coreset, _ = frank_wolfe(rng_key, features, jnp.ones(20, bool), num_iterations=8)
    np.testing.assert_allclose(coreset.weights, weights, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(coreset.residual_norms, residuals, rtol=1e-4)
    distinct = list(dict.fromkeys(visits))
    chosen = acs_fw(rng_key, features, jnp.ones(20, bool), batch_size=8)
    assert chosen.indices.tolist()[: len(distinct)] == distinct


def test_the_residual_never_grows_and_the_coreset_is_no_larger_than_the_batch(rng_key):
    features = normal(0, 50, 8)
    coreset = jax.device_get(frank_wolfe(rng_key, features, np.ones(50, bool), num_iterations=40)[0])
    assert (np.diff(coreset.residual_norms) <= 1e-4).all()
    assert coreset.residual_norms[-1] < 0.3 * coreset.residual_norms[0]
    assert 0 < (coreset.weights > 0).sum() <= 40
    norms = np.linalg.norm(features, axis=1)
    assert 0 < coreset.weights @ norms <= 1.0001 * norms.sum()


def test_places_left_by_points_visited_twice_go_to_other_points(rng_key):
    # In one dimension the first vertex is the whole sum: every further iteration stays there.
    chosen = acs_fw(rng_key, jnp.array([[1.0], [2.0], [3.0]]), jnp.ones(3, bool), batch_size=3)
    assert sorted(chosen.indices.tolist()) == [0, 1, 2]
    np.testing.assert_allclose(chosen.scores.tolist()[0], 6.0, rtol=1e-6)


def test_points_without_features_come_last(rng_key):
    chosen = acs_fw(rng_key, jnp.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), jnp.ones(3, bool), batch_size=3)
    assert chosen.indices.tolist()[-1] == 0


def test_features_that_are_not_finite_are_counted_and_never_chosen(rng_key):
    features = normal(0, 6, 3)
    features[2, 0] = np.nan
    chosen = acs_fw(rng_key, jax.device_put(features), jnp.ones(6, bool), batch_size=6)
    assert int(chosen.num_invalid) == 1
    assert sorted(chosen.indices.tolist()) == [0, 1, 3, 4, 5, 6]


def test_likelihood_features_are_the_expectation_under_the_mean_prediction():
    log_probs = log_softmax(normal(0, 4, 5, 3), axis=-1)
    probs = np.exp(log_probs.astype(np.float64))
    mean = probs.mean(axis=0)
    entropy = -(mean * np.log(mean)).sum(axis=-1)
    features = np.asarray(log_likelihood_features(log_probs))
    expected = ((mean * np.log(probs)).sum(axis=-1) + entropy).T / 2
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-6)
    # The entropy of the mean plus an expected log-likelihood under it: less than 0 on average by a mean divergence.
    assert (features.mean(axis=1) <= entropy).all()
    saturated = np.array([[[0.0, -np.inf]], [[-np.inf, 0.0]]], np.float32)
    assert np.isfinite(log_likelihood_features(saturated)).all()
