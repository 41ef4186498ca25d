"""Metrics against scikit-learn, hand calculation and their limits."""

import functools
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import log_softmax
from scipy.stats import norm, spearmanr
from sklearn.metrics import average_precision_score, f1_score, jaccard_score, log_loss, r2_score, roc_auc_score

import bal

# One program for each shape, where each operation by itself would be one.
public = {name: getattr(bal.metrics, name) for name in bal.metrics.__all__}
of_arrays = {name: jax.jit(item) for name, item in public.items() if callable(item) and name != "dyadic_sets"}
metrics = SimpleNamespace(**of_arrays)


def ones(length):
    return np.ones(length, np.float32)


def floats(*values):
    return np.array(values, np.float32)


WEIGHTS = ones(200)


@pytest.fixture(scope="module")
def predictions():
    generator = np.random.default_rng(3)
    labels = generator.integers(0, 4, 200)
    outputs = generator.normal(size=(200, 4)) + np.eye(4)[labels]
    return log_softmax(outputs, axis=-1).astype(np.float32), labels


def test_classification_metrics_equal_scikit_learn(predictions):
    log_probs, labels = predictions
    probs = np.exp(log_probs.astype(np.float64))
    probs /= probs.sum(axis=1, keepdims=True)
    nll = metrics.weighted_mean(metrics.negative_log_prob(log_probs, labels), WEIGHTS)
    np.testing.assert_allclose(nll, log_loss(labels, probs), rtol=1e-5)
    expected = roc_auc_score(labels, probs, multi_class="ovr")
    np.testing.assert_allclose(metrics.auc(log_probs, labels, WEIGHTS), expected, rtol=1e-5)
    brier = ((probs - np.eye(4)[labels]) ** 2).sum(axis=1).mean()
    np.testing.assert_allclose(metrics.brier(log_probs, labels, WEIGHTS), brier, rtol=1e-5)
    assert metrics.accuracy(log_probs, labels, WEIGHTS) == np.float32((probs.argmax(axis=1) == labels).mean())


def test_auc_counts_ties_half_and_is_that_of_class_one_for_two_classes():
    scores, labels = floats(0.1, 0.4, 0.4, 0.8), np.array([0, 0, 1, 1])
    log_probs = np.log(np.stack([1 - scores, scores], axis=-1))
    np.testing.assert_allclose(metrics.auc(log_probs, labels, ones(4)), roc_auc_score(labels, scores), rtol=1e-6)


def test_classes_that_nothing_carries_are_left_out_of_the_auc(predictions):
    log_probs, labels = predictions
    only_two = np.minimum(labels, 1)
    expected = np.mean([roc_auc_score(only_two == c, np.exp(log_probs)[:, c]) for c in (0, 1)])
    np.testing.assert_allclose(metrics.auc(log_probs, only_two, WEIGHTS), expected, rtol=1e-5)


def test_ece_is_the_gap_of_each_bin():
    confidence = floats(0.95, 0.95, 0.55, 0.55)
    log_probs = np.log(np.stack([confidence, 1 - confidence], axis=-1))
    labels = np.array([0, 1, 0, 0])  # accuracy .5 at confidence .95, 1 at .55
    np.testing.assert_allclose(metrics.ece(log_probs, labels, ones(4)), (0.45 + 0.45) / 2, rtol=1e-5)


def test_points_of_weight_zero_do_not_count(predictions):
    log_probs, labels = predictions
    weights = (np.arange(200) < 120).astype(np.float32)
    for filling in (-np.inf, np.nan):
        spoilt = np.where(weights[:, None] > 0, log_probs, np.float32(filling))
        for name in ("accuracy", "brier", "ece", "auc"):
            whole = getattr(metrics, name)(log_probs[:120], labels[:120], WEIGHTS[:120])
            np.testing.assert_allclose(getattr(metrics, name)(spoilt, labels, weights), whole, rtol=1e-5)


def test_a_certain_error_has_a_finite_nll():
    assert np.isfinite(metrics.negative_log_prob(floats([0.0, -np.inf]), np.array([1]))).all()


