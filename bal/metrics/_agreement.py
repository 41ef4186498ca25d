"""Agreement of two raters, or of two models, beyond chance."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from bal.validation import check_count


def cohen_kappa(
    first: Int[Array, " n"], second: Int[Array, " n"], *, num_classes: int, weights: Float[Array, " n"] | None = None
) -> Float[Array, ""]:
    r"""Cohen's kappa: the agreement of two raters, less that of raters who answer at random with the same frequencies.

    .. math:: \kappa = \frac{p_o - p_e}{1 - p_e}, \quad p_e = \sum_c p^{(1)}_c p^{(2)}_c

    It is a number from -1 to 1, 0 for chance.

    Args:
      first: classes that the first rater gave, 0 to ``num_classes - 1``.
      second: those of the second one, for the same points.
      num_classes: C.
      weights: of the points; None: all 1. A point of weight 0 is ignored.

    Returns:
      1 for full agreement, 0 for that of chance; below 0 for less. NaN without points.

    Raises:
      ValueError: ``num_classes`` below 1.

    Example:
      >>> float(cohen_kappa(jnp.array([0, 0, 1, 1]), jnp.array([0, 0, 1, 0]), num_classes=2))
      0.5

    References:
      Cohen 1960, A coefficient of agreement for nominal scales
    """
    check_count("num_classes", num_classes)
    weights = jnp.ones(first.shape) if weights is None else weights
    one, other = (jax.nn.one_hot(classes, num_classes) for classes in (first, second))
    total = weights.sum()
    agreement = (weights * (first == second)).sum() / total
    shares = [(weights[:, None] * classes).sum(axis=0) / total for classes in (one, other)]
    chance = (shares[0] * shares[1]).sum()
    # Where both raters give one class throughout, 0 / 0: they agree fully, and the limit of equal raters is 1.
    certain = 1 - chance <= 4 * jnp.finfo(chance.dtype).eps
    return jnp.where(certain & (total > 0), 1.0, (agreement - chance) / jnp.where(certain, 1.0, 1 - chance))
