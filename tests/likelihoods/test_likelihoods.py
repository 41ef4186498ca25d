"""Losses, moments and figures of single likelihoods against their formulas and scikit-learn."""

import jax
import numpy as np
import pytest
from scipy.special import expit, log_softmax
from scipy.stats import norm
from sklearn.metrics import average_precision_score, brier_score_loss, jaccard_score, mean_absolute_error, roc_auc_score

from bal import acquisition, metrics
from bal.likelihoods import bernoulli, categorical, dense, gaussian, heteroscedastic_gaussian
from bal.types import Gaussian
from tests.likelihoods.cases import case, compiled

epistemic_variance, gaussian_bald, total_variance = (
    jax.jit(score) for score in (acquisition.epistemic_variance, acquisition.gaussian_bald, acquisition.total_variance)
)


def figures_of(likelihood, predictive, labels):
    return likelihood.figures(likelihood.tally(predictive, labels, np.ones(len(labels), np.float32)))


def test_losses_are_negative_log_probabilities_of_the_labels(rng_key):
    outputs = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    labels = np.array([0, 2, 1, 1, 0])
    expected = -log_softmax(outputs, axis=1)[range(5), labels]
    np.testing.assert_allclose(compiled(categorical()).loss((), outputs, labels), expected, rtol=1e-5)
    one, two = np.array([[1.0]], np.float32), np.array([2.0], np.float32)
    likelihood = compiled(gaussian(initial_noise=2.0))
    loss = likelihood.loss(likelihood.init(rng_key), one, two)
    np.testing.assert_allclose(loss, [-norm.logpdf(2.0, 1.0, 2.0)], rtol=1e-6)
    loss = compiled(heteroscedastic_gaussian()).loss((), np.array([[1.0, 2 * np.log(3.0)]], np.float32), two)
    np.testing.assert_allclose(loss, [-norm.logpdf(2.0, 1.0, 3.0)], rtol=1e-6)


def test_categorical_figures_are_the_metrics_of_the_same_name():
    likelihood, outputs, labels = case("categorical", (50,))
    log_probs = log_softmax(outputs, axis=-1)
    figures = figures_of(likelihood, log_probs, labels)
    assert set(figures) == {"accuracy", "nll", "brier", "ece", "auc"}
    for name in ("accuracy", "brier", "ece", "auc"):
        expected = jax.jit(getattr(metrics, name))(log_probs, labels, np.ones(50, np.float32))
        np.testing.assert_allclose(figures[name], expected, rtol=1e-6)


def test_categorical_figures_of_two_classes_have_the_average_precision_of_class_one():
    rng = np.random.default_rng(0)
    labels = (rng.random(50) < 0.1).astype(np.int32)
    log_odds = rng.normal(size=50) + 2 * labels
    # Probabilities above 1 - 1e-8 are 1 in single precision; their order must be kept.
    log_odds = (log_odds + 25).astype(np.float32)
    log_probs = -np.logaddexp(0, np.stack([log_odds, -log_odds], axis=-1))
    figures = figures_of(compiled(categorical()), log_probs.astype(np.float32), labels)
    np.testing.assert_allclose(figures["average_precision"], average_precision_score(labels, log_odds), rtol=1e-5)


def test_bernoulli_figures_equal_scikit_learn():
    likelihood, outputs, labels = case("bernoulli", (60,))
    probs, truth = expit(outputs.astype(np.float64)), labels
    figures = figures_of(likelihood, likelihood.predictive((), outputs), labels)
    np.testing.assert_allclose(figures["auc"], roc_auc_score(truth, probs, average="macro"), rtol=1e-5)
    expected = average_precision_score(truth, probs, average="macro")
    np.testing.assert_allclose(figures["average_precision"], expected, rtol=1e-5)
    np.testing.assert_allclose(figures["accuracy"], ((probs > 0.5) == truth).mean(), rtol=1e-6)
    np.testing.assert_allclose(figures["brier"], brier_score_loss(truth.ravel(), probs.ravel()), rtol=1e-5)
    nll = -np.where(truth == 1, np.log(probs), np.log1p(-probs)).sum(axis=1).mean()
    np.testing.assert_allclose(figures["nll"], nll, rtol=1e-5)


def test_saturated_outputs_of_a_bernoulli_lose_neither_probability():
    likelihood, outputs, labels = compiled(bernoulli()), np.array([[60.0, -60.0]], np.float32), np.array([[0, 1]])
    log_probs = np.asarray(likelihood.predictive((), outputs))
    np.testing.assert_allclose(log_probs[0, :, 0], [-60.0, -np.exp(-60.0)], rtol=1e-5, atol=1e-30)
    np.testing.assert_allclose(likelihood.loss((), outputs, labels), [120.0], rtol=1e-6)
    assert np.isfinite(jax.jit(jax.grad(lambda o: likelihood.loss((), o, labels).sum()))(outputs)).all()
    certain = np.array([[[0.0, -np.inf]]], np.float32)
    assert np.isfinite(likelihood.nll(likelihood.reduce(certain[None]), np.array([[1]]))).all()


