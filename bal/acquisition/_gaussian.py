"""Scores of Gaussian predictions, for regression.

There are two forms. Functions of a :class:`bal.types.Gaussian` take one component for each posterior sample and
estimate moments over the samples. A posterior with a closed covariance (Laplace, Gaussian process) needs no samples:
the functions named ``covariance_*`` take its second moments.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.acquisition._checks import check_gaussian, check_same_shape
from bal.types import Gaussian


def epistemic_variance(gaussian: Gaussian) -> Float[Array, "*N"]:
    r"""Variance of the predicted mean over posterior samples, the part that more data can remove.

    .. math:: \mathrm{Var}_s[\mu_s]

    Args:
      gaussian: predictions with leaves [S, N].

    Returns:
      Score of each point in squared units of the labels, at least 0. Higher is more useful.

    Raises:
      ValueError: leaves that are not floating arrays of one shape [S, N].

    Example:
      >>> float(epistemic_variance(Gaussian(jnp.array([[1.0], [3.0]]), jnp.ones((2, 1))))[0])
      1.0

    References:
      Kendall and Gal 2017, What uncertainties do we need in Bayesian deep learning for computer vision?,
      arXiv:1703.04977
    """
    check_gaussian(gaussian)
    return gaussian.mean.var(axis=0)


def total_variance(gaussian: Gaussian) -> Float[Array, "*N"]:
    r"""Variance of the predicted label: variance of the mean over posterior samples, plus the average noise.

    .. math:: \mathrm{Var}_s[\mu_s] + E_s[\sigma_s^2]

    Args:
      gaussian: predictions with leaves [S, N].

    Returns:
      Score of each point in squared units of the labels, at least 0. Higher is more useful.

    Raises:
      ValueError: leaves that are not floating arrays of one shape [S, N].

    Example:
      >>> float(total_variance(Gaussian(jnp.array([[1.0], [3.0]]), jnp.ones((2, 1))))[0])
      2.0

    References:
      Kendall and Gal 2017, arXiv:1703.04977
    """
    check_gaussian(gaussian)
    return epistemic_variance(gaussian) + gaussian.variance.mean(axis=0)


def gaussian_bald(gaussian: Gaussian) -> Float[Array, "*N"]:
    r"""Mutual information between a point's label and the parameters, if the mixture of the samples were Gaussian.

    .. math:: \tfrac12 \log(\mathrm{Var}_s[\mu_s] + E_s[\sigma_s^2]) - \tfrac12 E_s[\log \sigma_s^2]

    If the noise is the same in all samples, it is half the log of 1 + epistemic/noise variance. In any case it is an
    upper bound on the information of the mixture, whose entropy is at most that of a Gaussian of the same variance.

    Args:
      gaussian: predictions with leaves [S, N] and variances above 0.

    Returns:
      Score of each point in nats, at least 0; exactly 0 where the samples agree. Higher is more useful.

    Raises:
      ValueError: leaves that are not floating arrays of one shape [S, N].

    Example:
      >>> prediction = Gaussian(jnp.array([[1.0], [3.0]]), jnp.ones((2, 1)))
      >>> bool(jnp.isclose(gaussian_bald(prediction)[0], 0.5 * jnp.log(2)))
      True

    References:
      Houlsby et al. 2011, arXiv:1112.5745; Kendall and Gal 2017, arXiv:1703.04977
    """
    check_gaussian(gaussian)
    ratios = jnp.log(total_variance(gaussian)[None] / gaussian.variance)
    information = 0.5 * ratios.mean(axis=0)
    # Samples that differ by rounding alone must tie with those that do not differ at all.
    return jnp.where(information < 8 * jnp.finfo(information.dtype).eps, 0.0, information)


def covariance_bald(variance: Float[Array, "*N"], noise_variance: Float[Array, "*N2"]) -> Float[Array, "*N"]:
    r"""Mutual information between a point's label and a latent function whose posterior is Gaussian.

    .. math:: \tfrac12 \log(1 + v / \sigma^2)

    Args:
      variance: posterior variance v of the latent function, the diagonal of its covariance.
      noise_variance: variance of a label given the function, above 0.

    Returns:
      Score of each point in nats, at least 0. Higher is more useful.

    Raises:
      ValueError: arrays of different shapes.

    Example:
      >>> bool(jnp.isclose(covariance_bald(jnp.array([3.0]), jnp.array([1.0]))[0], jnp.log(2)))
      True

    References:
      Houlsby et al. 2011, arXiv:1112.5745
    """
    check_same_shape("noise_variance", noise_variance, "variance", variance)
    return 0.5 * jnp.log1p(variance / noise_variance)
