"""Largest cluster, maximum distance against a slow loop and a case that a person can check."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.selection import lcmd, max_dist


def slow_lcmd(features, centers, batch_size):
    centers, chosen = list(centers), []
    for _ in range(batch_size):
        squares = ((features[:, None] - np.stack(centers)[None]) ** 2).sum(axis=-1)
        clusters, nearest = squares.argmin(axis=1), squares.min(axis=1)
        largest = np.argmax([nearest[clusters == c].sum() for c in range(len(centers))])
        chosen.append(int(np.where(clusters == largest, nearest, -1).argmax()))
        centers.append(features[chosen[-1]])
    return chosen


@pytest.mark.parametrize("seed", range(3))
def test_each_point_is_the_farthest_of_the_largest_cluster(seed, rng_key):
    features = jax.random.normal(jax.random.key(seed), (40, 3))
    selection = lcmd(rng_key, features, jnp.ones(40, bool), batch_size=10, center_features=features[:3])
    exact = np.asarray(features, np.float64)
    assert selection.indices.tolist() == slow_lcmd(exact, exact[:3], 10)


def test_many_points_outweigh_one_that_is_farther(rng_key):
    line = jnp.array([[-10.0], [-12.9], [10.0], [12.0], [12.0], [12.0], [12.1]])
    centers = line[jnp.array([0, 2])]
    available = jnp.ones(7, bool)
    assert lcmd(rng_key, line, available, batch_size=1, center_features=centers).indices.tolist() == [6]
    assert max_dist(rng_key, line, available, batch_size=1, center_features=centers).indices.tolist() == [1]


def test_without_centres_it_starts_at_the_largest_norm(rng_key):
    selection = lcmd(rng_key, jnp.array([[1.0], [-4.0], [2.0]]), jnp.ones(3, bool), batch_size=2)
    assert selection.indices.tolist() == [1, 2]
    np.testing.assert_allclose(selection.scores, [4.0, 6.0], rtol=1e-6)


def test_once_all_points_are_covered_the_rest_come_in_any_order_with_score_zero(rng_key):
    selection = lcmd(rng_key, jnp.ones((5, 2)), jnp.ones(5, bool), batch_size=5)
    assert sorted(selection.indices.tolist()) == [0, 1, 2, 3, 4]
    assert selection.scores[1:].tolist() == [0.0] * 4
