r"""Scores of Gaussian predictions, for regression.

Two forms. The functions of a :class:`bal.types.Gaussian` take one component for each posterior sample and estimate the
moments over the samples. A posterior with a closed covariance (Laplace, Gaussian process) needs no samples: the
functions named ``covariance_*`` take second moments as they are, and the first form of EPIG ends in the second.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.acquisition._targets import normalise_weights
from bal.precision import full_precision
from bal.types import Gaussian


def epistemic_variance(gaussian: Gaussian) -> Float[Array, "*N"]:
    r"""Variance of the predicted mean over posterior samples, the part that data can remove.

    .. math:: \mathrm{Var}_s[\mu_s]

    Args:
      gaussian: predictions with leaves [S, N].

    Returns:
      Score of each point in squared units of the labels, at least 0. Higher is more useful.

    Example:
      >>> float(epistemic_variance(Gaussian(jnp.array([[1.0], [3.0]]), jnp.ones((2, 1))))[0])
      1.0

    References:
      Kendall and Gal 2017, What uncertainties do we need in Bayesian deep learning for computer vision?,
      arXiv:1703.04977
    """
    return gaussian.mean.var(axis=0)


def total_variance(gaussian: Gaussian) -> Float[Array, "*N"]:
    r"""Variance of the predicted label: of the mean over posterior samples, and the noise on average.

    .. math:: \mathrm{Var}_s[\mu_s] + E_s[\sigma_s^2]

    Args:
      gaussian: predictions with leaves [S, N].

    Returns:
      Score of each point in squared units of the labels, at least 0. Higher is more useful.

    Example:
      >>> float(total_variance(Gaussian(jnp.array([[1.0], [3.0]]), jnp.ones((2, 1))))[0])
      2.0

    References:
      Kendall and Gal 2017, arXiv:1703.04977
    """
    return epistemic_variance(gaussian) + gaussian.variance.mean(axis=0)


def gaussian_bald(gaussian: Gaussian) -> Float[Array, "*N"]:
    r"""Mutual information between a point's label and the parameters, were the mixture of the samples Gaussian.

    .. math:: \tfrac12 \log(\mathrm{Var}_s[\mu_s] + E_s[\sigma_s^2]) - \tfrac12 E_s[\log \sigma_s^2]

    It is half the log of 1 + epistemic/noise variance where the noise is the same in all samples. In any case it is an
    upper bound of the information in the mixture, whose entropy is at most that of a Gaussian of its variance.

    Args:
      gaussian: predictions with leaves [S, N] and variances above 0.

    Returns:
      Score of each point in nats, at least 0; exactly 0 where the samples agree. Higher is more useful.

    Example:
      >>> prediction = Gaussian(jnp.array([[1.0], [3.0]]), jnp.ones((2, 1)))
      >>> bool(jnp.isclose(gaussian_bald(prediction)[0], 0.5 * jnp.log(2)))
      True

    References:
      Houlsby et al. 2011, arXiv:1112.5745; Kendall and Gal 2017, arXiv:1703.04977
    """
    ratios = jnp.log(total_variance(gaussian)[None] / gaussian.variance)
    information = 0.5 * ratios.mean(axis=0)
    # Samples that differ by rounding alone must tie with those that do not differ at all.
    return jnp.where(information < 8 * jnp.finfo(information.dtype).eps, 0.0, information)


@full_precision
def gaussian_epig(
    gaussian: Gaussian, target_gaussian: Gaussian, target_weights: Float[Array, " M2"] | None = None
) -> Float[Array, " N"]:
    r"""Mutual information between a point's label and the label at a target, averaged over the targets.

    .. math:: -\tfrac12 E_{x^*}[\log(1 - \rho^2)],\quad
              \rho = \mathrm{Cov}_s[\mu_s, \mu^*_s] / \sqrt{V V^*}

    with V the total variances: the joint prediction is taken to be Gaussian with the moments of the samples.

    Args:
      gaussian: predictions with leaves [S, N] and variances above 0.
      target_gaussian: predictions at the targets under the same samples, with leaves [S, M].
      target_weights: importance of each target, at least 0; equal where None. Only their ratios matter.

    Returns:
      Score of each point in nats, at least 0. Higher is more useful.

    Raises:
      ValueError: no targets, targets of another number of samples, or weights that cannot be normalised.

    Example:
      >>> prediction = Gaussian(jnp.array([[1.0], [3.0]]), jnp.ones((2, 1)))
      >>> bool(jnp.isclose(gaussian_epig(prediction, prediction)[0], -0.5 * jnp.log(0.75)))
      True

    References:
      Bickford Smith et al. 2023, Prediction-oriented Bayesian active learning, arXiv:2304.08151
    """
    if target_gaussian.mean.shape[0] != gaussian.mean.shape[0]:
        raise ValueError(
            f"expected target_gaussian under {gaussian.mean.shape[0]} samples, got {target_gaussian.mean.shape[0]}"
        )
    if target_gaussian.mean.shape[1] == 0:
        raise ValueError("expected target_gaussian of at least one target, got none")
    deviations = gaussian.mean - gaussian.mean.mean(axis=0)[None]
    target_deviations = target_gaussian.mean - target_gaussian.mean.mean(axis=0)[None]
    covariance = deviations.T @ target_deviations / deviations.shape[0]
    return covariance_epig(covariance, total_variance(gaussian), total_variance(target_gaussian), target_weights)


def covariance_bald(variance: Float[Array, "*N"], noise_variance: Float[Array, "*N"]) -> Float[Array, "*N"]:
    r"""Mutual information between a point's label and a latent function whose posterior is Gaussian.

    .. math:: \tfrac12 \log(1 + v / \sigma^2)

    Args:
      variance: posterior variance v of the latent function, the diagonal of its covariance.
      noise_variance: variance of a label given the function, above 0.

    Returns:
      Score of each point in nats, at least 0. Higher is more useful.

    Example:
      >>> bool(jnp.isclose(covariance_bald(jnp.array([3.0]), jnp.array([1.0]))[0], jnp.log(2)))
      True

    References:
      Houlsby et al. 2011, arXiv:1112.5745
    """
    return 0.5 * jnp.log1p(variance / noise_variance)


@full_precision
def covariance_epig(
    covariance: Float[Array, "N M"],
    label_variance: Float[Array, " N"],
    target_label_variance: Float[Array, " M"],
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
      Score of each point in nats, at least 0; infinite where a target's label is known without noise. Higher is more
      useful.

    Raises:
      ValueError: no targets, or weights that cannot be normalised.

    Example:
      >>> one = jnp.ones(1)
      >>> bool(jnp.isclose(covariance_epig(jnp.array([[0.5]]), one, one)[0], -0.5 * jnp.log(0.75)))
      True

    References:
      Bickford Smith et al. 2023, Prediction-oriented Bayesian active learning, arXiv:2304.08151
    """
    if covariance.shape[1] == 0:
        raise ValueError("expected covariance with at least one target, got none")
    weights = normalise_weights(target_weights, covariance.shape[1], covariance.dtype)
    squared_correlation = covariance**2 / (label_variance[:, None] * target_label_variance[None])
    return -0.5 * jnp.log1p(-squared_correlation) @ weights
