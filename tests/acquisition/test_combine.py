"""Combinators against arithmetic and the properties that their users rely on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

from bal import acquisition

# One program for each shape, where each operation by itself would be one.
normalise, per_class, per_cost, product = (
    jax.jit(combine)
    for combine in (acquisition.normalise, acquisition.per_class, acquisition.per_cost, acquisition.product)
)
FIRST = np.array([0.0, 1.0, 3.0, 2.0], np.float32)
SECOND = np.array([5.0, 1.0, 0.5, 2.0], np.float32)
ALL = np.ones(4, bool)


def weighted_sum(scores, weights):
    """Weights that are numbers stay numbers."""
    return jax.jit(lambda *scores: acquisition.weighted_sum(list(scores), weights))(*scores)


def test_weighted_sum_and_product_are_taken_point_by_point():
    np.testing.assert_allclose(weighted_sum([FIRST, SECOND], [2.0, -1.0]), [-5.0, 1.0, 5.5, 2.0])
    np.testing.assert_allclose(product([FIRST, SECOND, SECOND]), [0.0, 1.0, 0.75, 8.0])


def test_the_weights_of_a_sum_may_be_swept_under_vmap():
    swept = jax.jit(jax.vmap(lambda weights: weighted_sum([FIRST, SECOND], weights)))(np.eye(2, dtype=np.float32))
    np.testing.assert_allclose(swept, [FIRST, SECOND])


def test_normalised_scores_of_the_available_points_reach_from_zero_to_one():
    available = np.array([True, True, False, True])
    np.testing.assert_allclose(normalise(FIRST, available), [0.0, 0.5, 1.5, 1.0])
    np.testing.assert_allclose(normalise(7 * FIRST - 4, ALL), normalise(FIRST, ALL), rtol=1e-6)


def test_normalised_equal_scores_are_zero_with_finite_gradients():
    equal = np.full(4, 2.0, np.float32)
    assert normalise(equal, ALL).tolist() == [0] * 4
    assert normalise(FIRST, ~ALL).tolist() == [0] * 4
    assert np.isfinite(jax.jit(jax.grad(lambda scores: normalise(scores, ALL).sum()))(equal)).all()


def test_a_nan_score_stays_nan_and_does_not_move_the_scale():
    scores = normalise(np.array([0.0, np.nan, 3.0, 2.0], np.float32), ALL)
    np.testing.assert_allclose(scores, [0.0, np.nan, 1.0, 2 / 3], rtol=1e-6)


def test_a_rare_class_of_large_weight_draws_the_choice():
    log_probs = np.log(np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.7, 0.3], [0.4, 0.6]]], np.float32))
    scores = per_class(np.array([2.0, 1.0], np.float32), log_probs, np.array([1.0, 11.0], np.float32))
    np.testing.assert_allclose(scores, [2 * 3.0, 8.0], rtol=1e-5)
    np.testing.assert_allclose(per_class(SECOND[:2], log_probs, np.ones(2, np.float32)), SECOND[:2], rtol=1e-6)


def test_combined_scores_of_dense_maps_are_those_of_their_positions():
    log_probs = log_softmax(np.random.default_rng(0).normal(size=(3, 2, 4, 5)), axis=-1).astype(np.float32)
    maps, weights = np.arange(8, dtype=np.float32).reshape(2, 4), np.arange(5, dtype=np.float32)
    flat = per_class(maps.ravel(), log_probs.reshape(3, 8, 5), weights)
    np.testing.assert_allclose(np.ravel(per_class(maps, log_probs, weights)), flat, rtol=1e-6)
    np.testing.assert_allclose(weighted_sum([maps, maps], [1.0, 2.0]), 3 * maps)
    np.testing.assert_allclose(per_cost(maps, np.full_like(maps, 2.0)), maps / 2)


def test_a_costly_point_is_chosen_only_for_more():
    np.testing.assert_allclose(per_cost(FIRST, np.array([1.0, 2.0, 3.0, 4.0], np.float32)), [0.0, 0.5, 1.0, 0.5])
    free = np.array([1.0, 0.0, -1.0, 4.0], np.float32)
    assert np.isnan(per_cost(FIRST, free)).tolist() == [False, True, True, False]


def test_parts_that_do_not_fit_together_are_refused():
    first, second, everything = jax.device_put((FIRST, SECOND, ALL))
    with pytest.raises(ValueError, match="one weight for each of 2 scores, got 1"):
        acquisition.weighted_sum([first, second], [1.0])
    with pytest.raises(ValueError, match="finite weights, got"):
        acquisition.weighted_sum([first, second], [1.0, jnp.nan])
    for combine in (acquisition.product, lambda scores: acquisition.weighted_sum(scores, [1.0] * len(scores))):
        with pytest.raises(ValueError, match="got none"):
            combine([])
        for other in (second[:1], second[:, None]):
            with pytest.raises(ValueError, match=r"expected scores\[1\] of shape \[4\]"):
                combine([first, other])
    with pytest.raises(ValueError, match=r"available of shape \[4\]"):
        acquisition.normalise(first, everything[:1])
    with pytest.raises(ValueError, match="expected scores of shape"):
        acquisition.per_class(first[:1], jnp.zeros((1, 4, 3)), jnp.ones(3))
    with pytest.raises(ValueError, match="class_weights"):
        acquisition.per_class(first, jnp.zeros((1, 4, 3)), jnp.ones(2))
    with pytest.raises(ValueError, match="costs"):
        acquisition.per_cost(first, jnp.ones(3))
