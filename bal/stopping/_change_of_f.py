"""How much has the F measure changed since the last model? From the predictions of both, without any label."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def f_change(
    previous: Int[Array, " M"],
    current: Int[Array, " M"],
    *,
    positive: int = 1,
    weights: Float[Array, " M"] | None = None,
) -> Float[Array, ""]:
    r"""Predicted change of the F measure, from 0 to 1: one less F of the current predictions against the previous ones.

    .. math:: 1 - \frac{2a}{2a + b + c}

    where both models predict the class for a points, and only one of them for b and for c points. It is a prediction,
    not a bound: for truths that contain what only one model predicts, F changes more, see :func:`f_change_bound`.

    Args:
      previous: classes that the model of the last round predicts for the stop set, points whose labels nobody needs.
      current: classes that the model of this round predicts for them.
      positive: the class whose F measure counts.
      weights: of the points; None: all 1. A point of weight 0 is ignored.

    Returns:
      Between 0 and 1; 0 if neither model predicts the class at all.

    Example:
      >>> float(f_change(jnp.array([1, 1, 0, 0]), jnp.array([1, 0, 0, 0])))
      0.3333333432674408

    References:
      Altschuler and Bloodgood 2019, Stopping active learning based on predicted change of F measure for text
      classification, arXiv:1901.09118
    """
    both, one = _counts(previous, current, positive, weights)
    # Two sets without a point are the same set.
    return one / jnp.where(both + one > 0, 2 * both + one, 1)


def f_change_bound(
    previous: Int[Array, " M"],
    current: Int[Array, " M"],
    *,
    positive: int = 1,
    weights: Float[Array, " M"] | None = None,
) -> Float[Array, ""]:
    r"""The largest change of the F measure on the stop set that any labels of it allow, from 0 to 1.

    .. math:: |F_t - F_{t-1}| \le \min\left(1, 2\, \frac{b + c}{a + b + c}\right)

    with a, b and c as in :func:`f_change`. The Jaccard distance :math:`1 - I` between sets of points is a metric, so
    the intersection over union I of predictions and truth changes by at most the distance of the predictions,
    (b + c) / (a + b + c); and :math:`F = 2I / (1 + I)` has a slope of at most 2.

    Args:
      previous: classes that the model of the last round predicts for the stop set.
      current: classes that the model of this round predicts for them.
      positive: the class whose F measure counts.
      weights: of the points; None: all 1. A point of weight 0 is ignored.

    Returns:
      Between 0 and 1; 0 if neither model predicts the class at all.

    Example:
      >>> float(f_change_bound(jnp.array([1, 1, 1, 1, 0]), jnp.array([1, 1, 1, 0, 0])))
      0.5

    References:
      Lipkus 1999, A proof of the triangle inequality for the Tanimoto distance
    """
    both, one = _counts(previous, current, positive, weights)
    return jnp.minimum(1.0, 2 * one / jnp.where(both + one > 0, both + one, 1))


def _counts(
    previous: Int[Array, " M"], current: Int[Array, " M"], positive: int, weights: Float[Array, " M"] | None
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Weight of the points for which both models, and only one of them, predict the class."""
    weights = jnp.ones(previous.shape) if weights is None else weights
    before, now = previous == positive, current == positive
    return (weights * (before & now)).sum(), (weights * (before != now)).sum()
