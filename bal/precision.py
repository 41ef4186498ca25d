"""Full single precision for what a network's rounding would spoil: covariances, distances, information."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import jax

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def full_precision(fn: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Matrix products in ``fn`` keep single precision on every device.

    Left to itself, JAX rounds their factors to 10 bits on recent GPUs and to 8 bits on TPUs. A network does not mind;
    of a small difference of large numbers, such as the distance of two similar points, nothing is left.

    Args:
      fn: any function of arrays; under ``jit`` the outer one, since ``lower`` and ``trace`` of a jitted one are hidden.

    Returns:
      The same function.

    Example:
      >>> import jax.numpy as jnp
      >>> product = jax.jit(full_precision(jnp.matmul))
      >>> "HIGHEST" in product.lower(jnp.ones((2, 2)), jnp.ones((2, 2))).as_text()
      True
    """

    @functools.wraps(fn)
    def precise(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with jax.default_matmul_precision("highest"):
            return fn(*args, **kwargs)

    return precise
