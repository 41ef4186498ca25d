"""Metrics against scikit-learn, hand calculation and their limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import log_loss, roc_auc_score

from bal import likelihoods, metrics
from bal.types import Gaussian

WEIGHTS = jnp.ones(200)


@pytest.fixture
def predictions():
    key_outputs, key_labels = jax.random.split(jax.random.key(3))
    labels = jax.random.randint(key_labels, (200,), 0, 4)
    outputs = jax.random.normal(key_outputs, (200, 4)) + jax.nn.one_hot(labels, 4)
    return jax.nn.log_softmax(outputs), labels


def test_classification_metrics_equal_scikit_learn(predictions):
    log_probs, labels = predictions
    probs = np.exp(log_probs).astype(np.float64)
    probs /= probs.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(metrics.nll(log_probs, labels, WEIGHTS), log_loss(labels, probs), rtol=1e-5)
    expected = roc_auc_score(labels, probs, multi_class="ovr")
    np.testing.assert_allclose(metrics.auc(log_probs, labels, WEIGHTS), expected, rtol=1e-5)
    brier = ((probs - np.eye(4)[labels]) ** 2).sum(axis=1).mean()
    np.testing.assert_allclose(metrics.brier(log_probs, labels, WEIGHTS), brier, rtol=1e-5)
    assert metrics.accuracy(log_probs, labels, WEIGHTS) == (probs.argmax(axis=1) == np.asarray(labels)).mean()


def test_auc_counts_ties_half_and_is_that_of_class_one_for_two_classes():
    scores, labels = jnp.array([0.1, 0.4, 0.4, 0.8]), jnp.array([0, 0, 1, 1])
    log_probs = jnp.log(jnp.stack([1 - scores, scores], axis=-1))
    np.testing.assert_allclose(metrics.auc(log_probs, labels, jnp.ones(4)), roc_auc_score(labels, scores), rtol=1e-6)


def test_classes_that_nothing_carries_are_left_out_of_the_auc(predictions):
    log_probs, labels = predictions
    only_two = jnp.minimum(labels, 1)
    expected = np.mean([roc_auc_score(np.asarray(only_two) == c, np.exp(log_probs)[:, c]) for c in (0, 1)])
    np.testing.assert_allclose(metrics.auc(log_probs, only_two, WEIGHTS), expected, rtol=1e-5)


def test_ece_is_the_gap_of_each_bin():
    confidence = jnp.array([0.95, 0.95, 0.55, 0.55])
    log_probs = jnp.log(jnp.stack([confidence, 1 - confidence], axis=-1))
    labels = jnp.array([0, 1, 0, 0])  # accuracy .5 at confidence .95, 1 at .55
    np.testing.assert_allclose(metrics.ece(log_probs, labels, jnp.ones(4)), (0.45 + 0.45) / 2, rtol=1e-5)


def test_points_of_weight_zero_do_not_count(predictions):
    log_probs, labels = predictions
    weights = (jnp.arange(200) < 120).astype(jnp.float32)
    spoilt = jnp.where(weights[:, None] > 0, log_probs, -jnp.inf)
    for name in ("accuracy", "nll", "brier", "ece", "auc"):
        whole = getattr(metrics, name)(log_probs[:120], labels[:120], WEIGHTS[:120])
        np.testing.assert_allclose(getattr(metrics, name)(log_probs, labels, weights), whole, rtol=1e-5)
    np.testing.assert_allclose(metrics.nll(spoilt, labels, weights), metrics.nll(log_probs, labels, weights), rtol=1e-6)


def test_a_certain_error_has_a_finite_nll():
    assert jnp.isfinite(metrics.nll(jnp.log(jnp.array([[1.0, 0.0]])), jnp.array([1]), jnp.ones(1)))


def test_gaussian_metrics_equal_their_formulas():
    gaussian = Gaussian(jnp.array([0.0, 1.0]), jnp.array([1.0, 4.0]))
    labels = jnp.array([1.0, 3.0])
    np.testing.assert_allclose(metrics.rmse(gaussian, labels, jnp.ones(2)), np.sqrt((1 + 4) / 2), rtol=1e-6)
    expected = np.mean(0.5 * np.log(2 * np.pi * np.array([1, 4])) + 0.5 * np.array([1.0, 4 / 4]))
    np.testing.assert_allclose(metrics.nll(gaussian, labels, jnp.ones(2)), expected, rtol=1e-6)


def test_the_mixture_of_gaussian_draws_has_the_variance_of_both_kinds(rng_key):
    draws = Gaussian(jax.random.normal(rng_key, (50, 3)), jnp.full((50, 3), 0.25))
    reduced = likelihoods.gaussian().reduce(draws)
    np.testing.assert_allclose(reduced.variance, draws.mean.var(axis=0) + 0.25, rtol=1e-5)


def test_losses_are_negative_log_probabilities_of_the_labels(rng_key):
    outputs = jax.random.normal(rng_key, (5, 3))
    labels = jnp.array([0, 2, 1, 1, 0])
    expected = -np.log(np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True))[range(5), labels]
    np.testing.assert_allclose(likelihoods.categorical().loss((), outputs, labels), expected, rtol=1e-5)
    gaussian = likelihoods.gaussian(initial_noise=2.0)
    loss = gaussian.loss(gaussian.init(rng_key), jnp.array([[1.0]]), jnp.array([2.0]))
    np.testing.assert_allclose(loss[0], 0.5 * np.log(2 * np.pi * 4) + 0.5 / 4, rtol=1e-6)


def test_spearman_equals_scipy_with_ties_and_leaves_out_padding(rng_key):
    rng = np.random.default_rng(0)
    for levels in (5, 1000):  # many ties, few ties
        a = rng.integers(0, levels, 200)
        b = np.where(rng.random(200) < 0.5, a, rng.integers(0, levels, 200))
        weights = (np.arange(200) < 150).astype(np.float32)
        a[160], b[170] = 10**6, -(10**6)
        expected = spearmanr(a[:150], b[:150]).statistic
        arrays = [jnp.asarray(x, jnp.float32) for x in (a, b, weights)]
        np.testing.assert_allclose(metrics.spearman(*arrays), expected, rtol=1e-5)
        spoilt = jnp.where(arrays[2] > 0, arrays[0], jnp.nan)
        np.testing.assert_allclose(metrics.spearman(spoilt, *arrays[1:]), expected, rtol=1e-5)


def test_spearman_knows_order_only():
    values, ones = jnp.array([0.3, -2.0, 5.0, 1.0]), jnp.ones(4)
    np.testing.assert_allclose(metrics.spearman(values, jnp.exp(values), ones), 1.0, rtol=1e-6)
    np.testing.assert_allclose(metrics.spearman(values, -values, ones), -1.0, rtol=1e-6)
    assert jnp.isnan(metrics.spearman(values, ones, ones))


def test_spearman_counts_a_point_as_often_as_its_weight_says():
    a, b = jnp.array([1.0, 2.0, 3.0, 4.0]), jnp.array([2.0, 1.0, 4.0, 3.0])
    weights = jnp.array([1, 3, 2, 1])
    repeated = [jnp.repeat(values, weights) for values in (a, b)]
    expected = spearmanr(*repeated).statistic
    np.testing.assert_allclose(metrics.spearman(a, b, weights.astype(jnp.float32)), expected, rtol=1e-5)


def test_labels_of_the_wrong_kind_are_refused():
    with pytest.raises(ValueError, match="integer"):
        likelihoods.categorical().check_labels(jnp.zeros(3))
    with pytest.raises(ValueError, match="floating"):
        likelihoods.gaussian().check_labels(jnp.zeros(3, jnp.int32))
    with pytest.raises(ValueError, match="initial_noise"):
        likelihoods.gaussian(initial_noise=0.0)
