"""Strategies around another one, which then looks at a few candidates instead of the whole pool."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal import selection
from bal.precision import full_precision
from bal.selection import Selection
from bal.strategies._strategy import Features, Strategy
from bal.types import RngKey
from bal.validation import check_count
from bal.view import PoolView, among


def two_stages(first: Strategy, second: Strategy) -> Strategy:
    """A cheap strategy over everything, and a better one among the points that it chose.

    Args:
      first: its ``batch_size`` is the number of candidates, such as ``margin(batch_size=10_000)``, or
        ``random(batch_size=10_000)`` for a random subset.
      second: chooses the batch among them.

    Returns:
      The strategy. Its ``Selection.num_candidates`` is the number of points that ``second`` looked at.

    Raises:
      ValueError: fewer candidates than the batch has points, or strategies for different kinds of predictions.

    Example:
      >>> from bal import strategies
      >>> two_stages(strategies.margin(batch_size=1_000), strategies.badge(batch_size=10)).batch_size
      10
    """
    check_count("batch_size of the first strategy", first.batch_size, least=second.batch_size)
    kinds = [kind.takes for kind in (first, second) if kind.takes is not None]
    takes = tuple(kind for kind in kinds[0] if all(kind in others for others in kinds)) if kinds else None
    if takes == ():
        raise ValueError(f"expected two strategies for one kind of predictions, got {first.takes} and {second.takes}")

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        key_first, key_second = jax.random.split(rng_key)
        return choose_among(key_second, view, first.select(key_first, view), second)

    needs = tuple(dict.fromkeys((*first.needs, *second.needs)))
    return Strategy(second.batch_size, select, takes, needs, first.privileged or second.privileged)


def among_neighbours(
    strategy: Strategy, *, num_candidates: int, num_neighbours: int = 100, features: Features = "embedding"
) -> Strategy:
    """A strategy among the nearest neighbours of the labelled points (SEALS).

    Candidates are the available points in the order of their rank among the neighbours of a labelled point, the best
    over all of these: first all nearest ones, then all second nearest. Where fewer points are neighbours than there are
    candidates, as without any labels, the others are random. The search is exact, and the features of the whole pool
    are computed and held; the paper approximates the search, and keeps the features of a trained network.

    Args:
      strategy: chooses the batch.
      num_candidates: points that it looks at.
      num_neighbours: of each labelled point.
      features: between which distances are measured.

    Raises:
      ValueError: fewer candidates than the batch has points, or no neighbours.

    Example:
      >>> from bal import strategies
      >>> strategy = among_neighbours(strategies.bald(batch_size=10), num_candidates=500)
      >>> strategy.batch_size, strategy.needs
      (10, ('embedding',))

    References:
      Coleman et al. 2022, Similarity search for efficient active learning and search of rare concepts,
      arXiv:2007.00077
    """
    check_count("num_candidates", num_candidates, least=strategy.batch_size)
    check_count("num_neighbours", num_neighbours)

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        key_ties, key_strategy = jax.random.split(rng_key)
        feature = view.features[features]
        points, labelled = view.map(feature), view.stream(feature, view.labelled.inputs)
        invalid = ~jnp.isfinite(points).all(axis=1)
        ranks = _ranks(points, labelled, view.labelled.weights > 0, view.available & ~invalid, num_neighbours)
        scores = jnp.where(invalid, jnp.nan, -ranks)
        best = selection.top_k(key_ties, scores, view.available, batch_size=min(num_candidates, view.size))
        return choose_among(key_strategy, view, best, strategy)

    needs = tuple(dict.fromkeys((features, *strategy.needs)))
    return strategy._replace(select=select, needs=needs)


@full_precision
def _ranks(
    points: Float[Array, "N D"],
    labelled: Float[Array, "K D"],
    is_labelled: Bool[Array, " K"],
    available: Bool[Array, " N"],
    num_neighbours: int,
) -> Float[Array, " N"]:
    """Best rank of each point among the neighbours of a labelled point, from 0; ``num_neighbours`` for the others."""
    count = min(num_neighbours, points.shape[0])
    order = jnp.arange(count, dtype=points.dtype)

    def nearer(ranks: Array, labelled_point: tuple[Array, Array]) -> tuple[Array, None]:
        center, counts = labelled_point
        distances = jnp.square(points - center[None]).sum(axis=1)
        closeness, nearest = jax.lax.top_k(jnp.where(available & counts, -distances, -jnp.inf), count)
        return ranks.at[nearest].min(jnp.where(closeness > -jnp.inf, order, count)), None

    return jax.lax.scan(nearer, jnp.full(points.shape[0], count, points.dtype), (labelled, is_labelled))[0]


def choose_among(rng_key: RngKey, view: PoolView, candidates: Selection, strategy: Strategy) -> Selection:
    """The choice of a strategy among candidates, as places of the whole view."""
    places = candidates.indices
    chosen = strategy.select(rng_key, among(view, places))
    num_candidates = (places < view.size).sum()
    # Proven only where nothing was left out; a strategy that left out some itself says so.
    complete = num_candidates == view.available.sum()
    return chosen._replace(
        indices=places.at[chosen.indices].get(mode="fill", fill_value=view.size),
        num_invalid=candidates.num_invalid + chosen.num_invalid,
        certified=complete if chosen.certified is None else complete & chosen.certified,
        num_candidates=num_candidates if chosen.num_candidates is None else chosen.num_candidates,
    )
