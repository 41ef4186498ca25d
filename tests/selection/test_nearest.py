"""Nearest centres and clusters in pieces: the same as at once, without an array of all points and all centres."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.planning._liveness import worst_moment
from bal.selection import LINEAR, k_center, k_means
from bal.selection.geometry import _lloyd, _nearest


@pytest.mark.parametrize("pairs", [8, 24, 2**22])
def test_pieces_of_any_size_find_the_nearest_centre(pairs, rng_key, monkeypatch):
    monkeypatch.setattr(_nearest, "PAIRS_AT_ONCE", pairs)
    points = jax.random.normal(rng_key, (31, 3))
    centers, weights = points[:8] + 0.1, jnp.ones(8).at[2].set(0)
    nearest = _nearest.nearest_centers(LINEAR, points, centers, weights)
    squares = np.square(np.asarray(points)[:, None] - np.asarray(centers)[None]).sum(axis=-1)
    squares[:, 2] = np.inf
    assert nearest.centers.tolist() == squares.argmin(axis=1).tolist()
    np.testing.assert_allclose(nearest.squared_distances, squares.min(axis=1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("pairs", [1, 12, 2**22])
def test_pieces_of_any_size_give_the_same_clusters(pairs, rng_key, monkeypatch):
    monkeypatch.setattr(_lloyd, "PAIRS_AT_ONCE", pairs)
    points = jax.random.normal(rng_key, (31, 2))
    clusters, centers = _lloyd.k_means_clusters(rng_key, points, jnp.ones(31, bool), num_clusters=4)
    distances = np.linalg.norm(np.asarray(points)[:, None] - np.asarray(centers)[None], axis=-1)
    assert clusters.tolist() == distances.argmin(axis=1).tolist()


def test_a_million_points_hold_no_array_of_points_and_centres():
    spec, count = jax.ShapeDtypeStruct, 1_000_000
    given = jax.eval_shape(lambda: jax.random.key(0)), spec((count, 64), jnp.float32), spec((count,), bool)
    centers = spec((1_000, 64), jnp.float32)

    def center(key, points, available, centers):
        return k_center(key, points, available, batch_size=1_000, center_embeddings=centers)

    def cluster(key, points, available):
        return k_means(key, points, available, batch_size=1_000)

    features = 4 * count * 64
    assert worst_moment(jax.make_jaxpr(center)(*given, centers).jaxpr).bytes < 1.25 * features
    assert worst_moment(jax.make_jaxpr(cluster)(*given).jaxpr).bytes < 2.25 * features
