"""How much a point's label is expected to reduce the error rate at the targets."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.acquisition._targets import check_targets, positions_in_line, weights_of_positions
from bal.information import finite_log, mean_over_pairs
from bal.precision import full_precision


@full_precision
def expected_error_reduction(
    log_probs: Float[Array, "S *N C"],
    target_log_probs: Float[Array, "S2 *M C2"],
    target_weights: Float[Array, " M2"] | None = None,
) -> Float[Array, "*N"]:
    r"""Expected decrease of the error rate at the targets once a point's label is known.

    .. math:: E_{x^*}\Big[\sum_y \max_{y^*} p(y, y^* \mid x, x^*) - \max_{y^*} p(y^* \mid x^*)\Big],\quad
              p(y, y^* \mid x, x^*) = \tfrac1S \sum_s p_s(y \mid x)\, p_s(y^* \mid x^*)

    The model that knows the label is the posterior with each sample weighted by the probability that it assigned to the
    label, so no model is trained. With the logarithmic loss instead of the error rate, the score is
    :func:`bal.acquisition.epig`. A label that changes no predicted class at a target is worth nothing there.

    Args:
      log_probs: normalised log-probabilities under S posterior samples.
      target_log_probs: the same at the points where predictions will be needed, under the same S samples.
      target_weights: importance of each target, at least 0; equal where None. Only their ratios matter. Positions of
        a dense target share its weight.

    Returns:
      Score of each point, a share of the targets, between 0 and the current expected error rate. Higher is more useful.

    Raises:
      ValueError: no targets, targets of another number of samples or classes, or invalid weights.

    Example:
      >>> sure = jnp.log(jnp.array([[[1.0, 0.0]], [[0.0, 1.0]]]))
      >>> expected_error_reduction(sure, sure).tolist()
      [0.5]

    References:
      Roy and McCallum 2001, Toward optimal active learning through sampling estimation of error reduction
    """
    check_targets(log_probs, target_log_probs)
    weights = weights_of_positions(target_weights, target_log_probs.shape[1:-1], log_probs.dtype)
    probs, target_probs = (jnp.exp(finite_log(positions_in_line(part))) for part in (log_probs, target_log_probs))
    # The currently predicted class comes first, so that gains are summed directly, not as differences of large numbers.
    order = jnp.argsort(-target_probs.mean(axis=0), axis=-1)
    target_probs = jnp.take_along_axis(target_probs, order[None], axis=-1)
    reduction = mean_over_pairs(_gain_over_first_class, probs / probs.shape[0], target_probs, weights)
    # Classes that are equally probable under all draws may differ by rounding.
    return jnp.where(reduction < jnp.finfo(reduction.dtype).eps, 0.0, reduction).reshape(log_probs.shape[1:-1])


def _gain_over_first_class(joint: Float[Array, "a C m"], weights: Float[Array, " m"]) -> Float[Array, " a"]:
    return (joint.max(axis=1) - joint[:, 0]) @ weights
