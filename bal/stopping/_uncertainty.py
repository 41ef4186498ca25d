"""How uncertain is the model about what is left?"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def overall_uncertainty(uncertainty: Float[Array, " N"], available: Bool[Array, " N"]) -> Float[Array, ""]:
    r"""Mean uncertainty of the points without a label.

    .. math:: \frac{1}{|U|} \sum_{i \in U} H[y_i \mid x_i]

    Args:
      uncertainty: of each point, such as :func:`bal.acquisition.max_entropy` in nats; its content is ignored at points
        that are not available.
      available: points without a label.

    Returns:
      In the unit of the uncertainty; 0 if no point is left.

    Example:
      >>> float(overall_uncertainty(jnp.array([0.5, 0.25, jnp.nan]), jnp.array([True, True, False])))
      0.375

    References:
      Zhu et al. 2010, Confidence-based stopping criteria for active learning for data annotation
    """
    return jnp.where(available, uncertainty, 0).sum() / jnp.maximum(available.sum(), 1)
