"""Ranking metrics: how well scores order the points."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float

from bal.metrics._weighted import weighted_mean


def binary_auc(
    scores: Float[Array, " T"], positive: Bool[Array, " T"], weights: Float[Array, " T"]
) -> Float[Array, ""]:
    """Probability that a positive point has a higher score than a negative one; ties count half. nan without both.

    Example:
      >>> float(binary_auc(jnp.array([0.1, 0.9]), jnp.array([False, True]), jnp.ones(2)))
      1.0
    """
    # A nan of weight 0 must not affect the order.
    scores = jnp.where(weights > 0, scores, 0.0)
    order = jnp.argsort(scores)
    ordered = scores[order]
    positives = jnp.where(positive, weights, 0.0)[order]
    negatives = jnp.where(positive, 0.0, weights)[order]
    below = _cumulative(negatives)
    wins = below[jnp.searchsorted(ordered, ordered, side="left")]
    wins_and_ties = below[jnp.searchsorted(ordered, ordered, side="right")]
    return (positives * (wins + wins_and_ties) / 2).sum() / (positives.sum() * negatives.sum())


def average_precision(
    scores: Float[Array, " T"], positive: Bool[Array, " T"], weights: Float[Array, " T"]
) -> Float[Array, ""]:
    r"""Mean over positive points of the share of positives among points that score at least as high; nan without any.

    .. math:: \frac{1}{P} \sum_{i : y_i = 1} \frac{|\{j : y_j = 1, s_j \ge s_i\}|}{|\{j : s_j \ge s_i\}|}

    Args:
      scores: higher where a point is more likely to be positive.
      positive: which points are.
      weights: of the points.

    Example:
      >>> round(float(average_precision(jnp.array([0.9, 0.8, 0.1]), jnp.array([True, False, True]), jnp.ones(3))), 3)
      0.833

    References:
      Zhu 2004, Recall, precision and average precision
    """
    scores = jnp.where(weights > 0, scores, 0.0)
    order = jnp.argsort(-scores)
    ordered = -scores[order]
    positives = jnp.where(positive, weights, 0.0)[order]
    last = jnp.searchsorted(ordered, ordered, side="right")  # equal scores are one threshold
    found, looked_at = _cumulative(positives)[last], _cumulative(weights[order])[last]
    # Before the first point of positive weight the denominator is 0.
    precision = found / jnp.where(looked_at > 0, looked_at, 1.0)
    return (positives * precision).sum() / positives.sum()


def recall_at_budget(
    scores: Float[Array, " T"], positive: Bool[Array, " T"], weights: Float[Array, " T"], budget: ArrayLike
) -> Float[Array, ""]:
    r"""Share of the positive points among those of the highest scores, as many as the budget pays for. nan without any.

    .. math:: \frac{1}{P} \sum_{i : y_i = 1} \min\Bigl(1, \max\Bigl(0,
        \frac{B - |\{j : s_j > s_i\}|}{|\{j : s_j = s_i\}|}\Bigr)\Bigr)

    Points of equal score are looked at in random order, and the result is the mean over these orders.

    Args:
      scores: higher where a point is looked at earlier.
      positive: which points are.
      weights: of the points; a point of weight w costs w and counts as w.
      budget: number of points that are looked at, B; it may be traced.

    Returns:
      Recall, between 0 and 1. That of a random order is the budget divided by the number of points.

    Example:
      >>> scores, positive = jnp.array([0.9, 0.8, 0.3, 0.1]), jnp.array([True, False, True, False])
      >>> [float(recall_at_budget(scores, positive, jnp.ones(4), budget)) for budget in (1, 2, 3)]
      [0.5, 0.5, 1.0]
    """
    scores = jnp.where(weights > 0, scores, 0.0)
    order = jnp.argsort(-scores)
    ordered = -scores[order]
    positives = jnp.where(positive, weights, 0.0)[order]
    total = _cumulative(weights[order])
    before, after = (total[jnp.searchsorted(ordered, ordered, side=side)] for side in ("left", "right"))
    # Points of weight 0 alone have a tie of no weight.
    tied = jnp.where(after > before, after - before, 1.0)
    looked_at = jnp.clip((budget - before) / tied, 0.0, 1.0)
    return (positives * looked_at).sum() / positives.sum()


def spearman(a: Float[Array, " T"], b: Float[Array, " T"], weights: Float[Array, " T"]) -> Float[Array, ""]:
    r"""Rank correlation of two quantities: how well one orders the points as the other does, between -1 and 1.

    .. math:: \rho = \frac{\mathrm{cov}(R(a), R(b))}{\sigma_{R(a)}\, \sigma_{R(b)}}

    Tied points share the mean of their ranks. A point of weight w counts as w points, one of weight 0 not at all. The
    result is nan if all values of one quantity are the same.

    Example:
      >>> float(spearman(jnp.array([1.0, 2.0, 9.0]), jnp.array([0.1, 0.2, 0.3]), jnp.ones(3)))
      1.0

    References:
      Spearman 1904, The proof and measurement of association between two things
    """
    centred = [ranks - weighted_mean(ranks, weights) for ranks in (_ranks(a, weights), _ranks(b, weights))]
    covariance, variance_a, variance_b = (
        weighted_mean(centred[i] * centred[j], weights) for i, j in ((0, 1), (0, 0), (1, 1))
    )
    return covariance / jnp.sqrt(variance_a * variance_b)


def _ranks(values: Float[Array, " T"], weights: Float[Array, " T"]) -> Float[Array, " T"]:
    """Weight of the points below each value plus half the weight of those equal to it, as a share of the total."""
    values = jnp.where(weights > 0, values, 0.0)
    order = jnp.argsort(values)
    ordered = values[order]
    total = _cumulative(weights[order])
    below, not_above = (total[jnp.searchsorted(ordered, values, side=side)] for side in ("left", "right"))
    return (below + not_above) / (2 * total[-1])


def _cumulative(weights: Float[Array, " T"]) -> Float[Array, " T+1"]:
    """Total weight of the first k points, for k from 0 to T."""
    return jnp.concatenate([jnp.zeros(1, weights.dtype), jnp.cumsum(weights)])
