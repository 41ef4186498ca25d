"""Frank-Wolfe coresets against a slow loop from the paper."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.information import entropy, log_mean_exp
from bal.selection import acs_fw, log_likelihood_features
from bal.selection.information._acs_fw import frank_wolfe


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
    features = jax.random.normal(jax.random.key(seed), (20, 6)) + 0.5
    weights, visits, residuals = slow_frank_wolfe(np.asarray(features, np.float64), 8)
    coreset, _ = frank_wolfe(rng_key, features, jnp.ones(20, bool), num_iterations=8)
    np.testing.assert_allclose(coreset.weights, weights, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(coreset.residual_norms, residuals, rtol=1e-4)
    distinct = list(dict.fromkeys(visits))
    selection = acs_fw(rng_key, features, jnp.ones(20, bool), batch_size=8)
    assert selection.indices[: len(distinct)].tolist() == distinct


def test_the_residual_never_grows_and_the_coreset_is_no_larger_than_the_batch(rng_key):
    features = jax.random.normal(rng_key, (50, 8))
    coreset, _ = frank_wolfe(rng_key, features, jnp.ones(50, bool), num_iterations=40)
    assert (np.diff(coreset.residual_norms) <= 1e-4).all()
    assert coreset.residual_norms[-1] < 0.3 * coreset.residual_norms[0]
    assert 0 < int((coreset.weights > 0).sum()) <= 40
    norms = jnp.linalg.norm(features, axis=1)
    assert 0 < coreset.weights @ norms <= 1.0001 * norms.sum()


def test_places_left_by_points_visited_twice_go_to_other_points(rng_key):
    # In one dimension the first vertex is the whole sum: every further iteration stays there.
    selection = acs_fw(rng_key, jnp.array([[1.0], [2.0], [3.0]]), jnp.ones(3, bool), batch_size=3)
    assert sorted(selection.indices.tolist()) == [0, 1, 2]
    np.testing.assert_allclose(selection.scores[0], 6.0, rtol=1e-6)


def test_points_without_features_come_last(rng_key):
    selection = acs_fw(rng_key, jnp.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), jnp.ones(3, bool), batch_size=3)
    assert selection.indices[-1] == 0


def test_features_that_are_not_finite_are_counted_and_never_chosen(rng_key):
    features = jax.random.normal(rng_key, (6, 3)).at[2, 0].set(jnp.nan)
    selection = acs_fw(rng_key, features, jnp.ones(6, bool), batch_size=6)
    assert int(selection.num_invalid) == 1
    assert sorted(selection.indices.tolist()) == [0, 1, 3, 4, 5, 6]


def test_likelihood_features_are_the_expectation_under_the_mean_prediction(rng_key):
    log_probs = jax.nn.log_softmax(jax.random.normal(rng_key, (4, 5, 3)))
    probs = np.exp(np.asarray(log_probs, np.float64))
    mean = probs.mean(axis=0)
    expected = ((mean * np.log(probs)).sum(axis=-1) - (mean * np.log(mean)).sum(axis=-1)).T / 2
    np.testing.assert_allclose(log_likelihood_features(log_probs), expected, rtol=1e-4, atol=1e-6)
    # The entropy of the mean plus an expected log-likelihood under it: less than 0 on average by a mean divergence.
    assert (log_likelihood_features(log_probs).mean(axis=1) <= entropy(log_mean_exp(log_probs))).all()
    saturated = jnp.log(jnp.array([[[1.0, 0.0]], [[0.0, 1.0]]]))
    assert jnp.isfinite(log_likelihood_features(saturated)).all()
