"""The gradient of a network's outputs with respect to all its parameters, sketched to a few numbers a point.

Posteriors over networks offer it as ``features["gradient"]``.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from bal.networks import Network, Variables, deterministic_outputs
from bal.posteriors._gradient_steps import NetworkState
from bal.types import PyTree, RngKey
from bal.validation import check_count

SKETCH_SIZE = 512  # features that posteriors offer
# Posteriors do not store keys, and pool and labelled points need the same sketch, so its key is a constant. Runs differ
# in their parameters: the initial ones are random, so to a network of another seed the same sketch is another one.
SKETCH_SEED = 0
POINTS_AT_ONCE = 16  # whose full gradients exist together, but for large networks: these numbers at most
NUMBERS_AT_ONCE = 2**24


def gradient_features(
    rng_key: RngKey,
    apply_fn: Callable[[PyTree, PyTree], Array],
    params: PyTree,
    inputs: PyTree,
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
        return apply_fn(unravel(flat_params), jax.tree.map(lambda leaf: leaf[None], point))[0].reshape(-1)

    num_outputs = jax.eval_shape(outputs, flat, jax.tree.map(lambda leaf: leaf[0], inputs)).size
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

    points_at_once = max(1, min(POINTS_AT_ONCE, NUMBERS_AT_ONCE // flat.size))
    return jax.lax.map(sketch, inputs, batch_size=points_at_once)


def network_gradients(
    network: Network, state: NetworkState, inputs: PyTree, *, member: int | Array = 0
) -> Float[Array, "n D"]:
    """Sketched gradients of the outputs of a network without noise, by all its parameters.

    Args:
      network: whose outputs [n, ...] start with the axis of points.
      state: its parameters.
      inputs: one row a point.
      member: networks of different numbers are sketched independently, so that the sum of their features has, on
        average, the sum of their kernels as inner products.
    """

    def outputs(params: PyTree, points: PyTree) -> Array:
        return deterministic_outputs(network, Variables(params, state.variables.statistics), points)

    rng_key = jax.random.fold_in(jax.random.key(SKETCH_SEED), member)
    return gradient_features(rng_key, outputs, state.variables.params, inputs, num_features=SKETCH_SIZE)
