"""Does uncertainty rank errors? What is left of the error when the most uncertain positions are removed."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def ause(errors: Float[Array, " T"], uncertainty: Float[Array, " T"], weights: Float[Array, " T"]) -> Float[Array, ""]:
    r"""Area between the sparsification curve and that of an oracle, the AUSE: 0 if uncertainty ranks the errors.

    .. math:: \frac1T \sum_{k=1}^{T} \frac{\bar e_k(\text{uncertainty}) - \bar e_k(\text{errors})}{\bar e_T}

    where :math:`\bar e_k(r)` is the mean error of the k positions of the smallest r. Equal values of r are in the order
    of the positions.

    Args:
      errors: absolute errors, at least 0.
      uncertainty: any number that should rise with the error, such as the predicted variance.
      weights: 0 for a position that does not count, else 1.

    Returns:
      A share of the mean error, without a unit; nan if no position counts, 0 if all errors are 0.

    Example:
      >>> float(ause(jnp.array([0.0, 1.0]), jnp.array([0.1, 0.2]), jnp.ones(2)))
      0.0

    References:
      Ilg et al. 2018, Uncertainty estimates and multi-hypotheses networks for optical flow, arXiv:1802.07095
    """
    counted = weights > 0
    errors = jnp.where(counted, errors, 0.0)
    count = counted.sum()
    steps = jnp.arange(1, len(errors) + 1)

    def remaining(ranks: Float[Array, " T"]) -> Float[Array, " T"]:
        """Mean error of the first k positions, for each k."""
        order = jnp.argsort(jnp.where(counted, ranks, jnp.inf), stable=True)
        return jnp.cumsum(errors[order]) / steps

    gaps = jnp.where(steps <= count, remaining(uncertainty) - remaining(errors), 0.0)
    mean = errors.sum() / count
    # Rounding of the two sums must not make a perfect ranking worse than perfect.
    area = jnp.maximum(gaps, 0.0).sum() / count / jnp.where(mean > 0, mean, 1.0)
    return jnp.where(count > 0, area, jnp.nan)
