"""Metrics of Gaussian predictions, one number a point."""

import math

import jax.numpy as jnp
from jax.scipy.stats import norm
from jaxtyping import Array, Bool, Float


def negative_log_density(
    mean: Float[Array, "*n"], variance: Float[Array, "*n"], labels: Float[Array, "*n"]
) -> Float[Array, "*n"]:
    """Negative log-density of each label, in nats; the value depends on the unit of the labels.

    Example:
      >>> float(negative_log_density(*jnp.array([[1.0], [1.0], [1.0]]))[0]) == float(jnp.log(2 * jnp.pi) / 2)
      True
    """
    return -norm.logpdf(labels, mean, jnp.sqrt(variance))


def crps(mean: Float[Array, "*n"], variance: Float[Array, "*n"], labels: Float[Array, "*n"]) -> Float[Array, "*n"]:
    r"""Continuous ranked probability score, in the unit of the labels: the absolute error for distributions.

    .. math::
      \int (F(t) - 1[t \ge y])^2\, dt
        = \sigma \left[ z (2 \Phi(z) - 1) + 2 \varphi(z) - \pi^{-1/2} \right], \quad z = \frac{y - \mu}{\sigma}

    It is at least 0, and equals the absolute error if the variance is 0.

    Args:
      mean: of the prediction.
      variance: of the prediction, including the noise.
      labels: real numbers.

    Example:
      >>> round(float(crps(jnp.zeros(1), jnp.ones(1), jnp.zeros(1))[0]), 4)
      0.2337

    References:
      Gneiting and Raftery 2007, Strictly proper scoring rules, prediction, and estimation
    """
    scale = jnp.sqrt(variance)
    # Without variance, z is infinite at a wrong label and undefined at a correct one.
    z = (labels - mean) / jnp.where(scale > 0, scale, 1.0)
    score = scale * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / math.sqrt(math.pi))
    return jnp.where(scale > 0, score, jnp.abs(labels - mean))


def in_interval(
    mean: Float[Array, "*n"], variance: Float[Array, "*n"], labels: Float[Array, "*n"], *, level: float = 0.9
) -> Bool[Array, "*n"]:
    """Whether each label is in the central interval of probability ``level`` under the prediction.

    Example:
      >>> in_interval(jnp.zeros(2), jnp.ones(2), jnp.array([1.6, 1.7])).tolist()
      [True, False]
    """
    return jnp.abs(labels - mean) <= norm.ppf((1 + level) / 2) * jnp.sqrt(variance)
