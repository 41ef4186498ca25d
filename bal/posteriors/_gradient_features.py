"""The gradient of a network's outputs by all its parameters, sketched to a few numbers a point.

It lies among the posteriors, not among the selection rules: it evaluates a network, and posteriors offer it as
``features["gradient"]``. The rules see an array.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from bal.types import PyTree, RngKey
from bal.validation import check_count

POINTS_AT_ONCE = 16  # whose full gradients exist together


def gradient_features(
    rng_key: RngKey,
    apply_fn: Callable[[PyTree, Array], Array],
    params: PyTree,
    inputs: Array,
    *,
    num_features: int,
) -> Float[Array, "N D"]:
    r"""Features whose inner products are, on average over keys, those of the full gradients (the tangent kernel).

    .. math:: E[\phi(x)^\top \phi(x')] = \sum_c \nabla_\theta f_c(x)^\top \nabla_\theta f_c(x')

    Each parameter is given a random sign and one of D buckets of equal size; a feature is the signed sum over a bucket
    (a count sketch). That costs one pass over the gradient, where a dense random projection costs D. With D at least
    the number of parameters and one output it is exact. The relative error falls like :math:`1/\sqrt D`.

    Args:
      rng_key: draws signs and buckets; pool and labelled points need the same key.
      apply_fn: from parameters and inputs [n, ...] to outputs [n] or [n, C]; a pure function.
      params: the parameters to differentiate by.
      inputs: one row a point.
      num_features: length D of the sketch.

    Returns:
      One row a point, D = ``num_features``.

    Raises:
      ValueError: ``num_features`` is not a whole number of at least 1.

    Example:
      >>> features = gradient_features(
      ...     jax.random.key(0), lambda w, x: x @ w, jnp.zeros(2), jnp.array([[3.0, 4.0]]), num_features=2
      ... )
      >>> float(jnp.linalg.norm(features))
      5.0

    References:
      Charikar et al. 2002, Finding frequent items in data streams; Holzmüller et al. 2023, arXiv:2203.09410
    """
    check_count("num_features", num_features)
    key_signs, key_buckets, key_outputs = jax.random.split(rng_key, 3)
    flat, unravel = ravel_pytree(params)
    rows = -(-flat.size // num_features)
    signs = jax.random.rademacher(key_signs, flat.shape, flat.dtype)
    # Column b of the table is bucket b; places beyond the last parameter read 0.
    table = jax.random.permutation(key_buckets, rows * num_features).reshape(rows, num_features)

    def outputs(flat_params, point):
        return apply_fn(unravel(flat_params), point[None])[0].reshape(-1)

    num_outputs = jax.eval_shape(outputs, flat, inputs[0]).size
    # Each output has its own signs and its own rotation of the buckets, or gradients of two outputs would be compared.
    key_output_signs, key_shifts = jax.random.split(key_outputs)
    output_signs = jax.random.rademacher(key_output_signs, (num_outputs,), flat.dtype)
    shifts = jax.random.randint(key_shifts, (num_outputs,), 0, num_features)

    def sketch(point):
        _, pull = jax.vjp(lambda flat_params: outputs(flat_params, point), flat)

        def of_output(number):
            (gradient,) = pull(jnp.zeros(num_outputs, flat.dtype).at[number].set(output_signs[number]))
            buckets = (signs * gradient).at[table].get(mode="fill", fill_value=0).sum(axis=0)
            return jnp.roll(buckets, shifts[number])

        return jax.lax.map(of_output, jnp.arange(num_outputs)).sum(axis=0)

    return jax.lax.map(sketch, inputs, batch_size=POINTS_AT_ONCE)
