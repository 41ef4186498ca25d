"""Scores made of scores: weigh them, multiply them, bring them to one scale, divide them by what a label costs."""

from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal.information import log_mean_exp
from bal.precision import full_precision


def weighted_sum(
    scores: Sequence[Float[Array, " N"]], weights: Sequence[float] | Float[Array, " K"]
) -> Float[Array, " N"]:
    r"""Sum of several scores :math:`\sum_k w_k s_k`. Scores of different units want ``normalise`` first.

    Args:
      scores: one array for each score.
      weights: one number for each score; an array may be traced.

    Raises:
      ValueError: no scores, or another number of weights.

    Example:
      >>> weighted_sum([jnp.array([1.0, 2.0]), jnp.array([4.0, 0.0])], [1.0, 0.5])
      Array([3., 2.], dtype=float32)
    """
    if len(scores) == 0 or len(weights) != len(scores):
        raise ValueError(f"expected weights for each of one or more scores, got {len(weights)} for {len(scores)}")
    return sum((weight * score for weight, score in zip(weights, scores, strict=True)), jnp.zeros_like(scores[0]))


def product(scores: Sequence[Float[Array, " N"]]) -> Float[Array, " N"]:
    r"""Product of several scores :math:`\prod_k s_k` that are at least 0: useful only where every one of them is.

    Args:
      scores: one array for each score.

    Raises:
      ValueError: no scores.

    Example:
      >>> product([jnp.array([1.0, 2.0]), jnp.array([4.0, 0.0])])
      Array([4., 0.], dtype=float32)

    References:
      Settles and Craven 2008, An analysis of active learning strategies for sequence labeling tasks
    """
    if not scores:
        raise ValueError("expected one or more scores, got none")
    result = scores[0]
    for score in scores[1:]:
        result = result * score
    return result


def normalise(scores: Float[Array, " N"], available: Bool[Array, " N"]) -> Float[Array, " N"]:
    """Scores moved and scaled so that the available points reach from 0 to 1; all 0 where they are equal.

    Args:
      scores: NaN stays NaN and does not change the scale.
      available: the points that set the scale. Others may lie outside 0 and 1.

    Example:
      >>> normalise(jnp.array([2.0, 4.0, 3.0]), jnp.ones(3, bool))
      Array([0. , 1. , 0.5], dtype=float32)
    """
    counted = available & ~jnp.isnan(scores)
    smallest = jnp.where(counted, scores, jnp.inf).min()
    spread = jnp.where(counted, scores, -jnp.inf).max() - smallest
    flat = ~(spread > 0)
    return jnp.where(flat, 0.0 * scores, (scores - smallest) / jnp.where(flat, 1.0, spread))


@full_precision
def per_class(
    scores: Float[Array, " N"], log_probs: Float[Array, "S N C"], class_weights: Float[Array, " C2"]
) -> Float[Array, " N"]:
    r"""A score times the importance that a point's label is expected to have, :math:`s \sum_c w_c\, \bar p_c`.

    Where some classes are rare, or matter more, weights above those of the others draw the choice towards them.

    Args:
      scores: at least 0.
      log_probs: normalised log-probabilities under S posterior samples.
      class_weights: importance of each class.

    Raises:
      ValueError: another number of classes.

    Example:
      >>> log_probs = jnp.log(jnp.array([[[0.5, 0.5], [1.0, 0.0]]]))
      >>> per_class(jnp.ones(2), log_probs, jnp.array([1.0, 3.0]))
      Array([2., 1.], dtype=float32)
    """
    if class_weights.shape[0] != log_probs.shape[2]:
        raise ValueError(f"expected class_weights of shape [{log_probs.shape[2]}], got {list(class_weights.shape)}")
    return scores * (jnp.exp(log_mean_exp(log_probs)) @ class_weights)


def per_cost(scores: Float[Array, " N"], costs: Float[Array, " N2"]) -> Float[Array, " N"]:
    r"""Score for each unit that a label costs, :math:`s / c`.

    Args:
      scores: at least 0.
      costs: what a label of each point costs, above 0; NaN is returned where it is not.

    Raises:
      ValueError: another number of points.

    Example:
      >>> per_cost(jnp.array([1.0, 1.0]), jnp.array([2.0, 4.0]))
      Array([0.5 , 0.25], dtype=float32)

    References:
      Settles et al. 2008, Active learning with real annotation costs
    """
    if costs.shape != scores.shape:
        raise ValueError(f"expected costs of shape {list(scores.shape)}, got {list(costs.shape)}")
    return jnp.where(costs > 0, scores / jnp.where(costs > 0, costs, 1.0), jnp.nan)
