"""Metrics of a predicted real number, whatever its distribution."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.metrics._weighted import weighted_mean, weighted_sum


def rmse(mean: Float[Array, " T"], labels: Float[Array, " T"], weights: Float[Array, " T"]) -> Float[Array, ""]:
    """Root of the mean squared error, in the unit of the labels.

    Example:
      >>> float(rmse(jnp.array([1.0, 2.0]), jnp.array([1.0, 5.0]), jnp.array([0.0, 1.0])))
      3.0
    """
    return jnp.sqrt(weighted_mean((mean - labels) ** 2, weights))


def r2(mean: Float[Array, " T"], labels: Float[Array, " T"], weights: Float[Array, " T"]) -> Float[Array, ""]:
    """Share of the labels' variance that the predicted means explain: at most 1, and 0 for a constant at their mean.

    If all labels are the same, it is -inf, or nan without an error.

    Example:
      >>> float(r2(jnp.array([1.0, 2.0]), jnp.array([1.0, 2.0]), jnp.ones(2)))
      1.0
    """
    deviations = labels - weighted_mean(labels, weights)
    return 1 - weighted_sum((mean - labels) ** 2, weights) / weighted_sum(deviations**2, weights)


def weighted_quantile(
    values: Float[Array, " T"], weights: Float[Array, " T"], level: float | Float[Array, ""]
) -> Float[Array, ""]:
    """The smallest value such that a share ``level`` of the weight is not above it; nan if all weights are 0.

    Example:
      >>> float(weighted_quantile(jnp.arange(10.0), jnp.ones(10), 0.75))
      7.0
    """
    # Points of weight 0 come last, since their values may be anything.
    order = jnp.argsort(jnp.where(weights > 0, values, jnp.inf))
    cumulative = jnp.cumsum(weights[order])
    # Clipped, since rounding of the sum may leave the last point below a level of 1.
    position = jnp.searchsorted(cumulative, level * cumulative[-1]).clip(0, values.shape[0] - 1)
    return jnp.where(cumulative[-1] > 0, values[order][position], jnp.nan)
