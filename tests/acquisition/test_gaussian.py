"""Gaussian scores against closed forms of the linear model, quadrature of the mixture, and bad targets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal import acquisition
from bal.types import Gaussian

# One program for each shape, where each operation by itself would be one.
covariance_bald, covariance_epig, epistemic_variance, gaussian_bald, gaussian_epig, total_variance = map(
    jax.jit,
    (
        acquisition.covariance_bald,
        acquisition.covariance_epig,
        acquisition.epistemic_variance,
        acquisition.gaussian_bald,
        acquisition.gaussian_epig,
        acquisition.total_variance,
    ),
)

NOISE = 0.3


def linear_model(seed=0, num_features=3):
    """Posterior covariance of the weights, points and targets of a Bayesian linear regression."""
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(num_features, num_features))
    return factor @ factor.T, rng.normal(size=(6, num_features)), rng.normal(size=(4, num_features))


def draws_of(points, covariance, num_draws):
    weights = np.random.default_rng(1).multivariate_normal(np.zeros(len(covariance)), covariance, size=num_draws)
    mean = (weights @ points.T).astype(np.float32)
    return Gaussian(mean, np.full_like(mean, NOISE))


def random_gaussian(seed, shape=(7, 5)):
    generator = np.random.default_rng(seed)
    mean, variance = generator.normal(size=shape), generator.uniform(0.1, 1.1, size=shape)
    return Gaussian(mean.astype(np.float32), variance.astype(np.float32))


def mixture_information_by_quadrature(mean, variance):
    grid = np.linspace(-12, 12, 20_001)
    density = np.exp(-0.5 * (grid - mean[:, None]) ** 2 / variance[:, None]) / np.sqrt(2 * np.pi * variance[:, None])

    def entropy(p):
        return -np.sum(np.where(p > 1e-300, p * np.log(np.maximum(p, 1e-300)), 0)) * (grid[1] - grid[0])

    return entropy(density.mean(axis=0)), np.mean([entropy(row) for row in density])


def test_variance_is_that_of_the_means_and_the_mean_noise():
    gaussian = random_gaussian(0)
    expected = [np.mean((m - m.mean()) ** 2) for m in np.asarray(gaussian.mean, np.float64).T]
    np.testing.assert_allclose(epistemic_variance(gaussian), expected, rtol=1e-5)
    noise = np.asarray(gaussian.variance, np.float64).mean(axis=0)
    np.testing.assert_allclose(total_variance(gaussian), expected + noise, rtol=1e-5)


def test_information_from_covariance_is_that_of_the_linear_model():
    covariance, points, _ = linear_model()
    expected = [0.5 * np.log(1 + x @ covariance @ x / NOISE) for x in points]
    variance = np.diag(points @ covariance @ points.T).astype(np.float32)
    np.testing.assert_allclose(covariance_bald(variance, np.full_like(variance, NOISE)), expected, rtol=1e-5)


def test_epig_from_covariance_is_the_entropy_that_the_label_takes_from_the_target():
    """Against the posterior variance at the target after the label, by the rule for conditioning a Gaussian."""
    covariance, points, targets = linear_model()
    label_variance = np.diag(points @ covariance @ points.T) + NOISE
    target_variance = np.diag(targets @ covariance @ targets.T) + NOISE
    cross = points @ covariance @ targets.T
    after = target_variance[None] - cross**2 / label_variance[:, None]
    weights = np.array([1.0, 2.0, 0.0, 1.0])
    expected = np.average(0.5 * np.log(target_variance[None] / after), axis=1, weights=weights)
    arrays = [a.astype(np.float32) for a in (cross, label_variance, target_variance, weights)]
    np.testing.assert_allclose(covariance_epig(*arrays), expected, rtol=1e-4)


def test_draws_give_the_closed_forms_as_their_number_grows():
    covariance, points, targets = linear_model()
    both = draws_of(np.concatenate([points, targets]), covariance, 100_000)
    at_points, at_targets = (Gaussian(both.mean[:, part], both.variance[:, part]) for part in (slice(6), slice(6, 10)))
    exact_bald = [0.5 * np.log(1 + x @ covariance @ x / NOISE) for x in points]
    np.testing.assert_allclose(gaussian_bald(at_points), exact_bald, atol=0.01)
    label_variance = np.diag(points @ covariance @ points.T) + NOISE
    target_variance = np.diag(targets @ covariance @ targets.T) + NOISE
    correlation = points @ covariance @ targets.T / np.sqrt(label_variance[:, None] * target_variance[None])
    exact_epig = np.mean(-0.5 * np.log(1 - correlation**2), axis=1)
    np.testing.assert_allclose(gaussian_epig(at_points, at_targets), exact_epig, atol=0.01)


def test_gaussian_bald_is_at_least_the_information_in_the_mixture():
    gaussian = random_gaussian(3)
    bound, total = gaussian_bald(gaussian), np.asarray(total_variance(gaussian), np.float64)
    for point in range(5):
        mean, variance = (leaf[:, point].astype(np.float64) for leaf in gaussian)
        mixture, components = mixture_information_by_quadrature(mean, variance)
        matched = 0.5 * np.log(2 * np.pi * np.e * total[point])
        assert components <= mixture <= matched
        np.testing.assert_allclose(np.asarray(bound)[point], matched - components, rtol=1e-4)


def test_more_noise_lowers_the_information_and_raises_the_variance():
    quiet = random_gaussian(0)
    noisy = quiet._replace(variance=quiet.variance + 1)
    assert (np.asarray(gaussian_bald(noisy)) < np.asarray(gaussian_bald(quiet))).all()
    assert (np.asarray(total_variance(noisy)) > np.asarray(total_variance(quiet))).all()
    np.testing.assert_array_equal(epistemic_variance(noisy), epistemic_variance(quiet))


def test_gaussian_epig_is_symmetric_and_below_both_informations():
    gaussian = random_gaussian(0, (7, 1))
    target = random_gaussian(1, (7, 1))
    np.testing.assert_allclose(gaussian_epig(gaussian, target), gaussian_epig(target, gaussian), rtol=1e-5)
    same_noise = [given._replace(variance=np.ones_like(given.variance)) for given in (gaussian, target)]
    score = np.asarray(gaussian_epig(*same_noise))
    assert 0 < score <= min(float(np.asarray(gaussian_bald(given))[0]) for given in same_noise)


def epig_in_double_precision(gaussian, target_gaussian):
    """From the same single-precision predictions."""
    points, targets = (jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), g) for g in (gaussian, target_gaussian))
    deviations, target_deviations = (g.mean - g.mean.mean(axis=0) for g in (points, targets))
    covariance = deviations.T @ target_deviations / len(deviations)
    variance, target_variance = (g.mean.var(axis=0) + g.variance.mean(axis=0) for g in (points, targets))
    return np.mean(-0.5 * np.log1p(-(covariance**2) / (variance[:, None] * target_variance)), axis=1)


def test_epig_keeps_its_digits_however_little_noise_there_is():
    """Points among the targets, and one feature only: every correlation is that of the noise alone."""
    rng = np.random.default_rng(0)
    weights, points = rng.normal(size=(50, 2)), rng.normal(size=(6, 2))
    for features in (1, 2):
        mean = (weights[:, :features] @ points[:, :features].T + 3).astype(np.float32)
        for noise in (1e-2, 1e-6, 1e-7, 1e-8, 1e-10):
            gaussian = Gaussian(mean, np.full_like(mean, noise))
            targets = jax.tree.map(lambda leaf: leaf[:, :4], gaussian)
            expected = epig_in_double_precision(gaussian, targets)
            np.testing.assert_allclose(gaussian_epig(gaussian, targets), expected, rtol=1e-3)
    noiseless = Gaussian(mean, np.zeros_like(mean))
    assert np.isfinite(gaussian_epig(noiseless, noiseless)).all()


def test_epig_from_a_covariance_that_rounds_beyond_one_is_finite():
    covariance, variance = np.array([[1.0000001, 0.5]], np.float32), np.ones(2, np.float32)
    scores = np.asarray(covariance_epig(covariance, variance[:1], variance))
    assert 0.5 * (7.5 - 0.5 * np.log(0.75)) < scores[0] < 0.5 * (8.5 - 0.5 * np.log(0.75))


def test_bad_targets_and_weights_are_refused():
    gaussian, targets = jax.device_put(random_gaussian(0)), jax.device_put(random_gaussian(1, (7, 3)))
    with pytest.raises(ValueError, match="target_gaussian under 7 samples, got 6"):
        acquisition.gaussian_epig(gaussian, jax.device_put(random_gaussian(1, (6, 3))))
    with pytest.raises(ValueError, match="target_gaussian.mean without an empty axis"):
        acquisition.gaussian_epig(gaussian, jax.device_put(random_gaussian(1, (7, 0))))
    with pytest.raises(ValueError, match="target_weights"):
        acquisition.gaussian_epig(gaussian, targets, -jnp.ones(3))
    with pytest.raises(ValueError, match="at least one target"):
        acquisition.covariance_epig(jnp.zeros((2, 0)), jnp.ones(2), jnp.ones(0))
    with pytest.raises(ValueError, match=r"target_label_variance of shape \[3\]"):
        acquisition.covariance_epig(jnp.zeros((2, 3)), jnp.ones(2), jnp.ones(1))
    with pytest.raises(ValueError, match=r"noise_variance of shape \[2\]"):
        acquisition.covariance_bald(jnp.ones(2), jnp.ones(1))
