"""Metrics against scikit-learn, hand calculation and their limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm, spearmanr
from sklearn.metrics import average_precision_score, jaccard_score, log_loss, r2_score, roc_auc_score

from bal import metrics

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
    nll = metrics.weighted_mean(metrics.negative_log_prob(log_probs, labels), WEIGHTS)
    np.testing.assert_allclose(nll, log_loss(labels, probs), rtol=1e-5)
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
    for filling in (-jnp.inf, jnp.nan):
        spoilt = jnp.where(weights[:, None] > 0, log_probs, filling)
        for name in ("accuracy", "brier", "ece", "auc"):
            whole = getattr(metrics, name)(log_probs[:120], labels[:120], WEIGHTS[:120])
            np.testing.assert_allclose(getattr(metrics, name)(spoilt, labels, weights), whole, rtol=1e-5)


def test_a_certain_error_has_a_finite_nll():
    assert jnp.isfinite(metrics.negative_log_prob(jnp.log(jnp.array([[1.0, 0.0]])), jnp.array([1]))[0])


def test_mean_iou_equals_scikit_learn_and_leaves_out_classes_without_a_union(predictions):
    log_probs, labels = predictions
    predicted = np.asarray(log_probs.argmax(axis=1))
    counts = metrics.class_counts(log_probs, labels, WEIGHTS)
    np.testing.assert_allclose(metrics.mean_iou(counts), jaccard_score(labels, predicted, average="macro"), rtol=1e-5)
    wider = jnp.pad(counts, ((0, 0), (0, 2)))
    np.testing.assert_allclose(metrics.mean_iou(wider), metrics.mean_iou(counts), rtol=1e-6)


def test_gaussian_metrics_equal_their_formulas():
    mean, variance, labels = jnp.array([0.0, 1.0]), jnp.array([1.0, 4.0]), jnp.array([1.0, 3.0])
    np.testing.assert_allclose(metrics.rmse(mean, labels, jnp.ones(2)), np.sqrt((1 + 4) / 2), rtol=1e-6)
    expected = -norm.logpdf([1.0, 3.0], [0.0, 1.0], [1.0, 2.0])
    np.testing.assert_allclose(metrics.negative_log_density(mean, variance, labels), expected, rtol=1e-6)


@pytest.mark.parametrize(("mean", "scale", "label"), [(0.0, 1.0, 0.3), (2.0, 0.1, 1.5), (-1.0, 3.0, 8.0)])
def test_crps_is_the_integral_of_the_squared_distance_of_the_distributions(mean, scale, label):
    below, _ = quad(lambda t: norm.cdf(t, mean, scale) ** 2, mean - 40 * scale, label, epsabs=1e-10)
    above, _ = quad(lambda t: norm.sf(t, mean, scale) ** 2, label, mean + 40 * scale, epsabs=1e-10)
    actual = metrics.crps(*(jnp.array([value]) for value in (mean, scale**2, label)))
    np.testing.assert_allclose(actual[0], below + above, rtol=1e-5)


def test_crps_of_a_certain_prediction_is_its_absolute_error():
    np.testing.assert_allclose(metrics.crps(jnp.zeros(2), jnp.zeros(2), jnp.array([0.0, -3.0])), [0.0, 3.0])


def test_the_central_interval_holds_its_share_of_draws():
    draws = 1 + 2 * jax.random.normal(jax.random.key(0), (20_000,))
    inside = metrics.in_interval(jnp.ones(20_000), jnp.full(20_000, 4.0), draws, level=0.8)
    assert abs(inside.mean() - 0.8) < 5 * np.sqrt(0.8 * 0.2 / 20_000)


def test_r2_and_quantiles_equal_scikit_learn_and_numpy():
    rng = np.random.default_rng(0)
    # Labels far from 0: a difference of large sums would leave nothing of their variance in float32.
    labels = rng.normal(1000.0, 1.0, 83).astype(np.float32)
    mean = (labels + rng.normal(size=83)).astype(np.float32)
    weights = rng.integers(0, 3, 83).astype(np.float32)
    arrays = [jnp.asarray(x) for x in (mean, labels, weights)]
    expected = r2_score(labels.astype(np.float64), mean.astype(np.float64), sample_weight=weights)
    np.testing.assert_allclose(metrics.r2(*arrays), expected, rtol=1e-4)
    errors = np.abs(mean - labels)
    spoilt = jnp.where(arrays[2] > 0, jnp.asarray(errors), jnp.nan)
    for level in (0.0, 0.52, 0.953, 1.0):
        expected = np.quantile(errors[weights > 0], level, method="inverted_cdf", weights=weights[weights > 0])
        assert metrics.weighted_quantile(spoilt, arrays[2], level) == expected
    assert jnp.isnan(metrics.weighted_quantile(spoilt, jnp.zeros(83), 0.5))


def test_average_precision_equals_scikit_learn_with_ties_and_weights():
    rng = np.random.default_rng(0)
    for levels in (5, 1000):  # many ties, few ties
        positive, scores = rng.random(60) < 0.4, rng.integers(0, levels, 60).astype(np.float32)
        weights = rng.integers(0, 3, 60).astype(np.float32)
        expected = average_precision_score(positive, scores, sample_weight=weights)
        spoilt = np.where(weights > 0, scores, np.nan)
        arrays = [jnp.asarray(x) for x in (spoilt, positive, weights)]
        np.testing.assert_allclose(metrics.average_precision(*arrays), expected, rtol=1e-5)
    assert jnp.isnan(metrics.average_precision(arrays[0], jnp.zeros(60, bool), arrays[2]))


def test_recall_at_budget_is_the_share_found_in_the_mean_over_orders_of_ties():
    rng = np.random.default_rng(1)
    recall = jax.jit(metrics.recall_at_budget)
    for levels in (5, 1000):  # many ties, few ties
        positive, scores = rng.random(60) < 0.2, rng.integers(0, levels, 60).astype(np.float32)
        weights = rng.integers(0, 3, 60).astype(np.float32)
        points = np.repeat(np.arange(60), weights.astype(int))  # a point of weight 2 is two points
        # Orders of equal scores, drawn at random.
        keys = rng.random((4000, len(points)))
        orders = points[np.lexsort((keys, np.broadcast_to(-scores[points], keys.shape)), axis=-1)]
        spoilt = np.where(weights > 0, scores, np.nan)
        for budget in (0, 7, 30, len(points), 100):
            found = positive[orders[:, :budget]].sum(axis=1) / positive[points].sum()
            tolerance = 5 * found.std() / np.sqrt(len(found)) + 1e-6
            np.testing.assert_allclose(recall(spoilt, positive, weights, budget), found.mean(), atol=tolerance)
    assert jnp.isnan(recall(spoilt, np.zeros(60, bool), weights, 7))


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
