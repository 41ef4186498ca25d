"""How well predicted losses rank true ones: the objective of a loss-prediction module."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.validation import check_nonnegative


def pairwise_ranking_loss(
    predicted: Float[Array, " b"],
    losses: Float[Array, " b"],
    weights: Float[Array, " b"],
    *,
    margin: float | Float[Array, ""] = 1.0,
) -> Float[Array, ""]:
    r"""Mean over pairs of rows of the amount by which predicted losses fail to order true ones with a margin.

    .. math:: \max\bigl(0, -\mathrm{sign}(l_i - l_j)\,(\hat l_i - \hat l_j) + \xi\bigr), \qquad j = b - 1 - i

    Only the order of the losses matters, not their scale, which falls as a network is trained. Each row is in one pair,
    except the middle one of an odd number. A pair counts if both weights are positive and the losses differ: equal
    losses have no order to learn. Only signs of differences of ``losses`` count, so no gradient flows into them.

    Args:
      predicted: predicted losses, in any unit.
      losses: true losses of the same rows.
      weights: 0 for rows that do not count.
      margin: by how much the predicted losses of a pair should differ, in their unit.

    Returns:
      The loss, in the unit of ``predicted``; 0 if no pair counts.

    Raises:
      ValueError: a negative margin.

    Example:
      >>> ordered = pairwise_ranking_loss(jnp.array([0.0, 1.0]), jnp.array([0.2, 0.3]), jnp.ones(2))
      >>> swapped = pairwise_ranking_loss(jnp.array([1.0, 0.0]), jnp.array([0.2, 0.3]), jnp.ones(2))
      >>> float(ordered), float(swapped)
      (0.0, 2.0)

    References:
      Yoo and Kweon 2019, Learning loss for active learning, arXiv:1905.03677, section 3.3
    """
    check_nonnegative(margin=margin)
    num_pairs = predicted.shape[0] // 2
    # Padding may hold nan, which must not enter a difference.
    predicted = jnp.where(weights > 0, predicted, 0.0)
    losses = jnp.where(weights > 0, losses, 0.0)
    order = jnp.sign(losses - losses[::-1])[:num_pairs]
    difference = (predicted - predicted[::-1])[:num_pairs]
    counts = ((weights > 0) & (weights[::-1] > 0))[:num_pairs] & (order != 0)
    hinges = jax.nn.relu(margin - order * difference)
    return jnp.where(counts, hinges, 0.0).sum() / jnp.maximum(counts.sum(), 1)
