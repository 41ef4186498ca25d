"""Rules with a fixed threshold. They give no guarantee on the error rate."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.acquisition import least_confidence, max_entropy
from bal.autolabel._rule import Rule
from bal.validation import check_nonnegative, check_probability


def entropy_below(delta_0: float | Float[Array, ""], *, rate: float | Float[Array, ""] = 0.0) -> Rule:
    r"""Label the points whose mean prediction has an entropy below a threshold that falls from round to round.

    .. math:: H[\bar p] < \delta_t, \quad \delta_t = \max(0, \delta_0 - \mathrm{rate} \cdot t)

    with t the number of rounds done. The model becomes certain of more and more points; the threshold falls so that
    automatic labels stay few and correct.

    Args:
      delta_0: threshold of the first round, in nats; 0.05 (CACD) and 0.005 (Caltech-256) in the paper.
      rate: nats a round; 0.0033 and 0.00033 in the paper.

    Returns:
      The rule.

    Raises:
      ValueError: a number below 0, or NaN.

    Example:
      >>> rule = entropy_below(0.05, rate=0.02)
      >>> [round(float(rule.threshold(t, None, None, None)), 3) for t in range(4)]
      [0.05, 0.03, 0.01, 0.0]

    References:
      Wang et al. 2017, Cost-effective active learning for deep image classification, arXiv:1701.03551
    """
    check_nonnegative(delta_0=delta_0, rate=rate)

    def threshold(rounds_done, uncertainty, candidates, calibration):
        return jnp.maximum(0.0, delta_0 - rate * rounds_done)

    return Rule(max_entropy, threshold)


def confidence_above(level: float | Float[Array, ""]) -> Rule:
    r"""Label the points whose most probable class has a mean probability above a level.

    .. math:: \max_c \bar p_c > \mathrm{level}

    Args:
      level: probability. How often such a label is right depends on how well the model is calibrated.

    Returns:
      The rule.

    Raises:
      ValueError: a number outside [0, 1], or NaN.

    Example:
      >>> rule = confidence_above(0.75)
      >>> float(rule.threshold(0, None, None, None))  # of 1 - confidence
      0.25

    References:
      Lee 2013, Pseudo-label: the simple and efficient semi-supervised learning method for deep neural networks
    """
    check_probability(level=level)

    def threshold(rounds_done, uncertainty, candidates, calibration):
        return jnp.asarray(1.0 - level)

    return Rule(least_confidence, threshold)
