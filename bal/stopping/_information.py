"""Is the next batch worth its price?"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def information_per_label(scores: Float[Array, " B"]) -> Float[Array, ""]:
    r"""Expected information of the next batch about the model, per label: an upper bound.

    .. math:: \frac1B \sum_i I(y_i; \theta \mid x_i) \ge \frac1B I(y_1, \dots, y_B; \theta)

    Labels are independent given the model, so a batch tells at most the sum of what its labels tell one by one. If the
    scores are the B largest BALD scores of the pool, no other batch has a larger bound. Stop where the number is below
    the price of a label, in nats that one is willing to pay for.

    Args:
      scores: BALD scores in nats of the points asked for, as in ``StepInfo.selection.scores`` of the strategy ``bald``;
        -inf, where nothing was left to choose, does not count.

    Returns:
      Nats a label; 0 without points.

    Example:
      >>> float(information_per_label(jnp.array([0.5, 0.25, -jnp.inf])))
      0.375

    References:
      Houlsby et al. 2011, Bayesian active learning for classification and preference learning, arXiv:1112.5745
    """
    chosen = ~jnp.isneginf(scores)
    return jnp.where(chosen, scores, 0).sum() / jnp.maximum(chosen.sum(), 1)
