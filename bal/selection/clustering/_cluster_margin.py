"""Large batches of uncertain points, spread over agglomerative clusters."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from bal.precision import full_precision
from bal.selection._checks import as_floats, check_request
from bal.selection._selection import Selection, first_in_order, random_order
from bal.selection.geometry._average_linkage import average_linkage
from bal.selection.geometry._lloyd import squared_distances
from bal.selection.geometry._points import row, usable
from bal.selection.scores._class_balanced import places
from bal.types import RngKey
from bal.validation import check_count

CHUNK = 256  # candidates whose distances to the clustered ones exist at once


@full_precision
def cluster_margin(
    rng_key: RngKey,
    scores: Float[Array, " N"],
    embeddings: Float[Array, "N D"],
    available: Bool[Array, " N"],
    *,
    batch_size: int,
    num_candidates: int | None = None,
    num_clusters: int | None = None,
    num_clustered: int = 2_048,
) -> Selection:
    """The points of the highest scores, such as small margins, drawn in turn from their clusters, the smallest first.

    The candidates are clustered under average linkage. Each turn takes a random point from every cluster that has one
    left, in the order of the clusters' sizes. The paper clusters the whole pool once, under a distance threshold and in
    the embedding of a first model. Here the candidates of each round are clustered in the embedding of its model, and a
    number of clusters takes the place of the threshold, whose scale changes from round to round; so time does not grow
    with the pool. Beyond ``num_clustered`` candidates a random part of them is clustered, in time and memory of the
    order of its square, and each other one joins the cluster of the nearest.

    Args:
      rng_key: draws points from clusters, and breaks ties.
      scores: higher is more useful, such as :func:`bal.acquisition.margin`. NaN is never chosen, and counted.
      embeddings: one row per point.
      available: True where a point may be chosen.
      batch_size: number of points B.
      num_candidates: points of the highest scores that are clustered; None: ten times B, or N if that is less.
      num_clusters: None: B.
      num_clustered: candidates that the linkage looks at.

    Returns:
      The selection in the order of the turns, with the points' scores.

    Raises:
      ValueError: ``batch_size`` is not between 1 and N, ``num_candidates`` is below it, shapes that disagree, or a
        setting below 1.

    Example:
      >>> groups = jnp.array([[0.0], [0.1], [0.2], [9.0]])
      >>> scores = jnp.zeros(4)
      >>> chosen = cluster_margin(
      ...     jax.random.key(0), scores, groups, jnp.ones(4, bool), batch_size=1, num_clusters=2
      ... )
      >>> chosen.indices.tolist()  # of the smallest cluster
      [3]

    References:
      Citovsky et al. 2021, Batch active learning at scale, arXiv:2107.14263
    """
    check_request(rng_key, available, batch_size)
    num_points = available.shape[0]
    scores = as_floats("scores", scores, num_points)
    embeddings = as_floats("embeddings", embeddings, num_points, "D")
    num_candidates = 10 * batch_size if num_candidates is None else num_candidates
    check_count("num_candidates", num_candidates, least=batch_size)
    num_clusters = batch_size if num_clusters is None else num_clusters
    check_count("num_clusters", num_clusters)
    check_count("num_clustered", num_clustered)
    return _cluster_margin(
        rng_key,
        scores,
        embeddings,
        available,
        batch_size=batch_size,
        num_candidates=min(num_candidates, num_points),
        num_clusters=num_clusters,
        num_clustered=num_clustered,
    )


@jax.jit(static_argnames=("batch_size", "num_candidates", "num_clusters", "num_clustered"))
def _cluster_margin(rng_key, scores, embeddings, available, *, batch_size, num_candidates, num_clusters, num_clustered):
    key_ties, key_clustered, key_turns, key_order = jax.random.split(rng_key, 4)
    points, finite, num_invalid = usable(available, embeddings)
    allowed = finite & ~jnp.isnan(scores)
    best_first = first_in_order(key_ties, ~allowed, jnp.where(allowed, -scores, 0.0), count=num_candidates)
    kept = allowed[best_first]
    clusters = _clusters(key_clustered, points[best_first], kept, num_clusters, min(num_clustered, num_candidates))
    sizes = jax.ops.segment_sum(kept.astype(jnp.int32), clusters, num_candidates)[clusters]
    turns = places(key_turns, clusters, jnp.zeros_like(scores[best_first]), ~kept)
    order = random_order(key_order, ~kept, turns, sizes)[:batch_size]
    chosen = jnp.where(kept[order], best_first[order], scores.shape[0])
    return Selection(
        indices=chosen,
        scores=jnp.where(kept[order], row(scores, chosen), -jnp.inf),
        num_invalid=num_invalid + (finite & jnp.isnan(scores)).sum(),
    )


def _clusters(
    rng_key: RngKey, points: Float[Array, "M D"], kept: Bool[Array, " M"], num_clusters: int, num_clustered: int
) -> Int[Array, " M"]:
    """The cluster of each candidate, a number below M."""
    if num_clustered == points.shape[0]:
        return average_linkage(jnp.sqrt(squared_distances(points, points)), kept, num_clusters=num_clusters)
    part = random_order(rng_key, ~kept)[:num_clustered]
    within, counts = points[part], kept[part]
    found = average_linkage(jnp.sqrt(squared_distances(within, within)), counts, num_clusters=num_clusters)

    def nearest(point):
        squares = squared_distances(point[None], within)[0]
        return found[jnp.argmin(jnp.where(counts, squares, jnp.inf))]

    return jax.lax.map(nearest, points, batch_size=CHUNK).at[part].set(found)
