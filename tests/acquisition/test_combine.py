"""Combinators against arithmetic and the properties that their users rely on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.acquisition import normalise, per_class, per_cost, product, weighted_sum

FIRST = jnp.array([0.0, 1.0, 3.0, 2.0])
SECOND = jnp.array([5.0, 1.0, 0.5, 2.0])
ALL = jnp.ones(4, bool)


def test_weighted_sum_and_product_are_taken_point_by_point():
    np.testing.assert_allclose(weighted_sum([FIRST, SECOND], [2.0, -1.0]), [-5.0, 1.0, 5.5, 2.0])
    np.testing.assert_allclose(product([FIRST, SECOND, SECOND]), [0.0, 1.0, 0.75, 8.0])


def test_the_weights_of_a_sum_may_be_swept_under_vmap():
    swept = jax.vmap(lambda weights: weighted_sum([FIRST, SECOND], weights))(jnp.array([[1.0, 0.0], [0.0, 1.0]]))
    np.testing.assert_allclose(swept, jnp.stack([FIRST, SECOND]))


def test_normalised_scores_of_the_available_points_reach_from_zero_to_one():
    available = ALL.at[2].set(False)
    np.testing.assert_allclose(normalise(FIRST, available), [0.0, 0.5, 1.5, 1.0])
    np.testing.assert_allclose(normalise(7 * FIRST - 4, ALL), normalise(FIRST, ALL), rtol=1e-6)


def test_normalised_equal_scores_are_zero_with_finite_gradients():
    assert (normalise(jnp.full(4, 2.0), ALL) == 0).all()
    assert (normalise(FIRST, jnp.zeros(4, bool)) == 0).all()
    assert jnp.isfinite(jax.grad(lambda scores: normalise(scores, ALL).sum())(jnp.full(4, 2.0))).all()


def test_a_nan_score_stays_nan_and_does_not_move_the_scale():
    scores = normalise(FIRST.at[1].set(jnp.nan), ALL)
    assert jnp.isnan(scores).tolist() == [False, True, False, False]
    np.testing.assert_allclose(scores[jnp.array([0, 2, 3])], [0.0, 1.0, 2 / 3], rtol=1e-6)


def test_a_rare_class_of_large_weight_draws_the_choice():
    log_probs = jnp.log(jnp.array([[[0.9, 0.1], [0.2, 0.8]], [[0.7, 0.3], [0.4, 0.6]]]))
    scores = per_class(jnp.array([2.0, 1.0]), log_probs, jnp.array([1.0, 11.0]))
    np.testing.assert_allclose(scores, [2 * 3.0, 8.0], rtol=1e-5)
    np.testing.assert_allclose(per_class(SECOND[:2], log_probs, jnp.ones(2)), SECOND[:2], rtol=1e-6)


def test_combined_scores_of_dense_maps_are_those_of_their_positions(rng_key):
    log_probs = jax.nn.log_softmax(jax.random.normal(rng_key, (3, 2, 4, 5)))
    maps, weights = jnp.arange(8.0).reshape(2, 4), jnp.arange(5.0)
    flat = per_class(maps.ravel(), log_probs.reshape(3, 8, 5), weights)
    np.testing.assert_allclose(per_class(maps, log_probs, weights).ravel(), flat, rtol=1e-6)
    np.testing.assert_allclose(weighted_sum([maps, maps], [1.0, 2.0]), 3 * maps)
    np.testing.assert_allclose(per_cost(maps, jnp.full((2, 4), 2.0)), maps / 2)


def test_a_costly_point_is_chosen_only_for_more():
    np.testing.assert_allclose(per_cost(FIRST, jnp.array([1.0, 2.0, 3.0, 4.0])), [0.0, 0.5, 1.0, 0.5])
    assert jnp.isnan(per_cost(FIRST, jnp.array([1.0, 0.0, -1.0, 4.0]))).tolist() == [False, True, True, False]


def test_parts_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="one weight for each of 2 scores, got 1"):
        weighted_sum([FIRST, SECOND], [1.0])
    with pytest.raises(ValueError, match="finite weights, got"):
        weighted_sum([FIRST, SECOND], [1.0, jnp.nan])
    for combine in (product, lambda scores: weighted_sum(scores, [1.0] * len(scores))):
        with pytest.raises(ValueError, match="got none"):
            combine([])
        for other in (SECOND[:1], SECOND[:, None]):
            with pytest.raises(ValueError, match=r"expected scores\[1\] of shape \[4\]"):
                combine([FIRST, other])
    with pytest.raises(ValueError, match=r"available of shape \[4\]"):
        normalise(FIRST, ALL[:1])
    with pytest.raises(ValueError, match="expected scores of shape"):
        per_class(FIRST[:1], jnp.zeros((1, 4, 3)), jnp.ones(3))
    with pytest.raises(ValueError, match="class_weights"):
        per_class(FIRST, jnp.zeros((1, 4, 3)), jnp.ones(2))
    with pytest.raises(ValueError, match="costs"):
        per_cost(FIRST, jnp.ones(3))
