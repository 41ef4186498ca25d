"""Cluster-Margin: points of small margins in the whole pool, spread over clusters."""

import jax
from jaxtyping import Array

from bal import acquisition, selection
from bal.selection import Selection
from bal.strategies._strategy import CATEGORICAL, Features, Strategy
from bal.types import PyTree, RngKey
from bal.validation import check_count
from bal.view import PoolView, among


def cluster_margin(
    *,
    batch_size: int,
    num_candidates: int | None = None,
    num_clusters: int | None = None,
    features: Features = "embedding",
) -> Strategy:
    """Small margins, taken in turn from clusters of the candidates; see :func:`bal.selection.cluster_margin`.

    Features are computed for the candidates only, so a large pool costs one pass for its margins.

    Args:
      batch_size: points to choose.
      num_candidates: points of the smallest margins; None: ten times as many, or all where there are fewer.
      num_clusters: of the candidates; None: as many as the batch has points.
      features: between which distances are measured.

    Raises:
      ValueError: a size below 1, or fewer candidates than the batch has points.

    Example:
      >>> cluster_margin(batch_size=100).needs
      ('embedding',)
    """
    check_count("batch_size", batch_size)
    if num_clusters is not None:
        check_count("num_clusters", num_clusters)
    wanted = 10 * batch_size if num_candidates is None else num_candidates
    check_count("num_candidates", wanted, least=batch_size)

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        key_candidates, key_rule = jax.random.split(rng_key)

        def score(inputs: PyTree) -> Array:
            return acquisition.margin(view.predict(inputs))

        count = min(wanted, view.size)
        best = selection.top_k(key_candidates, view.map(score), view.available, batch_size=count)
        candidates = among(view, best.indices)
        chosen = selection.cluster_margin(
            key_rule,
            best.scores,
            candidates.map(view.features[features]),
            candidates.available,
            batch_size=batch_size,
            num_candidates=count,
            num_clusters=num_clusters,
        )
        places = best.indices.at[chosen.indices].get(mode="fill", fill_value=view.size)
        return chosen._replace(indices=places, num_invalid=best.num_invalid + chosen.num_invalid)

    return Strategy(batch_size, select, takes=CATEGORICAL, needs=(features,))
