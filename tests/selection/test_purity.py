"""The radius of ProbCover's balls."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.selection import purity_radius
from bal.selection.geometry._lloyd import k_means_clusters


@pytest.mark.parametrize("purity", [0.7, 0.95, 1.0])
def test_it_is_the_largest_radius_at_which_so_many_balls_are_pure(purity, rng_key):
    points = jax.random.normal(rng_key, (30, 2))
    available = jnp.arange(30) < 25
    radius = float(purity_radius(rng_key, points, available, num_clusters=3, purity=purity))
    clusters = np.asarray(k_means_clusters(rng_key, points * available[:, None], available, num_clusters=3)[0])[:25]
    distances = np.linalg.norm(np.asarray(points)[:25, None] - np.asarray(points)[None, :25], axis=-1)

    def share_of_pure_balls(radius):
        return ((distances > radius) | (clusters[:, None] == clusters[None])).all(axis=1).mean()

    assert share_of_pure_balls(radius * 0.999) >= purity
    assert share_of_pure_balls(radius * 1.001) < purity


def test_points_in_one_cluster_are_pure_at_any_radius(rng_key):
    points = jnp.arange(4.0)[:, None]
    assert jnp.isinf(purity_radius(rng_key, points, jnp.ones(4, bool), num_clusters=1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"num_clusters": 0}, "num_clusters"), ({"num_clusters": 2, "purity": 0.0}, "purity")],
)
def test_settings_that_cannot_be_are_refused(settings, message, rng_key):
    with pytest.raises(ValueError, match=message):
        purity_radius(rng_key, jnp.ones((4, 1)), jnp.ones(4, bool), **settings)
