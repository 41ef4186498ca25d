"""Farthest-first traversal against a slow loop, the best cover by brute force, and known answers."""

from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.selection import OUTER, k_center, max_dist


def radius(embeddings, centers):
    return np.linalg.norm(embeddings[:, None] - embeddings[None, list(centers)], axis=-1).min(axis=1).max()


def slow_greedy(embeddings, centers, batch_size):
    chosen, radii = [], []
    for _ in range(batch_size):
        nearest = np.linalg.norm(embeddings[:, None] - np.stack(centers)[None], axis=-1).min(axis=1)
        chosen.append(int(nearest.argmax()))
        radii.append(nearest.max())
        centers = [*centers, embeddings[chosen[-1]]]
    return chosen, radii


@pytest.mark.parametrize("rule", [k_center, max_dist])
def test_each_point_is_the_farthest_from_labelled_and_chosen_ones(rule, rng_key):
    embeddings = jax.random.normal(rng_key, (30, 3))
    named = {"center_embeddings" if rule is k_center else "center_features": embeddings[:2]}
    selection = rule(rng_key, embeddings, jnp.ones(30, bool), batch_size=8, **named)
    exact = np.asarray(embeddings, np.float64)
    chosen, radii = slow_greedy(exact, list(exact[:2]), 8)
    assert selection.indices.tolist() == chosen
    np.testing.assert_allclose(selection.scores, radii, rtol=1e-5)
    assert (np.diff(selection.scores) <= 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_the_radius_is_at_most_twice_the_best_one(seed):
    embeddings = jax.random.normal(jax.random.key(seed), (11, 2))
    exact = np.asarray(embeddings, np.float64)
    best = min(radius(exact, centers) for centers in combinations(range(11), 3))
    chosen = k_center(jax.random.key(seed), embeddings, jnp.ones(11, bool), batch_size=3).indices
    assert best <= radius(exact, chosen) <= 2 * best


def test_copies_of_labelled_points_come_after_all_others(rng_key):
    others = 100 + 1e-2 * jax.random.normal(rng_key, (6, 3))
    embeddings = jnp.concatenate([others[:3], others])
    chosen = k_center(rng_key, embeddings, jnp.ones(9, bool), batch_size=9, center_embeddings=others[:3])
    assert set(chosen.indices[:3].tolist()) == {6, 7, 8}
    assert chosen.scores[3:].tolist() == [0.0] * 6


def test_without_centres_k_center_starts_anywhere_and_max_dist_at_the_largest_norm():
    embeddings = jnp.array([[0.0], [1.0], [-3.0], [2.0]])
    first = jax.vmap(lambda key: k_center(key, embeddings, jnp.ones(4, bool), batch_size=1).indices[0])
    assert set(first(jax.random.split(jax.random.key(0), 40)).tolist()) == {0, 1, 2, 3}
    selection = max_dist(jax.random.key(0), embeddings, jnp.ones(4, bool), batch_size=3)
    assert selection.indices.tolist() == [2, 3, 0] or selection.indices.tolist() == [2, 3, 1]
    np.testing.assert_allclose(selection.scores[:2], [3.0, 5.0], rtol=1e-6)


def test_a_weight_of_zero_is_no_centre(rng_key):
    embeddings = jnp.array([[0.0], [1.0], [5.0]])
    selection = k_center(
        rng_key,
        embeddings,
        jnp.ones(3, bool),
        batch_size=1,
        center_embeddings=jnp.array([[5.0], [0.0]]),
        center_weights=jnp.array([0.0, 1.0]),
    )
    assert selection.indices.tolist() == [2]


def test_the_factored_kernel_gives_the_batch_of_the_dense_features(rng_key):
    factors = jax.random.normal(rng_key, (20, 3)), jax.random.normal(jax.random.key(1), (20, 4))
    features = jnp.einsum("nc,nd->ncd", *factors).reshape(20, 12)
    available = jnp.ones(20, bool)
    dense = max_dist(rng_key, features, available, batch_size=6)
    factored = max_dist(rng_key, factors, available, batch_size=6, kernel=OUTER)
    assert dense.indices.tolist() == factored.indices.tolist()
    np.testing.assert_allclose(dense.scores, factored.scores, rtol=1e-5)
