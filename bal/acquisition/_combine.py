"""Combined scores: weighted sums, products, normalised scores, scores per cost of a label."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from bal.acquisition._checks import check_predictions, check_same_shape
from bal.information import log_mean_exp
from bal.precision import full_precision
from bal.validation import is_concrete


def weighted_sum(
    scores: Sequence[Float[Array, "*_"]], weights: Sequence[float] | Float[Array, " K"]
) -> Float[Array, "*N"]:
    r"""Sum of several scores :math:`\sum_k w_k s_k`. Apply ``normalise`` first to scores of different units.

    Args:
      scores: one array for each score, all of one shape.
      weights: one number for each score; an array may be traced.

    Returns:
      Weighted score of each point.

    Raises:
      ValueError: no scores, scores of different shapes, the wrong number of weights, or one that is NaN or infinite.

    Example:
      >>> weighted_sum([jnp.array([1.0, 2.0]), jnp.array([4.0, 0.0])], [1.0, 0.5])
      Array([3., 2.], dtype=float32)
    """
    _check_scores(scores)
    if len(weights) != len(scores):
        raise ValueError(f"expected one weight for each of {len(scores)} scores, got {len(weights)}")
    if is_concrete(*weights) and not np.isfinite(np.asarray(weights)).all():
        raise ValueError(f"expected finite weights, got {np.asarray(weights).tolist()}")
    return sum((weight * score for weight, score in zip(weights, scores, strict=True)), jnp.zeros_like(scores[0]))


def product(scores: Sequence[Float[Array, "*_"]]) -> Float[Array, "*N"]:
    r"""Product of several scores :math:`\prod_k s_k`, each at least 0: high only where all of them are high.

    Args:
      scores: one array for each score, all of one shape.

    Returns:
      Product of each point's scores, in the product of their units.

    Raises:
      ValueError: no scores, or scores of different shapes.

    Example:
      >>> product([jnp.array([1.0, 2.0]), jnp.array([4.0, 0.0])])
      Array([4., 0.], dtype=float32)

    References:
      Settles and Craven 2008, An analysis of active learning strategies for sequence labeling tasks
    """
    _check_scores(scores)
    result = scores[0]
    for score in scores[1:]:
        result = result * score
    return result


def normalise(scores: Float[Array, " N"], available: Bool[Array, " N2"]) -> Float[Array, " N"]:
    """Scores shifted and scaled so that those of the available points range from 0 to 1; all 0 if they are equal.

    Args:
      scores: NaN stays NaN and does not change the scale.
      available: the points that set the scale. Scores of the others may lie outside [0, 1].

    Returns:
      Score of each point, dimensionless.

    Raises:
      ValueError: ``available`` has another number of points.

    Example:
      >>> normalise(jnp.array([2.0, 4.0, 3.0]), jnp.ones(3, bool))
      Array([0. , 1. , 0.5], dtype=float32)
    """
    check_same_shape("available", available, "scores", scores)
    counted = available & ~jnp.isnan(scores)
    smallest = jnp.where(counted, scores, jnp.inf).min()
    spread = jnp.where(counted, scores, -jnp.inf).max() - smallest
    flat = ~(spread > 0)
    return jnp.where(flat, 0.0 * scores, (scores - smallest) / jnp.where(flat, 1.0, spread))


@full_precision
def per_class(
    scores: Float[Array, "*N"], log_probs: Float[Array, "S *N2 C"], class_weights: Float[Array, " C2"]
) -> Float[Array, "*N"]:
    r"""A score times the expected importance of the point's label, :math:`s \sum_c w_c\, \bar p_c`.

    Larger weights favour classes that are rare or important.

    Args:
      scores: at least 0.
      log_probs: normalised log-probabilities under S posterior samples.
      class_weights: importance of each class.

    Returns:
      Weighted score of each point.

    Raises:
      ValueError: predictions of other points, or another number of classes.

    Example:
      >>> log_probs = jnp.log(jnp.array([[[0.5, 0.5], [1.0, 0.0]]]))
      >>> per_class(jnp.ones(2), log_probs, jnp.array([1.0, 3.0]))
      Array([2., 1.], dtype=float32)
    """
    check_predictions(log_probs)
    if scores.shape != log_probs.shape[1:-1]:
        raise ValueError(
            f"expected scores of shape {list(log_probs.shape[1:-1])}, the points of log_probs, got {list(scores.shape)}"
        )
    if class_weights.shape != log_probs.shape[-1:]:
        raise ValueError(f"expected class_weights of shape [{log_probs.shape[-1]}], got {list(class_weights.shape)}")
    return scores * (jnp.exp(log_mean_exp(log_probs)) @ class_weights)


def per_cost(scores: Float[Array, "*N"], costs: Float[Array, "*N2"]) -> Float[Array, "*N"]:
    r"""Score per unit of labelling cost, :math:`s / c`.

    Args:
      scores: at least 0.
      costs: cost of labelling each point, above 0; the result is NaN where it is not.

    Returns:
      Score of each point per unit of cost.

    Raises:
      ValueError: another number of points.

    Example:
      >>> per_cost(jnp.array([1.0, 1.0]), jnp.array([2.0, 4.0]))
      Array([0.5 , 0.25], dtype=float32)

    References:
      Settles et al. 2008, Active learning with real annotation costs
    """
    check_same_shape("costs", costs, "scores", scores)
    return jnp.where(costs > 0, scores / jnp.where(costs > 0, costs, 1.0), jnp.nan)


def _check_scores(scores: Sequence[Array]) -> None:
    """Raise if there is nothing to combine, or if scores would be broadcast against one another."""
    if len(scores) == 0:
        raise ValueError("expected one or more scores, got none")
    for number, score in enumerate(scores[1:], start=1):
        check_same_shape(f"scores[{number}]", score, "scores[0]", scores[0])
