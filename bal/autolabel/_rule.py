"""Rules of automatic labelling, and the uncertainty and calibration that they use."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from bal.information import log_mean_exp
from bal.validation import check_nonnegative, is_concrete

Uncertainty = Callable[[Array], Array]  # log_probs [S, n, C] -> [n], lower is more certain


class Calibration(NamedTuple):
    """Uncertainty and errors of a model at labelled points that it was not trained on."""

    uncertainty: Float[Array, " M"]
    wrong: Bool[Array, " M"]
    weights: Float[Array, " M"]  # rows of weight 0 are padding


class Rule(NamedTuple):
    """Points whose uncertainty is strictly below a threshold may be labelled by the model.

    The threshold is -inf if no threshold satisfies the rule.
    """

    uncertainty: Uncertainty
    # (rounds_done [], uncertainty [N], candidates [N], calibration | None) -> threshold []
    threshold: Callable[[Array, Array, Array, Calibration | None], Float[Array, ""]]
    num_calibration: int = 0  # smallest number of calibration points that can satisfy it; 0: it uses none


def assess(rule: Rule, log_probs: Float[Array, "S n C"]) -> tuple[Float[Array, " n"], Int[Array, " n"]]:
    """The uncertainty of each point, and its most probable class under the mean prediction.

    Args:
      rule: defines the uncertainty.
      log_probs: normalised log-probabilities under S posterior samples.

    Returns:
      Two numbers a point.

    Example:
      >>> from bal.autolabel import confidence_above
      >>> uncertainty, classes = assess(confidence_above(0.9), jnp.log(jnp.array([[[0.25, 0.75]]])))
      >>> uncertainty.tolist(), classes.tolist()
      ([0.25], [1])
    """
    return rule.uncertainty(log_probs), log_mean_exp(log_probs).argmax(axis=-1)


def calibrate(rule: Rule, log_probs: Float[Array, "S M C"], labels: Array, weights: Array | None = None) -> Calibration:
    """Uncertainty and errors at labelled points, from which a rule finds its threshold.

    Args:
      rule: defines the uncertainty.
      log_probs: normalised log-probabilities of the points under S posterior samples.
      labels: their true classes [M]. They must not have been used to fit the model, not even for early stopping.
      weights: 0 for padding, [M]; all 1 where None.

    Returns:
      Uncertainty, mistake, and weight of each point.

    Raises:
      ValueError: labels that are not integers [M] between 0 and C - 1, or weights that are not numbers [M] of at least
        0.

    Example:
      >>> from bal.autolabel import confidence_above
      >>> log_probs = jnp.log(jnp.array([[[0.25, 0.75], [0.5, 0.5]]]))
      >>> calibrate(confidence_above(0.9), log_probs, jnp.array([1, 1])).wrong.tolist()
      [False, True]
    """
    num_points, num_classes = log_probs.shape[1:]
    if not jnp.issubdtype(labels.dtype, jnp.integer) or labels.shape != (num_points,):
        raise ValueError(
            f"expected integer labels of shape [{num_points}], the points of log_probs, "
            f"got {labels.dtype} of shape {list(labels.shape)}"
        )
    if weights is not None:
        if weights.shape != (num_points,):
            raise ValueError(f"expected weights of shape [{num_points}], as labels, got {list(weights.shape)}")
        check_nonnegative(weights=weights)
    if is_concrete(labels, weights):
        known = np.asarray(labels)
        # The content of padding is ignored.
        outside = ((known < 0) | (known >= num_classes)) & (True if weights is None else np.asarray(weights) > 0)
        if outside.any():
            raise ValueError(f"expected labels between 0 and {num_classes - 1}, got {known[outside][0]}")
    uncertainty, classes = assess(rule, log_probs)
    return Calibration(uncertainty, classes != labels, jnp.ones(num_points) if weights is None else weights)


def check_calibration(rule: Rule, num_points: int | None) -> None:
    """Raise if no model could satisfy a rule because there are no calibration points, or too few.

    Example:
      >>> from bal.autolabel import confidence_above
      >>> check_calibration(confidence_above(0.9), num_points=None)
    """
    if rule.num_calibration and (num_points is None or num_points < rule.num_calibration):
        raise ValueError(
            f"expected at least {rule.num_calibration} calibration points, without which no model can satisfy this "
            f"rule, got {num_points or 'none'}: use bal.datasets.hold_out_calibration"
        )
