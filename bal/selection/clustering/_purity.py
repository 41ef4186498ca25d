"""A radius for the balls of ProbCover, from the embeddings alone."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal.precision import full_precision
from bal.selection._checks import as_floats, check_request
from bal.selection.geometry._lloyd import k_means_clusters, squared_distances
from bal.selection.geometry._points import usable
from bal.types import RngKey
from bal.validation import check_count

CHUNK = 256  # rows of the distance matrix that exist at once


@full_precision
def purity_radius(
    rng_key: RngKey,
    embeddings: Float[Array, "N D"],
    available: Bool[Array, " N"],
    *,
    num_clusters: int,
    purity: float = 0.95,
) -> Float[Array, ""]:
    r"""The largest radius at which the given share of balls hold points of one k-means cluster only.

    A ball is pure while its radius is below the distance to the nearest point of another cluster, so the radius is a
    quantile of these distances. Takes time of order N squared.

    Args:
      rng_key: seeds the clusters.
      embeddings: one row per point.
      available: the points that count.
      num_clusters: usually the number of classes.
      purity: share of the balls, in (0, 1].

    Returns:
      The radius; infinity where all points are in one cluster.

    Raises:
      ValueError: ``num_clusters`` is not between 1 and N, ``purity`` is outside (0, 1], or the shapes disagree.

    Example:
      >>> groups = jnp.array([[0.0], [1.0], [5.0], [6.0]])
      >>> f"{purity_radius(jax.random.key(0), groups, jnp.ones(4, bool), num_clusters=2, purity=1.0):.3f}"
      '4.000'

    References:
      Yehuda et al. 2022, Active learning through a covering lens, arXiv:2205.11320
    """
    num_points = available.shape[0]
    check_request(rng_key, available, 1)
    embeddings = as_floats("embeddings", embeddings, num_points, "D")
    check_count("num_clusters", num_clusters)
    if num_clusters > num_points:
        raise ValueError(f"expected num_clusters between 1 and the number of points {num_points}, got {num_clusters}")
    if not 0 < purity <= 1:
        raise ValueError(f"expected purity between 0 and 1, got {purity}")
    points, allowed, _ = usable(available, embeddings)
    clusters, _ = k_means_clusters(rng_key, points, allowed, num_clusters=num_clusters)

    def to_another_cluster(index):
        distances = squared_distances(points[index][None], points)[0]
        return jnp.where(allowed & (clusters != clusters[index]), distances, jnp.inf).min()

    squares = jax.lax.map(to_another_cluster, jnp.arange(num_points), batch_size=min(CHUNK, num_points))
    smallest_first = jnp.sort(jnp.where(allowed, jnp.sqrt(squares), jnp.inf))
    num_impure = jnp.floor((1 - purity) * allowed.sum()).astype(jnp.int32)
    radius = smallest_first[num_impure]
    # A ball includes its surface, so the radius is just below the distance. The number just below infinity would be
    # finite.
    return jnp.where(jnp.isinf(radius), radius, jnp.nextafter(radius, jnp.zeros(())))
