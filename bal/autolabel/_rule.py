"""What a rule of automatic labelling is, and what it is told of predictions."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from bal.information import log_mean_exp

Uncertainty = Callable[[Array], Array]  # log_probs [S, n, C] -> [n], lower is more certain


class Calibration(NamedTuple):
    """How uncertain a model is of labelled points that it has not seen in any way, and where it is wrong."""

    uncertainty: Float[Array, " M"]
    wrong: Bool[Array, " M"]
    weights: Float[Array, " M"]  # rows of weight 0 are padding


class Rule(NamedTuple):
    """Points whose uncertainty is strictly below a threshold may be labelled by the model.

    The threshold is -inf where none satisfies the rule.
    """

    uncertainty: Uncertainty
    # (rounds_done [], uncertainty [N], candidates [N], calibration | None) -> threshold []
    threshold: Callable[[Array, Array, Array, Calibration | None], Float[Array, ""]]
    num_calibration: int = 0  # fewest calibration points with which it can be satisfied; 0: it reads none


def assess(rule: Rule, log_probs: Float[Array, "S n C"]) -> tuple[Float[Array, " n"], Int[Array, " n"]]:
    """The uncertainty of each point, and its most probable class under the mean prediction."""
    return rule.uncertainty(log_probs), log_mean_exp(log_probs).argmax(axis=-1)


def calibrate(
    rule: Rule, log_probs: Float[Array, "S M C"], labels: Int[Array, " M"], weights: Float[Array, " M"] | None = None
) -> Calibration:
    """What a rule reads of labelled points.

    Args:
      rule: whose uncertainty is wanted.
      log_probs: normalised log-probabilities of the points under S posterior samples.
      labels: their true classes. Nothing that the model came from may have read them: no training, no early stopping.
      weights: 0 for padding; all 1 where None.
    """
    uncertainty, classes = assess(rule, log_probs)
    return Calibration(uncertainty, classes != labels, jnp.ones(labels.shape) if weights is None else weights)


def check_calibration(rule: Rule, num_points: int | None) -> None:
    """Raise where a rule could not be satisfied whatever the model: no calibration points, or too few."""
    if rule.num_calibration and (num_points is None or num_points < rule.num_calibration):
        raise ValueError(
            f"expected at least {rule.num_calibration} calibration points, the fewest with which this rule can be "
            f"satisfied, got {num_points or 'none'}: see bal.datasets.hold_out_calibration"
        )