def test_iou_and_dice_equal_scikit_learn_and_are_nan_for_classes_without_a_union(predictions):
    log_probs, labels = predictions
    predicted = np.asarray(log_probs.argmax(axis=1))
    counts = np.pad(np.asarray(metrics.class_counts(log_probs, labels, WEIGHTS)), ((0, 0), (0, 2)))
    for metric, reference in ((metrics.iou, jaccard_score), (metrics.dice, f1_score)):
        values = np.asarray(metric(counts))
        np.testing.assert_allclose(values[:-2], reference(labels, predicted, average=None), rtol=1e-5)
        assert np.isnan(values[-2:]).all()


def test_ause_equals_a_loop_over_what_is_left():
    generator = np.random.default_rng(0)
    errors, uncertainty = generator.exponential(size=(2, 30)).astype(np.float32)
    counted = np.arange(30) % 5 != 0

    def curve(ranks):
        order = np.argsort(ranks[counted])
        return np.array([errors[counted][order[:k]].mean() for k in range(1, counted.sum() + 1)])

    expected = (curve(uncertainty) - curve(errors)).mean() / errors[counted].mean()
    spoilt = np.where(counted, errors, np.nan)
    compute = metrics.ause
    np.testing.assert_allclose(compute(spoilt, uncertainty, counted.astype(np.float32)), expected, rtol=1e-5)
    np.testing.assert_allclose(compute(errors, 3 * errors, np.ones(30, np.float32)), 0.0, atol=1e-6)
    assert float(compute(errors, -errors, np.ones(30, np.float32))) > expected
    assert float(compute(0 * errors, uncertainty, np.ones(30, np.float32))) == 0
    assert np.isnan(compute(errors, uncertainty, np.zeros(30, np.float32)))


def test_gaussian_metrics_equal_their_formulas():
    mean, variance, labels = floats(0.0, 1.0), floats(1.0, 4.0), floats(1.0, 3.0)
    np.testing.assert_allclose(metrics.rmse(mean, labels, ones(2)), np.sqrt((1 + 4) / 2), rtol=1e-6)
    expected = -norm.logpdf([1.0, 3.0], [0.0, 1.0], [1.0, 2.0])
    np.testing.assert_allclose(metrics.negative_log_density(mean, variance, labels), expected, rtol=1e-6)


@pytest.mark.parametrize(("mean", "scale", "label"), [(0.0, 1.0, 0.3), (2.0, 0.1, 1.5), (-1.0, 3.0, 8.0)])
def test_crps_is_the_integral_of_the_squared_distance_of_the_distributions(mean, scale, label):
    below, _ = quad(lambda t: norm.cdf(t, mean, scale) ** 2, mean - 40 * scale, label, epsabs=1e-10)
    above, _ = quad(lambda t: norm.sf(t, mean, scale) ** 2, label, mean + 40 * scale, epsabs=1e-10)
    actual = metrics.crps(floats(mean), floats(scale**2), floats(label))
    np.testing.assert_allclose(actual, [below + above], rtol=1e-5)


def test_crps_of_a_certain_prediction_is_its_absolute_error():
    np.testing.assert_allclose(metrics.crps(floats(0.0, 0.0), floats(0.0, 0.0), floats(0.0, -3.0)), [0.0, 3.0])


def test_the_central_interval_holds_its_share_of_draws():
    draws = (1 + 2 * np.random.default_rng(0).normal(size=20_000)).astype(np.float32)
    in_interval = jax.jit(functools.partial(bal.metrics.in_interval, level=0.8))
    inside = in_interval(ones(20_000), 4 * ones(20_000), draws)
    assert abs(np.mean(inside) - 0.8) < 5 * np.sqrt(0.8 * 0.2 / 20_000)


def test_r2_and_quantiles_equal_scikit_learn_and_numpy():
    rng = np.random.default_rng(0)
    # Labels far from 0: a difference of large sums would leave nothing of their variance in float32.
    labels = rng.normal(1000.0, 1.0, 83).astype(np.float32)
    mean = (labels + rng.normal(size=83)).astype(np.float32)
    weights = rng.integers(0, 3, 83).astype(np.float32)
    expected = r2_score(labels.astype(np.float64), mean.astype(np.float64), sample_weight=weights)
    np.testing.assert_allclose(metrics.r2(mean, labels, weights), expected, rtol=1e-4)
    errors = np.abs(mean - labels)
    spoilt = np.where(weights > 0, errors, np.float32(np.nan))
    for level in (0.0, 0.52, 0.953, 1.0):
        expected = np.quantile(errors[weights > 0], level, method="inverted_cdf", weights=weights[weights > 0])
        assert metrics.weighted_quantile(spoilt, weights, level) == expected
    assert np.isnan(metrics.weighted_quantile(spoilt, np.zeros_like(weights), 0.5))


