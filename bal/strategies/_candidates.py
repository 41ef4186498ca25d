"""Strategies around another one, which then looks at a few candidates instead of the whole pool."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from bal import selection
from bal.precision import full_precision
from bal.selection import Selection
from bal.sources import Source
from bal.strategies._strategy import Features, Strategy
from bal.streaming import num_points, take_points
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
    privileged, num_draws = first.privileged or second.privileged, max(first.num_draws, second.num_draws)
    return Strategy(second.batch_size, select, takes, needs, privileged, num_draws)


def among_neighbours(
    strategy: Strategy, *, num_candidates: int, num_neighbours: int = 100, features: Features = "embedding"
) -> Strategy:
    """A strategy among the nearest neighbours of the labelled points (SEALS).

    Candidates are the available points in the order of their rank among the neighbours of a labelled point, the best
    over all of these: first all nearest ones, then all second nearest. Where fewer points are neighbours than there are
    candidates, as without any labels, the others are random. The search is exact, and the features of the whole pool
    are computed and held; :func:`among_known_neighbours` looks nothing up but the candidates.

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


def among_known_neighbours(strategy: Strategy, neighbours: Any, *, num_candidates: int) -> Strategy:
    """As :func:`among_neighbours`, with neighbours that are known before the run, so that a round looks at no others.

    As in the paper, distances are those of a network that was trained before. Neighbours that have labels are passed
    over, so a row of the table should be several times as long as a batch.

    Args:
      strategy: chooses the batch.
      neighbours: pool indices [N, k] of the neighbours of each point, nearest first, the absent index N behind them: an
        array, which is a constant of the compiled program; or, for a pool on disk, a :class:`bal.Source` of a file or
        of :class:`bal.Neighbours`, of which the rows of labelled points alone are read.
      num_candidates: points that it looks at.

    Raises:
      ValueError: fewer candidates than the batch has points, or neighbours that are no table of the pool's.

    Example:
      >>> from bal import strategies
      >>> table = jnp.array([[1, 2], [0, 2], [1, 0]])
      >>> among_known_neighbours(strategies.bald(batch_size=1), table, num_candidates=2).batch_size
      1
    """
    check_count("num_candidates", num_candidates, least=strategy.batch_size)
    is_source = isinstance(neighbours, Source)
    shapes = jax.tree.leaves(neighbours.shapes(neighbours.size) if is_source else neighbours)
    if len(shapes) != 1 or jnp.ndim(shapes[0]) != 2 or not jnp.issubdtype(shapes[0].dtype, jnp.integer):
        found = ", ".join(f"{leaf.dtype} {list(leaf.shape)}" for leaf in shapes if hasattr(leaf, "shape"))
        raise ValueError(
            f"expected neighbours to be integers [N, k], got {found or type(neighbours).__name__}: pass index[:] or "
            "bal.Source(index) of a bal.Neighbours"
        )

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        key_ties, key_strategy = jax.random.split(rng_key)
        total = num_points(neighbours)
        if total < view.size:
            raise ValueError(f"expected neighbours of {view.size} points, as many as the pool has, got {total}")
        places = jnp.full(total, view.size).at[view.pool_indices].set(jnp.arange(view.size), mode="drop")
        near = places.at[take_points(neighbours, view.labelled_indices)].get(mode="fill", fill_value=view.size)
        ranks = _ranks_in(near, view.labelled.weights > 0, view.available)
        best = selection.top_k(key_ties, -ranks, view.available, batch_size=min(num_candidates, view.size))
        return choose_among(key_strategy, view, best, strategy)

    return strategy._replace(select=select)


def _ranks_in(
    near: Int[Array, "K k"], is_labelled: Bool[Array, " K"], available: Bool[Array, " N"]
) -> Float[Array, " N"]:
    """Best rank of each point among the available neighbours of a labelled point, from 0; k for the others."""
    count = near.shape[1]
    counts = available.at[near].get(mode="fill", fill_value=False) & is_labelled[:, None]
    ranks = jnp.where(counts, jnp.cumsum(counts, axis=1) - 1, count)
    return jnp.full(available.shape, float(count)).at[near].min(ranks.astype(float), mode="drop")


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
