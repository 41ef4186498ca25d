"""EPIG of Gaussian predictions: what a point's label says about the labels at the targets, for regression."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.acquisition._checks import check_gaussian
from bal.acquisition._targets import normalise_weights, weights_of_positions
from bal.precision import full_precision
from bal.types import Gaussian

# Squared correlations above this are so close to 1 that 1 minus them would lose digits.
HIGH = 0.99


@full_precision
def gaussian_epig(
    gaussian: Gaussian, target_gaussian: Gaussian, target_weights: Float[Array, " M2"] | None = None
) -> Float[Array, "*N"]:
    r"""Mutual information between a point's label and the label at a target, averaged over the targets.

    .. math:: -\tfrac12 E_{x^*}[\log(1 - \rho^2)],\quad
              \rho = \mathrm{Cov}_s[\mu_s, \mu^*_s] / \sqrt{V V^*}

    with V the total variances: the joint prediction is taken to be Gaussian with the moments of the samples. Where
    :math:`1 - \rho^2` is small, it is summed from its parts, so that it loses no digits even with very little noise.

    Args:
      gaussian: predictions with leaves [S, N] and variances above 0.
      target_gaussian: predictions at the targets under the same samples, with leaves [S, M].
      target_weights: importance of each target, at least 0; equal where None. Only their ratios matter. Positions of
        a dense target share its weight.

    Returns:
      Score of each point in nats, at least 0. Higher is more useful.

    Raises:
      ValueError: leaves that are not floating arrays of one shape [S, N], no targets, targets of another number of
        samples, or invalid weights.

    Example:
      >>> prediction = Gaussian(jnp.array([[1.0], [3.0]]), jnp.ones((2, 1)))
      >>> bool(jnp.isclose(gaussian_epig(prediction, prediction)[0], -0.5 * jnp.log(0.75)))
      True

    References:
      Bickford Smith et al. 2023, Prediction-oriented Bayesian active learning, arXiv:2304.08151
    """
    check_gaussian(gaussian)
    check_gaussian(target_gaussian, name="target_gaussian")
    num_draws = gaussian.mean.shape[0]
    if target_gaussian.mean.shape[0] != num_draws:
        raise ValueError(f"expected target_gaussian under {num_draws} samples, got {target_gaussian.mean.shape[0]}")
    weights = weights_of_positions(target_weights, target_gaussian.mean.shape[1:], gaussian.mean.dtype)
    deviations, variance, noise = _moments(gaussian)
    target_deviations, target_variance, target_noise = _moments(target_gaussian)
    total, target_total = variance + noise, target_variance + target_noise
    covariance = deviations.T @ target_deviations / num_draws
    squared_correlation = covariance**2 / (total[:, None] * target_total[None])
    is_high = squared_correlation > HIGH

    def log_missing_from_1() -> Float[Array, "N M"]:
        # The noise, as shares of both variances, and the uncorrelated part of the means.
        share, noise_share = (variance / total)[:, None], (noise / total)[:, None]
        target_share, target_noise_share = (target_variance / target_total)[None], (target_noise / target_total)[None]
        apart = _squared_sine(deviations, target_deviations) * share * target_share
        missing = apart + share * target_noise_share + noise_share * target_share + noise_share * target_noise_share
        # Without noise the information is infinite; the smallest number keeps it and its gradient finite.
        return jnp.log(jnp.maximum(missing, jnp.finfo(missing.dtype).tiny))

    # Several times the work of a matrix product, and rarely needed.
    high = jax.lax.cond(is_high.any(), log_missing_from_1, lambda: jnp.zeros_like(squared_correlation))
    # Each branch is finite where the other one is used, so that gradients are finite.
    low = jnp.log1p(-jnp.where(is_high, 0.0, squared_correlation))
    information = -0.5 * jnp.where(is_high, high, low)
    return (information @ weights).reshape(gaussian.mean.shape[1:])


def _moments(gaussian: Gaussian) -> tuple[Float[Array, "S N"], Float[Array, " N"], Float[Array, " N"]]:
    """Deviations of the means from their mean over draws, their variance, and the mean noise; positions flattened."""
    mean, noise = (leaf.reshape(leaf.shape[0], -1) for leaf in gaussian)
    return mean - mean.mean(axis=0)[None], mean.var(axis=0), noise.mean(axis=0)


def _squared_sine(first: Float[Array, "S N"], second: Float[Array, "S M"]) -> Float[Array, "N M"]:
    r"""One minus the squared cosine of the angle between vectors of draws, :math:`|u - v|^2 |u + v|^2 / 4`.

    Computed from sums and differences of unit vectors: the product of nearly equal ones would lose the difference.
    """
    first, second = _unit(first), _unit(second)

    @jax.checkpoint
    def squares(draw):
        a, b = draw
        return (a[:, None] - b[None]) ** 2, (a[:, None] + b[None]) ** 2

    def add(total, draw):
        return jax.tree.map(jnp.add, total, squares(draw)), None

    # One draw after another, so that no array of S x N x M exists. The total starts from the first draw: inside
    # shard_map, it must be divided over the devices like the others.
    start = squares((first[0], second[0]))
    (difference, together), _ = jax.lax.scan(add, start, (first[1:], second[1:]))
    return jnp.minimum(difference * together / 4, 1.0)


def _unit(deviations: Float[Array, "S N"]) -> Float[Array, "S N"]:
    squared_norm = (deviations**2).sum(axis=0)
    # Draws that agree have no direction, but the sine is then multiplied by a variance of 0.
    return deviations / jnp.sqrt(jnp.where(squared_norm > 0, squared_norm, 1.0))[None]


@full_precision
def covariance_epig(
    covariance: Float[Array, "N M"],
    label_variance: Float[Array, " N2"],
    target_label_variance: Float[Array, " M3"],
    target_weights: Float[Array, " M2"] | None = None,
) -> Float[Array, " N"]:
    r"""Mutual information of jointly Gaussian labels at a point and at a target, averaged over the targets.

    .. math:: -\tfrac12 E_{x^*}[\log(1 - k(x, x^*)^2 / (V V^*))]

    Args:
      covariance: posterior covariance of the latent function between the points and the targets.
      label_variance: variance of the label at each point, noise included.
      target_label_variance: the same at the targets.
      target_weights: importance of each target, at least 0; equal where None. Only their ratios matter.

    Returns:
      Score of each point in nats, at least 0, and at most 8 in single precision, which cannot resolve correlations
      closer to 1. Higher is more useful.

    Raises:
      ValueError: variances that are not of shapes [N] and [M], no targets, or invalid weights.

    Example:
      >>> one = jnp.ones(1)
      >>> bool(jnp.isclose(covariance_epig(jnp.array([[0.5]]), one, one)[0], -0.5 * jnp.log(0.75)))
      True

    References:
      Bickford Smith et al. 2023, Prediction-oriented Bayesian active learning, arXiv:2304.08151
    """
    if covariance.shape[1] == 0:
        raise ValueError("expected covariance with at least one target, got none")
    for name, variance, size in zip(
        ("label_variance", "target_label_variance"),
        (label_variance, target_label_variance),
        covariance.shape,
        strict=True,
    ):
        if variance.shape != (size,):
            raise ValueError(f"expected {name} of shape [{size}], as covariance, got {list(variance.shape)}")
    weights = normalise_weights(target_weights, covariance.shape[1], covariance.dtype)
    squared_correlation = covariance**2 / (label_variance[:, None] * target_label_variance[None])
    # Rounding can push it beyond 1, where the logarithm would be NaN.
    largest = 1 - jnp.finfo(squared_correlation.dtype).eps
    return -0.5 * jnp.log1p(-jnp.minimum(squared_correlation, largest)) @ weights