def test_average_precision_equals_scikit_learn_with_ties_and_weights():
    rng = np.random.default_rng(0)
    for levels in (5, 1000):  # many ties, few ties
        positive, scores = rng.random(60) < 0.4, rng.integers(0, levels, 60).astype(np.float32)
        weights = rng.integers(0, 3, 60).astype(np.float32)
        expected = average_precision_score(positive, scores, sample_weight=weights)
        spoilt = np.where(weights > 0, scores, np.float32(np.nan))
        np.testing.assert_allclose(metrics.average_precision(spoilt, positive, weights), expected, rtol=1e-5)
    assert np.isnan(metrics.average_precision(spoilt, np.zeros(60, bool), weights))


def test_recall_at_budget_is_the_share_found_in_the_mean_over_orders_of_ties():
    rng = np.random.default_rng(1)
    recall = metrics.recall_at_budget
    for levels in (5, 1000):  # many ties, few ties
        positive, scores = rng.random(60) < 0.2, rng.integers(0, levels, 60).astype(np.float32)
        weights = rng.integers(0, 3, 60).astype(np.float32)
        points = np.repeat(np.arange(60), weights.astype(int))  # a point of weight 2 is two points
        # Orders of equal scores, drawn at random.
        keys = rng.random((4000, len(points)))
        orders = points[np.lexsort((keys, np.broadcast_to(-scores[points], keys.shape)), axis=-1)]
        spoilt = np.where(weights > 0, scores, np.float32(np.nan))
        for budget in (0, 7, 30, len(points), 100):
            found = positive[orders[:, :budget]].sum(axis=1) / positive[points].sum()
            tolerance = 5 * found.std() / np.sqrt(len(found)) + 1e-6
            np.testing.assert_allclose(recall(spoilt, positive, weights, budget), found.mean(), atol=tolerance)
    assert np.isnan(recall(spoilt, np.zeros(60, bool), weights, 7))


def test_spearman_equals_scipy_with_ties_and_leaves_out_padding():
    rng = np.random.default_rng(0)
    for levels in (5, 1000):  # many ties, few ties
        a = rng.integers(0, levels, 200)
        b = np.where(rng.random(200) < 0.5, a, rng.integers(0, levels, 200))
        weights = (np.arange(200) < 150).astype(np.float32)
        a[160], b[170] = 10**6, -(10**6)
        expected = spearmanr(a[:150], b[:150]).statistic
        a, b = a.astype(np.float32), b.astype(np.float32)
        np.testing.assert_allclose(metrics.spearman(a, b, weights), expected, rtol=1e-5)
        spoilt = np.where(weights > 0, a, np.float32(np.nan))
        np.testing.assert_allclose(metrics.spearman(spoilt, b, weights), expected, rtol=1e-5)


def test_spearman_knows_order_only():
    values, weights = floats(0.3, -2.0, 5.0, 1.0), ones(4)
    np.testing.assert_allclose(metrics.spearman(values, np.exp(values), weights), 1.0, rtol=1e-6)
    np.testing.assert_allclose(metrics.spearman(values, -values, weights), -1.0, rtol=1e-6)
    assert np.isnan(metrics.spearman(values, weights, weights))


def test_spearman_counts_a_point_as_often_as_its_weight_says():
    a, b = floats(1.0, 2.0, 3.0, 4.0), floats(2.0, 1.0, 4.0, 3.0)
    weights = np.array([1, 3, 2, 1])
    repeated = [np.repeat(values, weights) for values in (a, b)]
    expected = spearmanr(*repeated).statistic
    np.testing.assert_allclose(metrics.spearman(a, b, weights.astype(np.float32)), expected, rtol=1e-5)
