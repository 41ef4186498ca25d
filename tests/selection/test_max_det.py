"""Greedy log-determinant against dense determinants in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.selection import condition, covariance_kernel, lcmd, matrix_kernel, max_det, max_dist

ALL = jnp.ones(12, bool)


def information(features, indices, noise):
    rows = np.asarray(features, np.float64)[list(indices)]
    return 0.5 * np.linalg.slogdet(np.eye(len(rows)) + rows @ rows.T / noise)[1]


def slow_greedy(features, noise, batch_size):
    chosen, gains = [], []
    for _ in range(batch_size):
        left = [i for i in range(len(features)) if i not in chosen]
        values = [information(features, [*chosen, i], noise) for i in left]
        gains.append(max(values) - information(features, chosen, noise))
        chosen.append(left[int(np.argmax(values))])
    return chosen, gains


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_greedy_choice_of_the_dense_determinant(seed, rng_key):
    features = jax.random.normal(jax.random.key(seed), (12, 4))
    chosen, gains = slow_greedy(features, 0.2, 6)
    selection = max_det(rng_key, features, ALL, batch_size=6, noise=0.2)
    assert selection.indices.tolist() == chosen
    np.testing.assert_allclose(selection.scores, gains, rtol=1e-4)
    assert (np.diff(selection.scores) <= 1e-6).all()
    np.testing.assert_allclose(selection.scores.sum(), information(features, chosen, 0.2), rtol=1e-5)


def test_its_order_is_that_of_the_pivoted_cholesky_decomposition(rng_key):
    features = np.asarray(jax.random.normal(rng_key, (12, 4)), np.float64)
    left = features @ features.T + 0.2 * np.eye(12)
    pivots, variances = [], []
    for _ in range(6):
        pivot = int(np.argmax(np.diag(left)))
        pivots.append(pivot)
        variances.append(left[pivot, pivot])
        left = left - np.outer(left[:, pivot], left[pivot]) / left[pivot, pivot]
    selection = max_det(rng_key, jnp.asarray(features, jnp.float32), ALL, batch_size=6, noise=0.2)
    assert selection.indices.tolist() == pivots
    np.testing.assert_allclose(selection.scores, 0.5 * np.log(np.array(variances) / 0.2), rtol=1e-4)


def test_a_gain_is_the_information_of_the_point_once_those_before_are_observed(rng_key):
    features = jax.random.normal(rng_key, (12, 4))
    selection = max_det(rng_key, features, ALL, batch_size=6, noise=0.2)
    for step in (1, 3, 5):
        before = features[selection.indices[:step]]
        posterior = condition(features, before, noise=0.2)[selection.indices[step]]
        gain = 0.5 * jnp.log1p(jnp.square(posterior).sum() / 0.2)
        np.testing.assert_allclose(selection.scores[step], gain, rtol=1e-4)


def test_the_greedy_batch_is_within_the_guarantee_of_the_best_one(rng_key):
    from itertools import combinations

    features = jax.random.normal(rng_key, (8, 3))
    greedy = float(max_det(rng_key, features, ALL[:8], batch_size=3, noise=0.2).scores.sum())
    best = max(information(features, batch, 0.2) for batch in combinations(range(8), 3))
    assert (1 - 1 / np.e) * best <= greedy <= best + 1e-4


def test_features_a_matrix_and_a_covariance_function_give_the_same_batch(rng_key):
    features = jax.random.normal(rng_key, (12, 4))
    kernels = [
        (features, covariance_kernel(lambda a, b: a @ b.T)),
        (jnp.arange(12), matrix_kernel(features @ features.T)),
    ]
    expected = max_det(rng_key, features, ALL, batch_size=5, noise=0.1)
    for points, kernel in kernels:
        selection = max_det(rng_key, points, ALL, batch_size=5, noise=0.1, kernel=kernel)
        assert selection.indices.tolist() == expected.indices.tolist()
        np.testing.assert_allclose(selection.scores, expected.scores, rtol=1e-4)


def test_points_may_be_indices_and_those_of_no_finite_variance_are_counted_and_never_chosen(rng_key):
    features = jax.random.normal(rng_key, (12, 4))
    broken = features.at[0, 1].set(jnp.nan).at[5, 0].set(jnp.inf)
    kernel = covariance_kernel(lambda a, b: broken[a] @ broken[b].T)
    available = ALL.at[7].set(False)
    selection = max_det(rng_key, jnp.arange(12), available, batch_size=5, noise=0.1, kernel=kernel)
    without = available.at[jnp.array([0, 5])].set(False)
    expected = max_det(rng_key, features, without, batch_size=5, noise=0.1)
    assert selection.indices.tolist() == expected.indices.tolist()
    np.testing.assert_allclose(selection.scores, expected.scores, rtol=1e-4)
    assert int(selection.num_invalid) == 2


@pytest.mark.parametrize("rule", [max_dist, lcmd])
def test_distances_of_indices_are_those_of_their_points(rule, rng_key):
    features = jax.random.normal(rng_key, (12, 4))
    kernel = covariance_kernel(lambda a, b: features[a] @ features[b].T)
    chosen = rule(rng_key, jnp.arange(12), ALL, batch_size=5, center_features=jnp.array([3]), kernel=kernel)
    expected = rule(rng_key, features, ALL, batch_size=5, center_features=features[3:4])
    assert chosen.indices.tolist() == expected.indices.tolist()


def test_an_exact_copy_is_worth_one_more_observation_of_the_same_value(rng_key):
    selection = max_det(rng_key, jnp.full((2, 1), 3.0), ALL[:2], batch_size=2, noise=1.0)
    np.testing.assert_allclose(selection.scores, [0.5 * np.log(10.0), 0.5 * np.log(1.9)], rtol=1e-5)


def test_a_point_whose_variance_is_negative_is_counted_and_never_chosen(rng_key):
    kernel = covariance_kernel(lambda a, b: a[:, None] * jnp.where(a[:, None] == b[None], 1.0, 0.0))
    selection = max_det(rng_key, jnp.array([1.0, -3.0, 2.0]), ALL[:3], batch_size=3, noise=0.1, kernel=kernel)
    assert selection.indices.tolist() == [2, 0, 3]
    assert int(selection.num_invalid) == 1


def test_noise_may_be_swept_and_must_be_positive(rng_key):
    features = jax.random.normal(rng_key, (12, 4))
    swept = jax.vmap(lambda noise: max_det(rng_key, features, ALL, batch_size=3, noise=noise).scores)(
        jnp.array([0.1, 1.0])
    )
    assert (swept[0] > swept[1]).all()
    with pytest.raises(ValueError, match="noise above 0"):
        max_det(rng_key, features, ALL, batch_size=3, noise=0.0)
