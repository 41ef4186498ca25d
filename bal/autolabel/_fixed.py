"""Rules whose threshold is a number that a person sets. They promise nothing of the error rate."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.acquisition import least_confidence, max_entropy
from bal.autolabel._rule import Rule


def entropy_below(delta_0: float | Float[Array, ""], *, rate: float | Float[Array, ""] = 0.0) -> Rule:
    r"""Label the points whose mean prediction has an entropy below a threshold that falls from round to round.

    .. math:: H[\bar p] < \delta_t, \quad \delta_t = \max(0, \delta_0 - \mathrm{rate} \cdot t)

    with t the number of rounds that are done. The model grows sure of more and more points; the threshold falls so that
    the automatic labels stay few and right.

    Args:
      delta_0: threshold of the first round, in nats. The paper has 0.05 (CACD) and 0.005 (Caltech-256).
      rate: nats a round; the paper has 0.0033 and 0.00033.

    Raises:
      ValueError: a number below 0.

    Example:
      >>> rule = entropy_below(0.05, rate=0.02)
      >>> [round(float(rule.threshold(t, None, None, None)), 3) for t in range(4)]
      [0.05, 0.03, 0.01, 0.0]

    References:
      Wang et al. 2017, Cost-effective active learning for deep image classification, arXiv:1701.03551
    """
    for name, value in (("delta_0", delta_0), ("rate", rate)):
        if isinstance(value, int | float) and value < 0:
            raise ValueError(f"expected {name} of at least 0, got {value}")

    def threshold(rounds_done, uncertainty, candidates, calibration):
        return jnp.maximum(0.0, delta_0 - rate * rounds_done)

    return Rule(max_entropy, threshold)


def confidence_above(level: float | Float[Array, ""]) -> Rule:
    r"""Label the points whose most probable class has a mean probability above a level.

    .. math:: \max_c \bar p_c > \mathrm{level}

    Args:
      level: probability; what it is worth depends on how well the model is calibrated.

    Raises:
      ValueError: a number outside [0, 1].

    Example:
      >>> rule = confidence_above(0.75)
      >>> float(rule.threshold(0, None, None, None))  # of 1 - confidence
      0.25

    References:
      Lee 2013, Pseudo-label: the simple and efficient semi-supervised learning method for deep neural networks
    """
    if isinstance(level, int | float) and not 0 <= level <= 1:
        raise ValueError(f"expected level between 0 and 1, got {level}")

    def threshold(rounds_done, uncertainty, candidates, calibration):
        return jnp.asarray(1.0 - level)

    return Rule(least_confidence, threshold)
