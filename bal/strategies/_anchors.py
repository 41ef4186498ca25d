"""A strategy among the neighbours of anchors: a few labelled points of each class."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from bal import selection
from bal.precision import full_precision
from bal.selection import Selection
from bal.strategies._candidates import choose_among
from bal.strategies._strategy import CATEGORICAL, Features, Strategy
from bal.types import Batch, RngKey
from bal.validation import check_count
from bal.view import PoolView


def among_anchors(
    strategy: Strategy,
    *,
    num_candidates: int,
    num_anchors: int = 10,
    num_neighbours: int = 50,
    features: Features = "embedding",
) -> Strategy:
    """A strategy among the points that are most similar to anchors, labelled points of each class (AnchorAL).

    In each round the anchors are drawn anew from the labels of each class, spread by the seeding of k-means, so that
    rare classes have as many as frequent ones. Each anchor brings its most similar available points. Candidates are
    those of the largest similarity, on average over the anchors that brought them; where there are fewer of them than
    candidates, the others are random. Similarity is the cosine of two features. The search is exact; the paper
    approximates it, and keeps the features of a trained language model.

    Args:
      strategy: chooses the batch.
      num_candidates: points that it looks at.
      num_anchors: of each class, at most.
      num_neighbours: points that an anchor brings.
      features: between which similarities are measured.

    Raises:
      ValueError: fewer candidates than the batch has points, no anchors or neighbours, or a strategy that does not
        take the predictions of classes.

    Example:
      >>> from bal import strategies
      >>> strategy = among_anchors(strategies.bald(batch_size=10), num_candidates=500)
      >>> strategy.batch_size, strategy.needs
      (10, ('embedding',))

    References:
      Lesci and Vlachos 2024, AnchorAL: computationally efficient active learning for large and imbalanced datasets,
      arXiv:2404.05623
    """
    check_count("num_candidates", num_candidates, least=strategy.batch_size)
    check_count("num_anchors", num_anchors)
    check_count("num_neighbours", num_neighbours)
    if strategy.takes is not None and CATEGORICAL[0] not in strategy.takes:
        raise ValueError(f"expected a strategy for classes, got one for {strategy.takes}: anchors are of a class")

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        key_anchors, key_ties, key_strategy = jax.random.split(rng_key, 3)
        feature = view.features[features]
        points = view.map(feature)
        invalid = ~jnp.isfinite(points).all(axis=1)
        points, labelled = _directions(points), _directions(view.stream(feature, view.labelled.inputs))
        one = jax.eval_shape(lambda: view.predict(view.take(jnp.zeros(1, jnp.int32))))
        anchors = _anchors(key_anchors, labelled, view.labelled, one.shape[-1], num_anchors)
        similarity = _similarity(points, labelled, anchors, view.available & ~invalid, num_neighbours)
        scores = jnp.where(invalid, jnp.nan, similarity)
        best = selection.top_k(key_ties, scores, view.available, batch_size=min(num_candidates, view.size))
        return choose_among(key_strategy, view, best, strategy)

    needs = tuple(dict.fromkeys((features, *strategy.needs)))
    return strategy._replace(select=select, takes=CATEGORICAL, needs=needs)


def _directions(features: Float[Array, "n D"]) -> Float[Array, "n D"]:
    """Features of length 1; a feature of length 0 is similar to none."""
    lengths = jnp.linalg.norm(features, axis=1, keepdims=True)
    return features / jnp.maximum(lengths, jnp.finfo(features.dtype).tiny)


def _anchors(
    rng_key: RngKey, directions: Float[Array, "K D"], labelled: Batch, num_classes: int, num_anchors: int
) -> Int[Array, " A"]:
    """Rows of the labelled points that are anchors; K where a class has fewer."""

    def of_class(key: RngKey, label: Int[Array, ""]) -> Int[Array, " a"]:
        own = (labelled.weights > 0) & (labelled.labels == label)
        count = min(num_anchors, directions.shape[0])
        # All directions have length 1, so the first of them is random.
        return selection.k_means_plus_plus(key, directions, own, batch_size=count).indices

    return jax.vmap(of_class)(jax.random.split(rng_key, num_classes), jnp.arange(num_classes)).reshape(-1)


@full_precision
def _similarity(
    points: Float[Array, "N D"],
    labelled: Float[Array, "K D"],
    anchors: Int[Array, " A"],
    available: Bool[Array, " N"],
    num_neighbours: int,
) -> Float[Array, " N"]:
    """Mean cosine of each point with the anchors that bring it; -2, below any cosine, for points that none brings."""
    count = min(num_neighbours, points.shape[0])

    def bring(sums: tuple[Array, Array], anchor: Array) -> tuple[tuple[Array, Array], None]:
        total, times = sums
        cosines = points @ labelled.at[anchor].get(mode="fill", fill_value=0)
        found, nearest = jax.lax.top_k(jnp.where(available & (anchor < len(labelled)), cosines, -jnp.inf), count)
        brought = found > -jnp.inf
        return (total.at[nearest].add(jnp.where(brought, found, 0)), times.at[nearest].add(brought)), None

    start = jnp.zeros(len(points), points.dtype), jnp.zeros(len(points), jnp.int32)
    (total, times), _ = jax.lax.scan(bring, start, anchors)
    return jnp.where(times > 0, total / jnp.maximum(times, 1), -2.0)
