"""Typical points of clusters that have no label yet: a rule that needs no labels and no trained model."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal.precision import full_precision
from bal.selection._checks import as_floats, check_labelled, check_request
from bal.selection._selection import Selection, random_order, take_first
from bal.selection.geometry._lloyd import k_means_clusters, squared_distances
from bal.selection.geometry._points import blank, usable
from bal.selection.scores._class_balanced import places
from bal.types import RngKey
from bal.validation import check_count

CHUNK = 256  # rows of the distance matrix that exist at once


@full_precision
def typiclust(
    rng_key: RngKey,
    embeddings: Float[Array, "N D"],
    available: Bool[Array, " N"],
    *,
    batch_size: int,
    center_embeddings: Float[Array, "K D"] | None = None,
    center_weights: Float[Array, " K"] | None = None,
    num_neighbours: int = 20,
    min_cluster_size: int = 5,
    max_clusters: int = 500,
) -> Selection:
    r"""Cluster pool and labelled points, one cluster per label after this batch, and take the most typical points.

    .. math:: \mathrm{typicality}(x) = \left(\tfrac1k \sum_{z \in \mathrm{NN}_k(x)} \lVert x - z \rVert\right)^{-1}

    The clusters with the fewest labelled points come first, among them the largest, and in each its most typical point;
    neighbours are those in the same cluster. Clusters below ``min_cluster_size`` come last. Time grows with N squared.

    Args:
      rng_key: seeds the clusters and breaks ties.
      embeddings: one row per point, ideally of a self-supervised encoder.
      available: True where a point may be chosen.
      batch_size: number of points B.
      center_embeddings: the labelled set; None where there is none yet.
      center_weights: weight 0 is padding, whose contents change nothing. None counts every row.
      num_neighbours: k; fewer where a cluster is smaller.
      min_cluster_size: smaller clusters are treated as outliers.
      max_clusters: bound on the number of clusters; with more labels than this, clusters are visited again.

    Returns:
      The selection; a score is the typicality, in one over the unit of the embeddings; 0 for a point alone in its
      cluster.

    Raises:
      ValueError: ``batch_size`` is not between 1 and N, shapes that disagree, a negative weight, or a setting below 1.

    Example:
      >>> groups = jnp.array([[0.0], [0.1], [0.2], [9.0], [9.1], [9.2]])
      >>> chosen = typiclust(jax.random.key(0), groups, jnp.ones(6, bool), batch_size=2, min_cluster_size=1).indices
      >>> sorted(chosen.tolist())
      [1, 4]

    References:
      Hacohen et al. 2022, Active learning on a budget: opposite strategies suit high and low budgets, arXiv:2202.02794
    """
    check_request(rng_key, available, batch_size)
    embeddings = as_floats("embeddings", embeddings, available.shape[0], "D")
    check_labelled(embeddings, center_embeddings=center_embeddings, center_weights=center_weights)
    check_count("num_neighbours", num_neighbours)
    check_count("min_cluster_size", min_cluster_size)
    check_count("max_clusters", max_clusters)
    if center_embeddings is None:
        center_embeddings = jnp.zeros((0, embeddings.shape[1]), embeddings.dtype)
    if center_weights is None:
        center_weights = jnp.ones_like(center_embeddings[:, 0])
    return _typiclust(
        rng_key,
        embeddings,
        available,
        center_embeddings,
        center_weights,
        batch_size=batch_size,
        num_neighbours=num_neighbours,
        min_cluster_size=min_cluster_size,
        max_clusters=max_clusters,
    )


@jax.jit(static_argnames=("batch_size", "num_neighbours", "min_cluster_size", "max_clusters"))
def _typiclust(
    rng_key,
    embeddings,
    available,
    center_embeddings,
    center_weights,
    *,
    batch_size,
    num_neighbours,
    min_cluster_size,
    max_clusters,
):
    key_clusters, key_places, key_order = jax.random.split(rng_key, 3)
    points, allowed, num_invalid = usable(available, embeddings)
    labelled = center_weights > 0
    everything = jnp.concatenate([points, blank(center_embeddings, labelled)])
    num_clusters = min(center_weights.shape[0] + batch_size, max_clusters, points.shape[0])
    clusters, _ = k_means_clusters(
        key_clusters,
        everything,
        jnp.concatenate([allowed, labelled]),
        num_clusters=num_clusters,
        num_used=labelled.sum() + batch_size,
    )
    own, theirs = clusters[: points.shape[0]], clusters[points.shape[0] :]
    num_labelled = jax.ops.segment_sum(labelled.astype(jnp.int32), theirs, num_clusters)
    sizes = num_labelled + jax.ops.segment_sum(allowed.astype(jnp.int32), own, num_clusters)
    scores = _typicality(points, own, allowed, min(num_neighbours, points.shape[0] - 1))
    visits = num_labelled[own] + places(key_places, own, scores, ~allowed)
    outlier = sizes[own] < min_cluster_size
    order = random_order(key_order, ~allowed, outlier, visits, -sizes[own], -scores)
    return take_first(order, scores, allowed, batch_size=batch_size)._replace(num_invalid=num_invalid)


def _typicality(points, clusters, allowed, num_neighbours):
    """One over the mean distance to the nearest points of the same cluster."""
    positions = jnp.arange(points.shape[0])

    def of_point(position):
        distances = jnp.sqrt(squared_distances(points[position][None], points)[0])
        neighbour = allowed & (clusters == clusters[position]) & (positions != position)
        nearest = -jax.lax.top_k(jnp.where(neighbour, -distances, -jnp.inf), num_neighbours)[0]
        found = jnp.isfinite(nearest)
        mean = jnp.where(found, nearest, 0.0).sum() / jnp.maximum(found.sum(), 1)
        return jnp.where(found.any(), 1 / mean, 0.0)

    if num_neighbours == 0:
        return jnp.zeros(points.shape[0], points.dtype)
    return jax.lax.map(of_point, positions, batch_size=CHUNK)
