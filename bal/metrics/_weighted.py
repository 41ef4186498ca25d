"""Weighted sums and means over points."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def weighted_sum(values: Float[Array, "T ..."], weights: Float[Array, " T"]) -> Float[Array, "..."]:
    """Sum over the points of each value times its point's weight, in the unit of the values.

    Args:
      values: one or more numbers a point.
      weights: at least 0. A value may be infinite or nan where its weight is 0.

    Example:
      >>> float(weighted_sum(jnp.array([2.0, jnp.nan]), jnp.array([3.0, 0.0])))
      6.0
    """
    column = weights.reshape(-1, *[1] * (values.ndim - 1))
    # 0 times infinity is nan and would spoil the sum.
    return jnp.where(column > 0, values * column, 0.0).sum(axis=0)


def weighted_mean(values: Float[Array, " T"], weights: Float[Array, " T"]) -> Float[Array, ""]:
    """Mean of the values with these weights, in their unit; nan if all weights are 0.

    Example:
      >>> float(weighted_mean(jnp.array([1.0, 3.0]), jnp.array([1.0, 0.0])))
      1.0
    """
    return weighted_sum(values, weights) / weights.sum()
