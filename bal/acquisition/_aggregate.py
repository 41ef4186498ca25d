"""From a score for each position of an image to one score for the image."""

from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.information import log_mean_exp
from bal.types import Gaussian, PyTree
from bal.validation import check_choice


@runtime_checkable
class AggregateFn(Protocol):
    """Sums up the scores of the positions of each point."""

    def __call__(self, scores: Float[Array, "n *space"], predictions: PyTree, /) -> Float[Array, " n"]:
        """Return one score a point; predictions have leaves [S, n, *space, ...]."""


def aggregate(scores: Float[Array, "n *space"], predictions: PyTree, how: Any = "mean") -> Float[Array, " n"]:
    r"""One score for each image from the scores of its positions. Scores [n], without positions, are returned as given.

    ======================  ====================================================================================
    "mean"                  the mean over the positions
    "sum"                   the sum: for BALD, an upper bound on the information of the whole label, which it equals
                            if the positions tell different things about the model
    "max"                   the largest
    "top_fraction"          the mean over the highest tenth of the positions; see :func:`top_fraction`
    "foreground"            the mean weighted by the probability of foreground; see :func:`foreground`
    ======================  ====================================================================================

    All but the sum of a constant map are that constant.

    Args:
      scores: of each position.
      predictions: from which the scores were computed, leaves [S, n, *space, ...].
      how: one of these names, or a function of your own, :class:`AggregateFn`.

    Raises:
      ValueError: another name.

    Example:
      >>> scores = jnp.array([[[1.0, 3.0]]])  # one image of 1 x 2
      >>> float(aggregate(scores, None, "max")[0])
      3.0
    """
    check_aggregate(how)
    if scores.ndim == 1:
        return scores
    return (how if callable(how) else AGGREGATES[how])(scores, predictions)


def check_aggregate(how: Any) -> None:
    """Raise unless this is the name of an aggregate or a function.

    Example:
      >>> check_aggregate("mean")
    """
    if not callable(how):
        check_choice("aggregate", how, AGGREGATES)


def top_fraction(fraction: float) -> AggregateFn:
    """The mean over the highest scores of each image: its most uncertain objects, however large the background is.

    Args:
      fraction: share of the positions, above 0 and at most 1; at least one position is taken.

    Raises:
      ValueError: a fraction that is not above 0 and at most 1.

    Example:
      >>> float(top_fraction(0.5)(jnp.array([[1.0, 3.0]]), None)[0])
      3.0
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"expected fraction above 0 and at most 1, got {fraction}")

    def of_highest(scores: Float[Array, "n *space"], predictions: PyTree) -> Float[Array, " n"]:
        flat = _flat(scores)
        return jax.lax.top_k(flat, max(1, round(fraction * flat.shape[1])))[0].mean(axis=1)

    return of_highest


def foreground(background: int = 0) -> AggregateFn:
    r"""The mean over the foreground that the model expects.

    .. math:: \frac{\sum_v q_v s_v}{\sum_v q_v}, \quad q_v = 1 - \bar p_v(\text{background})

    A large background, about which the model is sure, does not dilute the score. The weights are probabilities instead
    of a decision for each position, so an image in which no position is decided to be foreground has a score too.

    Args:
      background: its class.

    Example:
      >>> log_probs = jnp.log(jnp.array([[[[1.0, 1e-9], [0.5, 0.5]]]]))  # S = n = 1, two positions, two classes
      >>> round(float(foreground()(jnp.array([[0.0, 0.6]]), log_probs)[0]), 3)
      0.6
    """

    def of_foreground(scores: Float[Array, "n *space"], predictions: PyTree) -> Float[Array, " n"]:
        if isinstance(predictions, Gaussian) or getattr(predictions, "ndim", 0) != scores.ndim + 2:
            raise ValueError(
                "expected log-probabilities [S, n, *space, C] for aggregate='foreground', got other predictions: "
                "use another aggregate, such as 'mean'"
            )
        probs = jnp.exp(log_mean_exp(predictions))
        # The sum over the other classes keeps small probabilities, which 1 - p would round away.
        weights = _flat(jnp.where(jnp.arange(probs.shape[-1]) == background, 0.0, probs).sum(axis=-1))
        # Without any foreground all weights are 0, and so is the score.
        return (weights * _flat(scores)).sum(axis=1) / jnp.maximum(weights.sum(axis=1), jnp.finfo(weights.dtype).tiny)

    return of_foreground


def _flat(scores: Float[Array, "n *space"]) -> Float[Array, "n v"]:
    return scores.reshape(scores.shape[0], -1)


AGGREGATES: dict[str, AggregateFn] = {
    "foreground": foreground(),
    "max": lambda scores, predictions: _flat(scores).max(axis=1),
    "mean": lambda scores, predictions: _flat(scores).mean(axis=1),
    "sum": lambda scores, predictions: _flat(scores).sum(axis=1),
    "top_fraction": top_fraction(0.1),
}
