"""k-means clustering of a masked set of points, in one compiled loop."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from bal.selection.geometry._k_means_plus_plus import seed_clusters
from bal.selection.geometry._kernels import LINEAR
from bal.selection.geometry._nearest import PAIRS_AT_ONCE
from bal.selection.geometry._points import blank
from bal.streaming import map_chunks
from bal.types import RngKey

NUM_ITERATIONS = 20  # Lloyd's algorithm has converged as far as a batch rule can tell


def squared_distances(points: Float[Array, "a D"], others: Float[Array, "b D"]) -> Float[Array, "a b"]:
    """All pairs by one matrix product; near 0 within rounding of the squared norms."""
    norms, other_norms = jnp.square(points).sum(axis=1), jnp.square(others).sum(axis=1)
    return jnp.maximum(norms[:, None] + other_norms[None] - 2 * points @ others.T, 0.0)


def k_means_clusters(
    rng_key: RngKey,
    points: Float[Array, "N D"],
    kept: Bool[Array, " N"],
    *,
    num_clusters: int,
    num_used: int | Int[Array, ""] | None = None,
) -> tuple[Int[Array, " N"], Float[Array, "G D"]]:
    """Cluster the points that are kept: k-means++ seeding, then Lloyd's algorithm.

    Args:
      rng_key: the seeding.
      points: one row per point; those not kept are assigned to clusters but do not move the centres.
      kept: which points count.
      num_clusters: number of clusters G, at most N.
      num_used: how many of them may be used, if that is known only at run time.

    Returns:
      The cluster of each point, and the centres.
    """
    seeds = seed_clusters(rng_key, points, kept, LINEAR, batch_size=num_clusters).indices
    used = seeds < points.shape[0]
    if num_used is not None:
        used &= jnp.arange(num_clusters) < num_used
    centers = points.at[seeds].get(mode="fill", fill_value=0)
    members = blank(points, kept)

    def assign(centers):
        def of_chunk(chunk):
            squares = jnp.where(used[None], squared_distances(chunk, centers), jnp.inf)
            return squares.argmin(axis=1).astype(jnp.int32)

        return map_chunks(of_chunk, points, max(1, PAIRS_AT_ONCE // num_clusters))

    def iterate(_, centers):
        clusters = assign(centers)
        sizes = jax.ops.segment_sum(kept.astype(points.dtype), clusters, num_clusters)
        means = jax.ops.segment_sum(members, clusters, num_clusters) / jnp.maximum(sizes, 1.0)[:, None]
        # An empty cluster keeps its centre.
        return jnp.where((sizes > 0)[:, None], means, centers)

    centers = jax.lax.fori_loop(0, NUM_ITERATIONS, iterate, centers)
    return assign(centers), centers
