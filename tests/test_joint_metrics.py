"""Metrics of what posterior samples say of several points together."""

import jax
import jax.numpy as jnp
import numpy as np

from bal import metrics
from bal.likelihoods import categorical, gaussian
from bal.types import Gaussian


def log_likelihoods(likelihood, predictions, labels):
    return -jax.vmap(likelihood.nll, in_axes=(0, None))(predictions, labels)


def test_joint_nll_equals_a_loop_in_float64():
    generator = np.random.default_rng(0)
    probs = generator.dirichlet(np.ones(3), size=(4, 6))
    labels, sets = generator.integers(0, 3, 6), generator.integers(0, 6, (5, 3))
    total = 0.0
    for members in sets:
        total -= np.log(np.mean([np.prod([probs[s, i, labels[i]] for i in members]) for s in range(4)]))
    values = log_likelihoods(categorical(), jnp.log(jnp.asarray(probs)), jnp.asarray(labels))
    np.testing.assert_allclose(metrics.joint_nll(values, jnp.asarray(sets)), total / 5, rtol=1e-5)


def test_joint_nll_of_single_points_is_nll_and_of_one_sample_adds_up(rng_key):
    log_probs = jax.nn.log_softmax(jax.random.normal(rng_key, (4, 6, 3)))
    labels = jnp.array([0, 1, 2, 0, 1, 2])
    values = log_likelihoods(categorical(), log_probs, labels)
    mean = jax.nn.logsumexp(log_probs, axis=0) - jnp.log(4)
    expected = metrics.negative_log_prob(mean, labels).mean()
    np.testing.assert_allclose(metrics.joint_nll(values, jnp.arange(6)[:, None]), expected, rtol=1e-5)
    np.testing.assert_allclose(metrics.joint_nll(values[:1], jnp.arange(6)[None]), -values[0].sum(), rtol=1e-5)


def test_gaussian_log_likelihoods_are_log_densities():
    predictions = Gaussian(jnp.array([[0.0, 1.0]]), jnp.array([[1.0, 4.0]]))
    expected = [-0.5 * np.log(2 * np.pi), -0.5 * np.log(2 * np.pi * 4) - 0.5]
    np.testing.assert_allclose(log_likelihoods(gaussian(), predictions, jnp.array([0.0, 3.0]))[0], expected, rtol=1e-5)


def test_dyadic_sets_hold_two_points_each(rng_key):
    sets = metrics.dyadic_sets(rng_key, 50, num_sets=20, set_size=10)
    assert sets.shape == (20, 10)
    assert all(len(np.unique(row)) <= 2 for row in np.asarray(sets))
    assert len(np.unique(sets)) > 20


def test_auroc_of_equal_uncertainties_is_one_half():
    np.testing.assert_allclose(metrics.ood_auroc(jnp.ones(5), jnp.ones(7)), 0.5)
    np.testing.assert_allclose(metrics.ood_auroc(jnp.array([0.0, 2.0]), jnp.array([1.0])), 0.5)
