"""Metrics of what posterior samples say of several points together."""

import jax
import numpy as np
from scipy.special import log_softmax

from bal import metrics
from bal.likelihoods import categorical, gaussian
from bal.types import Gaussian

joint_nll, ood_auroc = jax.jit(metrics.joint_nll), jax.jit(metrics.ood_auroc)


def log_likelihoods(likelihood, predictions, labels):
    return -np.asarray(jax.jit(jax.vmap(likelihood.nll, in_axes=(0, None)))(predictions, labels))


def test_joint_nll_equals_a_loop_in_float64():
    generator = np.random.default_rng(0)
    probs = generator.dirichlet(np.ones(3), size=(4, 6))
    labels, sets = generator.integers(0, 3, 6), generator.integers(0, 6, (5, 3))
    total = 0.0
    for members in sets:
        total -= np.log(np.mean([np.prod([probs[s, i, labels[i]] for i in members]) for s in range(4)]))
    values = log_likelihoods(categorical(), np.log(probs).astype(np.float32), labels)
    np.testing.assert_allclose(joint_nll(values, sets), total / 5, rtol=1e-5)


def test_joint_nll_of_single_points_is_nll_and_of_one_sample_adds_up():
    log_probs = log_softmax(np.random.default_rng(0).normal(size=(4, 6, 3)), axis=-1).astype(np.float32)
    labels = np.array([0, 1, 2, 0, 1, 2])
    values = log_likelihoods(categorical(), log_probs, labels)
    expected = -np.log(np.exp(log_probs.astype(np.float64)).mean(axis=0))[range(6), labels].mean()
    np.testing.assert_allclose(joint_nll(values, np.arange(6)[:, None]), expected, rtol=1e-5)
    np.testing.assert_allclose(joint_nll(values[:1], np.arange(6)[None]), -values[0].sum(), rtol=1e-5)


def test_gaussian_log_likelihoods_are_log_densities():
    predictions = Gaussian(np.array([[0.0, 1.0]], np.float32), np.array([[1.0, 4.0]], np.float32))
    expected = [-0.5 * np.log(2 * np.pi), -0.5 * np.log(2 * np.pi * 4) - 0.5]
    values = log_likelihoods(gaussian(), predictions, np.array([0.0, 3.0], np.float32))
    np.testing.assert_allclose(values[0], expected, rtol=1e-5)


def test_dyadic_sets_hold_two_points_each(rng_key):
    draw = jax.jit(lambda key: metrics.dyadic_sets(key, 50, num_sets=20, set_size=10))
    sets = np.asarray(draw(rng_key))
    assert sets.shape == (20, 10)
    assert all(len(np.unique(row)) <= 2 for row in sets)
    assert len(np.unique(sets)) > 20


def test_auroc_of_equal_uncertainties_is_one_half():
    np.testing.assert_allclose(ood_auroc(np.ones(5, np.float32), np.ones(7, np.float32)), 0.5)
    np.testing.assert_allclose(ood_auroc(np.array([0.0, 2.0], np.float32), np.array([1.0], np.float32)), 0.5)
