"""Full single precision for covariances, distances and information, which need more digits than networks."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def full_precision(fn: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Matrix products in ``fn`` keep single precision on every device.

    By default JAX rounds their factors to 10 bits on recent GPUs and to 8 bits on TPUs. Networks tolerate that, but a
    small difference of large numbers, such as the distance between two similar points, is lost. Decorate every score
    and rule whose result is such a difference.

    Args:
      fn: any function of arrays. To compile it as well, apply ``jit`` outside.

    Returns:
      The same function at full precision.

    Example:
      >>> import bal, jax.numpy as jnp
      >>> product = jax.jit(bal.full_precision(jnp.matmul))
      >>> "HIGHEST" in product.lower(jnp.ones((2, 2)), jnp.ones((2, 2))).as_text()
      True
    """

    @functools.wraps(fn)
    def precise(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with jax.default_matmul_precision("highest"):
            return fn(*args, **kwargs)

    return precise
