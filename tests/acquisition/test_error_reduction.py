"""Expected error reduction against a slow float64 loop, and what a label can and cannot be worth."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal import acquisition, information
from tests.acquisition.predictions import random_probs, to_log

# One program for each shape, where each operation by itself would be one.
bald, expected_error_reduction = jax.jit(acquisition.bald), jax.jit(acquisition.expected_error_reduction)


def reduction_loop(probs, target_probs, weights):
    """Each label in turn: weigh the draws by it, predict the targets anew, count the mistakes expected then."""
    now = 1 - target_probs.mean(axis=0).max(axis=-1)  # [M]
    scores = []
    for point in range(probs.shape[1]):
        then = np.zeros_like(now)
        for label in range(probs.shape[2]):
            likelihood = probs[:, point, label]
            updated = np.einsum("s,smc->mc", likelihood / likelihood.sum(), target_probs)
            then += likelihood.mean() * (1 - updated.max(axis=-1))
        scores.append(np.average(now - then, weights=weights))
    return np.array(scores)


def test_it_is_the_fall_of_the_expected_error_once_each_label_has_weighed_the_draws():
    probs, targets = random_probs(0, 7), random_probs(1, 5)
    weights = np.array([1.0, 0.0, 3.0, 2.0, 0.5])
    expected = reduction_loop(probs, targets, weights)
    assert expected.max() > 0.01
    scores = expected_error_reduction(to_log(probs), to_log(targets), jnp.asarray(weights))
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    expected = reduction_loop(probs, targets, np.ones(5))
    np.testing.assert_allclose(expected_error_reduction(to_log(probs), to_log(targets)), expected, atol=1e-6)


def test_it_is_at_most_the_error_expected_now_and_what_a_label_can_move_a_prediction_by():
    """Pinsker: a label moves predictions by sqrt(information / 2) at most, on average over the labels."""
    log_probs, targets = to_log(random_probs(0, 40)), to_log(random_probs(1, 4))
    scores = np.asarray(expected_error_reduction(log_probs, targets))
    error_now = 1 - np.exp(targets).mean(axis=0).max(axis=-1).mean()
    assert (scores >= 0).all()
    assert (scores <= error_now).all()
    assert (scores <= np.sqrt(np.asarray(bald(log_probs)) / 2)).all()


def test_a_label_that_changes_no_predicted_class_is_worth_exactly_nothing():
    sure = random_probs(0, 5, concentration=3.0)
    sure[..., 0] += 20
    sure /= sure.sum(axis=-1, keepdims=True)
    points = to_log(random_probs(1, 200))
    assert np.max(np.asarray(bald(points))) > 0.01
    assert not np.any(np.asarray(expected_error_reduction(points, to_log(sure))))


def test_its_gradient_is_the_slope_of_the_loop():
    probs, targets = random_probs(0, 3), random_probs(1, 5)

    def total(logits):
        return expected_error_reduction(jax.nn.log_softmax(logits), to_log(targets)).sum()

    moved = probs.copy()
    moved[2, 1, 0] *= np.exp(1e-6)
    moved /= moved.sum(axis=-1, keepdims=True)
    slope = (reduction_loop(moved, targets, np.ones(5)) - reduction_loop(probs, targets, np.ones(5))).sum() / 1e-6
    assert abs(slope) > 1e-3
    np.testing.assert_allclose(np.asarray(jax.jit(jax.grad(total))(to_log(probs)))[2, 1, 0], slope, rtol=1e-3)


def test_targets_that_do_not_fit_the_points_are_refused():
    log_probs = to_log(random_probs(0, 4))
    for targets in (random_probs(1, 0), random_probs(1, 3, num_classes=4), random_probs(1, 3, num_draws=5)):
        with pytest.raises(ValueError, match="expected target_log_probs"):
            acquisition.expected_error_reduction(log_probs, to_log(targets))


# The last test: it forgets the programs, which hold the size of a tile.
def test_it_does_not_depend_on_how_points_and_targets_are_cut_into_tiles(monkeypatch):
    log_probs, targets, weights = to_log(random_probs(0, 23)), to_log(random_probs(1, 17)), jnp.arange(17.0)
    whole = np.asarray(expected_error_reduction(log_probs, targets, weights))
    monkeypatch.setattr(information, "TILE", 15)  # 5 points of 3 classes: neither 23 nor 17 is a multiple
    jax.clear_caches()
    cut = expected_error_reduction(log_probs, targets, weights)
    jax.clear_caches()
    np.testing.assert_allclose(cut, whole, atol=1e-6)
