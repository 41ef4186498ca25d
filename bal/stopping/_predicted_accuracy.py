"""What accuracy does the model expect of itself on points without labels?"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.information import log_mean_exp
from bal.validation import check_fraction


class PredictedAccuracy(NamedTuple):
    """An accuracy that is not measured but expected, with an interval."""

    accuracy: Float[Array, ""]
    low: Float[Array, ""]
    high: Float[Array, ""]


def guess_probabilities(log_probs: Float[Array, "S n C"]) -> Float[Array, "S n"]:
    """Probability under each draw that the most probable class of the mean prediction is right.

    Args:
      log_probs: normalised log-probabilities under S posterior samples. Chunks of points may be joined along n.

    Example:
      >>> probs = jnp.array([[[0.75, 0.25]], [[0.5, 0.5]]])
      >>> guess_probabilities(jnp.log(probs))[:, 0].tolist()
      [0.75, 0.5]
    """
    guess = log_mean_exp(log_probs).argmax(axis=-1)
    return jnp.exp(jnp.take_along_axis(log_probs, guess[None, :, None], axis=-1)[..., 0])


def predicted_accuracy(
    probabilities: Float[Array, "S N"], weights: Float[Array, " N"] | None = None, *, level: float | Array = 0.95
) -> PredictedAccuracy:
    r"""The accuracy that the model expects of its mean prediction on these points, with a central interval.

    .. math::
      \hat a = E_s[a_s], \quad a_s = \textstyle\sum_n w_n p_{sn}, \quad
      \mathrm{Var} = \mathrm{Var}_s[a_s] + E_s \left[\textstyle\sum_n w_n^2 p_{sn} (1 - p_{sn})\right]

    with weights that sum to 1. Under one draw the points are right or wrong independently of one another; that draws
    differ makes all points wrong together, and this part of the variance does not shrink with their number. The
    interval is that of a normal distribution, cut to [0, 1]. It is as good as the model is calibrated: an overconfident
    model expects too much.

    Args:
      probabilities: from :func:`guess_probabilities`.
      weights: of the points, such as 1 where a point has no label and else 0; None: all 1.
      level: probability of the interval.

    Raises:
      ValueError: ``level`` not between 0 and 1.

    Example:
      >>> [round(float(number), 3) for number in predicted_accuracy(jnp.full((4, 100), 0.9))]
      [0.9, 0.841, 0.959]
    """
    check_fraction(level=level)
    weights = jnp.ones(probabilities.shape[1]) if weights is None else weights
    shares = weights / weights.sum()
    of_draws = (shares[None] * probabilities).sum(axis=1)
    noise = (jnp.square(shares)[None] * probabilities * (1 - probabilities)).sum(axis=1)
    spread = jnp.sqrt(of_draws.var() + noise.mean()) * jax.scipy.special.ndtri((1 + level) / 2)
    accuracy = of_draws.mean()
    return PredictedAccuracy(accuracy, jnp.maximum(accuracy - spread, 0.0), jnp.minimum(accuracy + spread, 1.0))
