"""Where the fit of a round starts: ``(state of the previous round, fresh state) -> state``, see :func:`bal.build`."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.types import PyTree
from bal.validation import check_nonnegative


def warm_start(previous: PyTree, fresh: PyTree) -> PyTree:
    """Continue from the state of the previous round.

    Example:
      >>> warm_start({"kernel": 1.0}, {"kernel": 0.0})
      {'kernel': 1.0}
    """
    return previous


def shrink_and_perturb(
    *, shrink: float | Float[Array, ""] = 0.5, perturb: float | Float[Array, ""] = 0.1
) -> Callable[[PyTree, PyTree], PyTree]:
    r"""Continue from :math:`\lambda \theta_{r-1} + \gamma \theta_\mathrm{fresh}`: a warm start that generalises better.

    Args:
      shrink: :math:`\lambda`, factor of the parameters of the previous round.
      perturb: :math:`\gamma`, factor of fresh parameters, which serve as noise of the initial scale.

    Raises:
      ValueError: a negative factor.

    Example:
      >>> float(shrink_and_perturb(shrink=0.5, perturb=0.1)(jnp.array(2.0), jnp.array(10.0)))
      2.0

    References:
      Ash and Adams 2020, On warm-starting neural network training, arXiv:1910.08475
    """

    check_nonnegative(shrink=shrink, perturb=perturb)

    def mix(previous: Array, fresh: Array) -> Array:
        # Only real numbers can be mixed; integers and keys come from the fresh state.
        return shrink * previous + perturb * fresh if jnp.issubdtype(fresh.dtype, jnp.floating) else fresh

    return lambda previous, fresh: jax.tree.map(mix, previous, fresh)
