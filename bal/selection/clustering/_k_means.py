"""The points nearest to the centres of a clustering: diverse and typical."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal.precision import full_precision
from bal.selection._checks import as_floats, check_request
from bal.selection._selection import Selection
from bal.selection.geometry._lloyd import k_means_clusters
from bal.selection.geometry._points import usable
from bal.selection.scores._class_balanced import class_balanced
from bal.types import RngKey


@full_precision
def k_means(
    rng_key: RngKey, embeddings: Float[Array, "N D"], available: Bool[Array, " N"], *, batch_size: int
) -> Selection:
    """Cluster the available points into B clusters and take the point nearest to each centre.

    If duplicates leave fewer than B clusters, the next nearest points fill the batch.

    Args:
      rng_key: seeding of the clusters and ties.
      embeddings: one row per point.
      available: True where a point may be chosen; the others do not influence the clustering.
      batch_size: number of points B, and of clusters.

    Returns:
      The selection; a score is the distance to the centre of the cluster, negated.

    Raises:
      ValueError: ``batch_size`` is not between 1 and N, or the shapes disagree.

    Example:
      >>> groups = jnp.array([[0.0], [0.1], [0.2], [9.0], [9.1], [9.2]])
      >>> sorted(k_means(jax.random.key(0), groups, jnp.ones(6, bool), batch_size=2).indices.tolist())
      [1, 4]

    References:
      Zhdanov 2019, Diverse mini-batch active learning, arXiv:1901.05954 (with equal weights)
    """
    check_request(rng_key, available, batch_size)
    embeddings = as_floats("embeddings", embeddings, available.shape[0], "D")
    return _k_means(rng_key, embeddings, available, batch_size=batch_size)


@jax.jit(static_argnames="batch_size")
def _k_means(rng_key, embeddings, available, *, batch_size):
    key_clusters, key_choice = jax.random.split(rng_key)
    points, allowed, num_invalid = usable(available, embeddings)
    clusters, centers = k_means_clusters(key_clusters, points, allowed, num_clusters=batch_size)
    scores = -jnp.sqrt(jnp.square(points - centers[clusters]).sum(axis=1))
    selection = class_balanced(key_choice, scores, clusters, allowed, batch_size=batch_size, num_classes=batch_size)
    return selection._replace(num_invalid=num_invalid)
