"""k-means, TypiClust and ProbCover: rules that need no label, on groups that a person can see and slow loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.selection import k_means, prob_cover, typiclust
from bal.selection.geometry._lloyd import k_means_clusters

CORNERS = jnp.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def groups(rng_key, sizes=(30, 20, 15, 10)):
    noise = jax.random.normal(rng_key, (sum(sizes), 2))
    label = np.repeat(np.arange(4), sizes)
    return CORNERS[label] + noise, label


def test_k_means_finds_groups_and_takes_the_point_nearest_to_each_centre(rng_key):
    embeddings, label = groups(rng_key)
    chosen = np.asarray(k_means(rng_key, embeddings, jnp.ones(75, bool), batch_size=4).indices)
    assert sorted(label[chosen].tolist()) == [0, 1, 2, 3]
    for index in chosen:
        members = np.asarray(embeddings)[label == label[index]]
        nearest = np.linalg.norm(members - members.mean(axis=0), axis=1).min()
        np.testing.assert_allclose(np.linalg.norm(embeddings[index] - members.mean(axis=0)), nearest, rtol=1e-4)


def test_clusters_are_a_fixed_point_of_lloyds_algorithm(rng_key):
    embeddings, _ = groups(rng_key)
    kept = jnp.arange(75) % 5 != 0
    clusters, centers = k_means_clusters(rng_key, embeddings, kept, num_clusters=4)
    for cluster in range(4):
        members = np.asarray(embeddings)[np.asarray(kept & (clusters == cluster))]
        np.testing.assert_allclose(centers[cluster], members.mean(axis=0), rtol=1e-4)
    nearest = jnp.linalg.norm(embeddings[:, None] - centers[None], axis=-1).argmin(axis=1)
    assert nearest.tolist() == clusters.tolist()


def test_typiclust_takes_one_typical_point_of_each_cluster_the_largest_first(rng_key):
    embeddings, label = groups(rng_key)
    selection = typiclust(rng_key, embeddings, jnp.ones(75, bool), batch_size=4)
    assert label[np.asarray(selection.indices)].tolist() == [0, 1, 2, 3]
    for index, score in zip(selection.indices.tolist(), selection.scores, strict=True):
        members = np.asarray(embeddings, np.float64)[label == label[index]]
        distances = np.sort(np.linalg.norm(members[:, None] - members[None], axis=-1), axis=1)[:, 1:21]
        typicality = 1 / distances.mean(axis=1)
        np.testing.assert_allclose(score, typicality.max(), rtol=1e-3)


def test_typiclust_leaves_clusters_with_a_label_and_small_ones_for_the_end(rng_key):
    embeddings, label = groups(rng_key, (30, 20, 15, 3))
    selection = typiclust(
        rng_key,
        embeddings,
        jnp.ones(68, bool),
        batch_size=3,
        center_embeddings=jnp.stack([CORNERS[0], jnp.full(2, 99.0)]),
        center_weights=jnp.array([1.0, 0.0]),
    )
    assert label[np.asarray(selection.indices)].tolist() == [1, 2, 0]


def test_typiclust_visits_clusters_again_beyond_the_largest_number_of_clusters(rng_key):
    embeddings, label = groups(rng_key)
    selection = typiclust(rng_key, embeddings, jnp.ones(75, bool), batch_size=8, max_clusters=4)
    assert label[np.asarray(selection.indices)].tolist() == [0, 1, 2, 3] * 2


@pytest.mark.parametrize("seed", range(3))
def test_each_ball_covers_as_many_new_points_as_any_could(seed, rng_key):
    embeddings = jax.random.normal(jax.random.key(seed), (150, 2))
    exact = np.asarray(embeddings, np.float64)
    selection = prob_cover(
        rng_key, embeddings, jnp.ones(150, bool), batch_size=12, radius=0.7, center_embeddings=embeddings[:2]
    )
    near = np.linalg.norm(exact[:, None] - exact[None], axis=-1) <= 0.7
    covered = near[:, 0] | near[:, 1]
    for index, score in zip(selection.indices.tolist(), selection.scores, strict=True):
        gains = (near & ~covered[None]).sum(axis=1)
        assert gains[index] == gains.max()
        np.testing.assert_allclose(score, gains[index] / 150, rtol=1e-5)
        covered |= near[index]


def test_coverage_is_monotone_and_its_increments_shrink(rng_key):
    embeddings = jax.random.normal(rng_key, (100, 3))
    scores = prob_cover(rng_key, embeddings, jnp.ones(100, bool), batch_size=60, radius=0.8).scores
    assert (scores >= 0).all()
    assert (np.diff(scores) <= 1e-7).all()
    np.testing.assert_allclose(scores.sum(), 1.0, rtol=1e-5)
    assert scores[-1] == 0


def test_equal_balls_are_ordered_by_the_key():
    embeddings = 10.0 * jnp.arange(6.0)[:, None]
    draw = jax.vmap(lambda key: prob_cover(key, embeddings, jnp.ones(6, bool), batch_size=1, radius=1.0).indices[0])
    assert set(draw(jax.random.split(jax.random.key(0), 60)).tolist()) == set(range(6))


def test_a_radius_of_zero_is_refused(rng_key):
    with pytest.raises(ValueError, match="radius"):
        prob_cover(rng_key, CORNERS, jnp.ones(4, bool), batch_size=1, radius=0.0)
