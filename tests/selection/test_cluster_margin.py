"""Cluster-Margin against a slow loop, and its linkage against SciPy's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage

import bal
from bal.selection import cluster_margin
from bal.selection.geometry._average_linkage import average_linkage
from tests.test_strategies import view_of

clusters_of = jax.jit(average_linkage, static_argnames="num_clusters")


def as_sets(labels, kept):
    return {frozenset(np.flatnonzero((labels == label) & kept).tolist()) for label in set(labels[kept].tolist())}


@pytest.mark.parametrize("num_clusters", [1, 4, 11, 40])
@pytest.mark.parametrize("seed", [0, 1])
def test_clusters_are_those_of_scipy(num_clusters, seed):
    generator = np.random.default_rng(seed)
    points = generator.normal(size=(40, 3)).astype(np.float32)
    kept = generator.uniform(size=40) < 0.8
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    found = np.asarray(clusters_of(distances, kept, num_clusters=num_clusters))
    expected = np.zeros(40, int)
    expected[kept] = fcluster(linkage(points[kept], "average"), min(num_clusters, kept.sum()), "maxclust")
    assert as_sets(found, kept) == as_sets(expected, kept)


def test_equal_distances_and_few_points_end():
    for count in (0, 1, 2, 6):
        kept = jnp.arange(6) < count
        found = np.asarray(clusters_of(jnp.zeros((6, 6)), kept, num_clusters=2))
        assert len(as_sets(found, np.asarray(kept))) == min(2, count)


def turns(clusters, scores, num_candidates):
    """Which cluster each place of the batch may come from, written from the paper."""
    candidates = np.argsort(-scores)[:num_candidates].tolist()
    left = {label: [point for point in candidates if clusters[point] == label] for label in set(clusters)}
    sizes = {label: len(points) for label, points in left.items() if points}
    order = []
    while any(sizes.values()):
        order += sorted((label for label in sizes if sizes[label]), key=lambda label: len(left[label]))
        sizes = {label: max(0, size - 1) for label, size in sizes.items()}
    return order, set(candidates)


def test_batches_go_round_the_clusters_the_smallest_first(rng_key):
    corners = np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    clusters = np.repeat(np.arange(3), (20, 12, 8))
    generator = np.random.default_rng(0)
    embeddings = (corners[clusters] + generator.normal(size=(40, 2))).astype(np.float32)
    scores = generator.uniform(size=40).astype(np.float32)
    chosen = cluster_margin(
        rng_key,
        jnp.asarray(scores),
        jnp.asarray(embeddings),
        jnp.ones(40, bool),
        batch_size=15,
        num_candidates=25,
        num_clusters=3,
    )
    order, candidates = turns(clusters, scores, 25)
    assert clusters[np.asarray(chosen.indices)].tolist() == order[:15]
    assert set(chosen.indices.tolist()) <= candidates
    np.testing.assert_array_equal(chosen.scores, scores[np.asarray(chosen.indices)])


def test_within_a_cluster_points_are_random():
    available, scores, embeddings = jnp.ones(12, bool), jnp.zeros(12), jnp.zeros((12, 2))
    picks = {
        int(cluster_margin(jax.random.key(seed), scores, embeddings, available, batch_size=1).indices[0])
        for seed in range(20)
    }
    assert len(picks) > 3


def test_candidates_beyond_those_clustered_join_the_nearest(rng_key):
    corners = jnp.array([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0], [50.0, 50.0]])
    clusters = np.repeat(np.arange(4), 100)
    embeddings = corners[clusters] + jax.random.normal(rng_key, (400, 2))
    chosen = cluster_margin(
        rng_key,
        jnp.zeros(400),
        embeddings,
        jnp.ones(400, bool),
        batch_size=40,
        num_candidates=400,
        num_clusters=4,
        num_clustered=40,
    )
    assert np.bincount(clusters[np.asarray(chosen.indices)]).tolist() == [10, 10, 10, 10]


def test_scores_that_are_nan_are_counted_and_never_chosen(rng_key):
    scores = jnp.zeros(6).at[2].set(jnp.nan)
    available = jnp.arange(6) < 4
    embeddings = jnp.arange(12.0).reshape(6, 2).at[1].set(jnp.inf)
    chosen = cluster_margin(rng_key, scores, embeddings, available, batch_size=3)
    assert sorted(chosen.indices.tolist()) == [0, 3, 6]
    assert int(chosen.num_invalid) == 2


def test_distances_that_overflow_end_the_clustering(rng_key):
    embeddings = jnp.array([[1e20], [-1e20], [3e20], [0.0]])
    chosen = cluster_margin(rng_key, jnp.arange(4.0), embeddings, jnp.ones(4, bool), batch_size=2)
    assert len(set(chosen.indices.tolist())) == 2


def test_the_strategy_chooses_among_the_smallest_margins(rng_key):
    view = view_of("classes")
    margins = np.array(view.map(lambda inputs: bal.acquisition.margin(view.predict(inputs))))
    margins[~np.asarray(view.available)] = -np.inf
    chosen = bal.strategies.cluster_margin(batch_size=3, num_candidates=6).select(rng_key, view)
    assert set(chosen.indices.tolist()) <= set(np.argsort(-margins)[:6].tolist())
    np.testing.assert_allclose(chosen.scores, margins[np.asarray(chosen.indices)], rtol=1e-6)
    with pytest.raises(ValueError, match="num_candidates"):
        bal.strategies.cluster_margin(batch_size=5, num_candidates=4)
    for wrong in ({"batch_size": 0}, {"batch_size": 5, "num_clusters": 0}):
        with pytest.raises(ValueError, match=list(wrong)[-1]):
            bal.strategies.cluster_margin(**wrong)
