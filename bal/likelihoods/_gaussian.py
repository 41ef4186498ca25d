"""Regression with Gaussian noise of constant variance."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.likelihoods import _real
from bal.likelihoods._likelihood import Likelihood
from bal.metrics import negative_log_density
from bal.types import Gaussian, PyTree, RngKey
from bal.validation import check_positive


def gaussian(
    *, initial_noise: float | Array = 1.0, noise: float | Array | None = None, unit: float | Array = 1.0
) -> Likelihood:
    """A real number a point, with Gaussian noise of constant variance. Outputs [n, 1] are means, labels [n] are real.

    Predictions are :class:`bal.types.Gaussian` with leaves [S, n]; ``reduce`` matches the first two moments of the
    mixture, so its ``nll`` is that of the matched Gaussian. Metrics are ``rmse``, ``mae``, ``crps``, ``error_q95`` and
    ``error_q99`` (quantiles of the absolute error) in the original unit of the labels, ``nll`` (nats), ``r2`` and
    ``coverage_90``; dense predictions lack the quantiles and ``r2``. The information is 1 / variance of the noise.

    Args:
      initial_noise: standard deviation of learned noise before fitting, in the unit of the labels.
      noise: standard deviation of known noise, in the unit of the labels; None: the noise is learned.
      unit: standard deviation by which the labels were divided, for metrics in their original unit.

    Raises:
      ValueError: a setting that is not positive.

    Example:
      >>> likelihood = gaussian(noise=2.0)
      >>> likelihood.predictive(likelihood.init(None), jnp.array([[1.0]]))
      Gaussian(mean=Array([1.], dtype=float32), variance=Array([4.], dtype=float32))
    """
    check_positive(initial_noise=initial_noise, unit=unit)
    if noise is not None:
        check_positive(noise=noise)

    def init(rng_key: RngKey | None) -> PyTree:
        return {"log_variance": jnp.full((), 2 * jnp.log(initial_noise))} if noise is None else ()

    def predictive(params: PyTree, outputs: Float[Array, "*n 1"]) -> Gaussian:
        mean = outputs[..., 0]
        variance = jnp.exp(params["log_variance"]) if noise is None else jnp.square(noise)
        return Gaussian(mean, jnp.full_like(mean, variance))

    def loss(params: PyTree, outputs: Float[Array, "*n 1"], labels: Float[Array, "*n"]) -> Float[Array, "*n"]:
        return negative_log_density(*predictive(params, outputs), labels)

    return Likelihood(
        predicts="gaussian",
        init=init,
        loss=loss,
        predictive=predictive,
        reduce=_real.reduce,
        nll=_real.nll,
        check=_real.checked("a Gaussian likelihood", num_outputs=1),
        tally=_real.tally,
        figures=_real.figures_in(unit),
        information=lambda predictions: 1 / predictions.variance.mean(axis=0),
    )
