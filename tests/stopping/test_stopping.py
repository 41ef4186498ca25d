"""Stopping criteria: slow loops written from the papers, worst cases by enumeration, known answers."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from bal import stopping

GENERATOR = np.random.default_rng(0)


def f_measure(predicted, truth):
    both = (predicted & truth).sum()
    return 2 * both / (predicted.sum() + truth.sum()) if predicted.sum() + truth.sum() else 1.0


def test_the_predicted_change_is_one_less_f_and_the_bound_holds_for_every_truth():
    size = 6
    truths = np.array(list(itertools.product([False, True], repeat=size)))
    pairs = GENERATOR.integers(0, 2, (12, 2, size)).astype(bool)
    pairs[0] = [[True, False, False, False, False, False], [True, True, False, False, False, False]]
    pairs[1] = False
    changes = jax.jit(jax.vmap(stopping.f_change))(*pairs.astype(np.int32).swapaxes(0, 1))
    bounds = jax.jit(jax.vmap(stopping.f_change_bound))(*pairs.astype(np.int32).swapaxes(0, 1))
    worst = []
    for (before, now), change, bound in zip(pairs, changes, bounds, strict=True):
        np.testing.assert_allclose(change, 1 - f_measure(now, before), atol=1e-6)
        true_changes = [abs(f_measure(now, truth) - f_measure(before, truth)) for truth in truths if truth.any()]
        assert max(true_changes) <= bound + 1e-6
        worst.append(max(true_changes))
    # The prediction is no bound: a truth that only the second model finds changes F by 2/3, not by 1/3.
    np.testing.assert_allclose([changes[0], worst[0]], [1 / 3, 2 / 3], rtol=1e-6)
    assert changes[1] == bounds[1] == 0


def test_the_bound_is_nearly_reached_where_models_differ_little():
    before, now = np.zeros((2, 101), np.int32)
    before[:100], now[:] = 1, 1
    truth = np.zeros(101, bool)
    truth[100] = True
    change = abs(f_measure(now == 1, truth) - f_measure(before == 1, truth))
    np.testing.assert_allclose(stopping.f_change_bound(jnp.asarray(before), jnp.asarray(now)), change, rtol=0.02)


def test_points_of_weight_zero_are_ignored_and_other_classes_are_negative():
    before, now = jnp.array([2, 2, 0, 1]), jnp.array([2, 1, 1, 2])
    weights = jnp.array([1.0, 1.0, 1.0, 0.0])
    np.testing.assert_allclose(stopping.f_change(before, now, positive=2, weights=weights), 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(stopping.f_change_bound(before, now, positive=2, weights=weights), 1.0)


def test_rules_are_those_of_a_loop_over_rounds():
    values = np.round(GENERATOR.random((5, 12)), 3).astype(np.float32)
    values[:, 0] = np.nan
    for window in (1, 3, 13):
        mean, below = jax.jit(
            jax.vmap(
                lambda series, window=window: (
                    stopping.stabilising_predictions(series, threshold=0.5, window=window),
                    stopping.stays_below(series, 0.5, window=window),
                )
            )
        )(values)
        for series, found_mean, found_below in zip(values.astype(np.float64), mean, below, strict=True):
            for last in range(12):
                recent = series[max(last - window + 1, 0) : last + 1]
                full = len(recent) == window and not np.isnan(recent).any()
                assert found_mean[last] == (full and recent.mean() >= 0.5)
                assert found_below[last] == (full and (recent < 0.5).all())
    stops = jnp.array([[False, True, True], [False, False, False], [True, False, False]])
    assert jax.vmap(stopping.first_stop)(stops).tolist() == [1, 3, 0]


def test_predicted_accuracy_is_the_mean_and_the_variance_of_simulated_labels():
    log_probs = jax.nn.log_softmax(2 * jax.random.normal(jax.random.key(1), (6, 30, 3)))
    weights = jnp.asarray(GENERATOR.integers(0, 3, 30), jnp.float32)
    probabilities = stopping.guess_probabilities(log_probs)
    found = stopping.predicted_accuracy(probabilities, weights, level=0.9)
    probs = np.exp(np.asarray(log_probs, np.float64))
    guess = probs.mean(axis=0).argmax(axis=-1)
    right = np.array([[probs[s, n, guess[n]] for n in range(30)] for s in range(6)])
    np.testing.assert_allclose(probabilities, right, rtol=1e-5)
    draws = GENERATOR.integers(0, 6, 40_000)
    is_right = GENERATOR.random((40_000, 30)) < right[draws]
    simulated = is_right @ np.asarray(weights, np.float64) / float(weights.sum())
    half = norm.ppf(0.95) * simulated.std()
    expected = [simulated.mean(), max(simulated.mean() - half, 0), min(simulated.mean() + half, 1)]
    np.testing.assert_allclose(found, expected, atol=3e-3)
    certain = stopping.predicted_accuracy(jnp.ones((2, 5)))
    assert tuple(map(float, certain)) == (1, 1, 1)
    with pytest.raises(ValueError, match="level strictly between 0 and 1"):
        stopping.predicted_accuracy(probabilities, level=1.0)


def test_means_leave_out_what_is_not_there():
    assert float(stopping.overall_uncertainty(jnp.array([0.2, jnp.nan]), jnp.array([False, False]))) == 0
    assert float(stopping.information_per_label(jnp.full(3, -jnp.inf))) == 0
    values, available = GENERATOR.random(20).astype(np.float32), GENERATOR.random(20) < 0.5
    found = stopping.overall_uncertainty(jnp.asarray(values), jnp.asarray(available))
    np.testing.assert_allclose(found, values[available].mean(), rtol=1e-6)


def test_the_sum_of_single_scores_bounds_what_a_batch_tells():
    probs = GENERATOR.dirichlet(np.ones(2), (5, 3))  # draws, points, classes
    mean = probs.mean(axis=0)
    single = [(probs[:, n] * np.log(probs[:, n] / mean[n])).sum(axis=1).mean() for n in range(3)]
    joint = 0.0
    for labels in itertools.product(range(2), repeat=3):
        likelihood = np.prod([probs[:, n, label] for n, label in enumerate(labels)], axis=0)
        joint += (likelihood * np.log(likelihood / likelihood.mean())).mean()
    found = stopping.information_per_label(jnp.asarray(single, jnp.float32))
    np.testing.assert_allclose(found, sum(single) / 3, rtol=1e-5)
    assert joint / 3 < float(found)


@pytest.mark.parametrize("window", [0, True])
def test_a_window_that_is_no_count_is_refused(window):
    with pytest.raises(ValueError, match="expected window to be a whole number"):
        stopping.stays_below(jnp.zeros(4), 1.0, window=window)
