"""Expected predictive information gain: what a point's label says about the labels at the targets."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.acquisition._targets import check_targets, positions_in_line, weights_of_positions
from bal.information import (
    entropy,
    entropy_terms,
    finite_log,
    log_mean_exp,
    map_points,
    mean_pair_entropy,
    mutual_information,
)
from bal.precision import full_precision

# joint_epig holds the joint prediction of all targets, [S, C**M]: 26 MB in single precision for 100 draws.
MAX_TARGET_CONFIGURATIONS = 65_536


@full_precision
def epig(
    log_probs: Float[Array, "S *N C"],
    target_log_probs: Float[Array, "S2 *M C2"],
    target_weights: Float[Array, " M2"] | None = None,
) -> Float[Array, "*N"]:
    r"""Mutual information between a point's label and the label at a target, averaged over the targets.

    .. math:: E_{x^*}[I(y; y^* \mid x, x^*)],\quad
              p(y, y^* \mid x, x^*) = \tfrac1S \sum_s p_s(y \mid x)\, p_s(y^* \mid x^*)

    Unlike :func:`bal.acquisition.bald`, it ignores information about parameters that no target depends on.

    Args:
      log_probs: normalised log-probabilities under S posterior samples.
      target_log_probs: the same at the points where predictions will be needed, under the same S samples.
      target_weights: importance of each target, at least 0; equal where None. Only their ratios matter. Positions of
        a dense target share its weight.

    Returns:
      Score of each point in nats, between 0 and the smaller of its BALD and the targets' mean BALD; exactly 0 where
      either is. Higher is more useful.

    Raises:
      ValueError: no targets, targets of another number of samples or classes, or invalid weights.

    Example:
      >>> sure = jnp.log(jnp.array([[[1.0, 0.0]], [[0.0, 1.0]]]))
      >>> bool(jnp.isclose(epig(sure, sure)[0], jnp.log(2)))
      True

    References:
      Bickford Smith et al. 2023, Prediction-oriented Bayesian active learning, arXiv:2304.08151
    """
    check_targets(log_probs, target_log_probs)
    weights = weights_of_positions(target_weights, target_log_probs.shape[1:-1], log_probs.dtype)
    targets = finite_log(positions_in_line(target_log_probs))
    target_entropy = entropy(log_mean_exp(targets)) @ weights
    return _information(log_probs, targets, weights, target_entropy)


@full_precision
def joint_epig(log_probs: Float[Array, "S *N C"], target_log_probs: Float[Array, "S2 *M C2"]) -> Float[Array, "*N"]:
    r"""Mutual information between a point's label and the labels at all targets together.

    .. math:: I(y; y^*_1, \dots, y^*_M \mid x, x^*_{1..M})

    Exact over the C**M joint labels, so it is for small sets of targets.

    Args:
      log_probs: normalised log-probabilities under S posterior samples.
      target_log_probs: the same at the targets, under the same S samples.

    Returns:
      Score of each point in nats, between its largest EPIG with one of the targets and its BALD. Higher is more useful.

    Raises:
      ValueError: no targets, targets of another number of samples or classes, or more than 65,536 joint labels.

    Example:
      >>> sure = jnp.log(jnp.array([[[1.0, 0.0]], [[0.0, 1.0]]]))
      >>> bool(jnp.isclose(joint_epig(sure, jnp.tile(sure, (1, 3, 1)))[0], jnp.log(2)))
      True

    References:
      Bickford Smith et al. 2023, Prediction-oriented Bayesian active learning, arXiv:2304.08151; Kirsch 2023,
      Advanced deep active learning and data subset selection, arXiv:2401.04305
    """
    check_targets(log_probs, target_log_probs)
    targets = finite_log(positions_in_line(target_log_probs))
    num_draws, num_targets, num_classes = targets.shape
    if num_classes**num_targets > MAX_TARGET_CONFIGURATIONS:
        raise ValueError(
            f"expected target_log_probs of at most {MAX_TARGET_CONFIGURATIONS} joint labels, "
            f"got {num_classes}**{num_targets}: use epig, or fewer targets"
        )
    joint = targets[:, 0]
    for target in range(1, num_targets):
        joint = (joint[:, :, None] + targets[:, target, None, :]).reshape(num_draws, -1)
    # The targets are treated jointly, as one target with many labels.
    joint = joint[:, None]
    return _information(log_probs, joint, jnp.ones(1, log_probs.dtype), entropy(log_mean_exp(joint))[0])


def _information(all_log_probs, target_log_probs, target_weights, target_entropy):
    log_probs = positions_in_line(all_log_probs)
    probs = jnp.exp(finite_log(log_probs))
    joint_entropy = mean_pair_entropy(probs / probs.shape[0], jnp.exp(target_log_probs), target_weights)
    information = entropy_terms(probs.mean(axis=0)).sum(axis=-1) + target_entropy - joint_entropy
    # By the data-processing inequality both bounds hold for the exact value. They remove the rounding error where the
    # samples agree, so that all points tie under a deterministic network.
    bald, target_bald = (map_points(mutual_information, part) for part in (log_probs, target_log_probs))
    bound = jnp.minimum(bald, target_bald @ target_weights)
    return jnp.clip(information, 0.0, bound).reshape(all_log_probs.shape[1:-1])
