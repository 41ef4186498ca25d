"""Regression with Gaussian noise whose variance depends on the point."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.likelihoods import _real
from bal.likelihoods._likelihood import Likelihood
from bal.types import Gaussian
from bal.validation import check_positive


def heteroscedastic_gaussian(*, unit: float | Array = 1.0) -> Likelihood:
    r"""A real number a point, with noise predicted by the network. Outputs [n, 2]: mean and log-variance; labels [n].

    .. math:: L = \frac12 e^{-s} (y - \mu)^2 + \frac{s}{2} + \frac12 \log 2\pi, \quad s = \log \sigma^2

    Predictions are :class:`bal.types.Gaussian` with leaves [S, n], whose variances are the noise under each draw
    (aleatoric). ``reduce`` adds the variance of the means over draws (epistemic). Metrics are those of
    :func:`gaussian`. The information, of both outputs, is :math:`1 / \sigma^2 + 1/2`.

    Args:
      unit: standard deviation by which the labels were divided, for metrics in their original unit.

    Raises:
      ValueError: ``unit`` is not positive.

    Example:
      >>> likelihood = heteroscedastic_gaussian()
      >>> likelihood.predictive((), jnp.array([[1.0, 0.0]])).variance
      Array([1.], dtype=float32)

    References:
      Kendall and Gal 2017, What uncertainties do we need in Bayesian deep learning for computer vision?, equation 8,
      arXiv:1703.04977
    """
    check_positive(unit=unit)
    return Likelihood(
        predicts="gaussian",
        init=lambda rng_key: (),
        loss=_loss,
        predictive=_predictive,
        reduce=_real.reduce,
        nll=_real.nll,
        check=_real.checked("a heteroscedastic Gaussian likelihood", num_outputs=2),
        tally=_real.tally,
        figures=_real.figures_in(unit),
        information=lambda predictions: 1 / predictions.variance.mean(axis=0) + 0.5,
    )


def _loss(params: tuple, outputs: Float[Array, "*n 2"], labels: Float[Array, "*n"]) -> Float[Array, "*n"]:
    # From the log-variance, as in the paper: a variance would need a division and a logarithm.
    mean, log_variance = outputs[..., 0], _log_variance(outputs)
    return 0.5 * (jnp.exp(-log_variance) * (labels - mean) ** 2 + log_variance + jnp.log(2 * jnp.pi))


def _predictive(params: tuple, outputs: Float[Array, "*n 2"]) -> Gaussian:
    return Gaussian(outputs[..., 0], jnp.exp(_log_variance(outputs)))


def _log_variance(outputs: Float[Array, "*n 2"]) -> Float[Array, "*n"]:
    # A variance of 0 has no density, and its inverse times an error of 0 is nan. The paper has no floor; this one is
    # the smallest number of the dtype, times e to allow for rounding: a noise of 1e-19 in float32.
    return jnp.maximum(outputs[..., 1], jnp.log(jnp.finfo(outputs.dtype).tiny) + 1)