def test_gaussian_figures_equal_scikit_learn_in_the_original_unit():
    unit = 5.0
    _, outputs, labels = case("gaussian", (97,))
    mean, truth = outputs[:, 0].astype(np.float64), labels.astype(np.float64)
    scale = np.exp(np.random.default_rng(2).normal(size=97))
    predictive = Gaussian(outputs[:, 0], (scale**2).astype(np.float32))
    figures = figures_of(compiled(gaussian(unit=unit)), predictive, labels)
    errors = np.abs(mean - truth)
    expected = {
        "rmse": unit * np.sqrt((errors**2).mean()),
        "mae": mean_absolute_error(unit * truth, unit * mean),
        "nll": -norm.logpdf(unit * truth, unit * mean, unit * scale).mean(),
        "crps": unit * np.mean(jax.jit(metrics.crps)(mean, scale**2, truth)),
        "coverage_90": (np.abs(norm.cdf(truth, mean, scale) - 0.5) <= 0.45).mean(),
        "error_q95": unit * np.quantile(errors, 0.95, method="inverted_cdf"),
        "error_q99": unit * np.quantile(errors, 0.99, method="inverted_cdf"),
        "r2": 1 - (errors**2).sum() / ((truth - truth.mean()) ** 2).sum(),
    }
    assert set(figures) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(figures[name], value, rtol=1e-4, err_msg=name)


def test_the_mixture_of_gaussian_draws_has_the_variance_of_both_kinds():
    means = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    reduced = compiled(gaussian()).reduce(Gaussian(means, np.full_like(means, 0.25)))
    np.testing.assert_allclose(reduced.variance, means.var(axis=0) + 0.25, rtol=1e-5)


def test_a_known_noise_is_not_learned(rng_key):
    likelihood = compiled(gaussian(noise=0.5))
    assert likelihood.init(rng_key) == ()
    np.testing.assert_allclose(likelihood.predictive((), np.ones((3, 1), np.float32)).variance, 0.25)


def test_more_noise_at_a_point_means_less_bald_and_more_variance():
    likelihood = compiled(heteroscedastic_gaussian())
    means = np.tile(np.random.default_rng(0).normal(size=(20, 1)), (1, 3))
    outputs = np.stack([means, np.tile([-2.0, 0.0, 2.0], (20, 1))], axis=-1).astype(np.float32)
    predictions = jax.jit(jax.vmap(likelihood.predictive, in_axes=(None, 0)))((), outputs)
    np.testing.assert_allclose(epistemic_variance(predictions), means.var(axis=0), rtol=1e-5)
    assert (np.diff(gaussian_bald(predictions)) < 0).all()
    assert (np.diff(total_variance(predictions)) > 0).all()
    np.testing.assert_allclose(likelihood.reduce(predictions).variance, total_variance(predictions), rtol=1e-5)


def test_a_tiny_predicted_noise_is_not_rounded_to_zero():
    likelihood, outputs = compiled(heteroscedastic_gaussian()), np.array([[1.0, -200.0]], np.float32)
    assert np.all(np.asarray(likelihood.predictive((), outputs).variance) > 0)
    assert np.isfinite(likelihood.loss((), outputs, np.ones(1, np.float32))).all()


def test_dense_figures_count_positions():
    _, outputs, labels = case("categorical", (5, 4, 3))
    log_probs = log_softmax(outputs, axis=-1)
    figures = figures_of(compiled(dense(categorical())), log_probs, labels)
    ious = {f"iou_{number}" for number in range(4)}
    assert set(figures) == {"accuracy", "nll", "brier", "ece", "mean_iou", "mean_dice", *ious}
    predicted, truth = log_probs.argmax(axis=-1).ravel(), labels.ravel()
    np.testing.assert_allclose(figures["mean_iou"], jaccard_score(truth, predicted, average="macro"), rtol=1e-5)
    flat = jax.jit(metrics.ece)(log_probs.reshape(-1, 4), truth, np.ones(60, np.float32))
    np.testing.assert_allclose(figures["ece"], flat, rtol=1e-5)
    _, outputs, labels = case("gaussian", (5, 4, 3))
    figures = figures_of(compiled(dense(gaussian())), Gaussian(outputs[..., 0], np.ones_like(labels)), labels)
    assert set(figures) == {"rmse", "mae", "nll", "crps", "coverage_90"}
    np.testing.assert_allclose(figures["rmse"], np.sqrt(((outputs[..., 0] - labels) ** 2).mean()), rtol=1e-5)


def test_bad_settings_are_refused():
    for settings in ({"initial_noise": 0.0}, {"noise": -1.0}, {"unit": float("nan")}):
        with pytest.raises(ValueError, match=next(iter(settings))):
            gaussian(**settings)
    with pytest.raises(ValueError, match="unit"):
        heteroscedastic_gaussian(unit=0.0)
    with pytest.raises(ValueError, match="dense categorical"):
        dense(dense(categorical()))
