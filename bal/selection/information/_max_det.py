"""Greedy determinant maximisation: BatchBALD for Gaussians."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal.precision import full_precision
from bal.selection._checks import as_points, check_request
from bal.selection._selection import Selection
from bal.selection.geometry._kernels import LINEAR, Kernel
from bal.selection.geometry._points import row, usable_under
from bal.selection.greedy._greedy import among_all, greedy
from bal.selection.greedy._shortlist import greedy_shortlist
from bal.types import PyTree, RngKey
from bal.validation import check_positive


class _State(NamedTuple):
    variances: Float[Array, " N"]  # of the latent function, given the points chosen so far
    factors: Float[Array, "B N"]  # rows of the pivoted Cholesky factor of K + noise I


@full_precision
def max_det(
    rng_key: RngKey,
    features: PyTree,
    available: Bool[Array, " N"],
    *,
    batch_size: int,
    noise: float | Float[Array, ""],
    kernel: Kernel = LINEAR,
) -> Selection:
    r"""Greedily maximise the information of the batch about a Gaussian latent function.

    .. math:: I(y_A; f) = \tfrac12 \log\det\left(I + \tfrac{1}{\sigma^2} K_{AA}\right)

    The gain of a point is half the log of 1 + its variance given the batch so far over the noise; the greedy order is
    that of the pivoted Cholesky decomposition of :math:`K + \sigma^2 I`. Scaling each row by the quality of its point
    makes it greedy inference for a determinantal point process.

    Args:
      rng_key: breaks ties.
      features: features [N, D], or the points that ``kernel`` takes. For a posterior rather than a prior variance, see
        :func:`bal.selection.condition`.
      available: True where a point may be chosen.
      batch_size: number of points B.
      noise: variance of an observation.
      kernel: covariance of the latent function.

    Returns:
      The selection; scores are marginal gains in nats, non-increasing, and sum to the information of the batch. Under
      ``LINEAR`` they have forward-mode derivatives only.

    Raises:
      ValueError: ``batch_size`` is not between 1 and N, ``noise`` is not above 0, or the shapes disagree.

    Example:
      >>> features = jnp.array([[2.0, 0.0], [1.9, 0.0], [0.0, 1.0]])
      >>> max_det(jax.random.key(0), features, jnp.ones(3, bool), batch_size=2, noise=0.1).indices
      Array([0, 2], dtype=int32)

    References:
      Kirsch et al. 2019, BatchBALD, arXiv:1906.08158; Holzmüller et al. 2023, arXiv:2203.09410
    """
    check_request(rng_key, available, batch_size)
    linear = kernel is LINEAR
    features = as_points("features", features, available.shape[0], linear=linear)
    check_positive(noise=noise)
    return _max_det(rng_key, features, available, noise, kernel, batch_size=batch_size, linear=linear)


@jax.jit(static_argnames=("batch_size", "linear"))
def _max_det(rng_key, features, available, noise, kernel, *, batch_size, linear):
    points, diagonal, allowed, num_invalid = usable_under(kernel, available, features)
    # Where K + noise I has no positive diagonal the kernel is no covariance, and no gain is a number.
    broken = allowed & ~(diagonal + noise > 0)
    variances = jnp.where(allowed & ~broken, jnp.maximum(diagonal, 0.0), -jnp.inf)
    select = _by_directions if linear else functools.partial(_by_columns, kernel)
    indices, variances = select(rng_key, variances, points, noise, batch_size)
    gains = jnp.where(variances >= 0, 0.5 * jnp.log1p(jnp.maximum(variances, 0.0) / noise), -jnp.inf)
    return Selection(indices, gains, num_invalid + broken.sum())


def _by_directions(rng_key, variances, points, noise, batch_size):
    """With a linear kernel, Cholesky factors are inner products with one direction, cheap for any subset of points."""

    def direction(chosen, variance, directions):
        pivot = jnp.sqrt(jnp.maximum(variance, 0.0) + noise)
        # A variance within rounding of 0 defines no direction: divided by a small noise it would grow from step to
        # step.
        rounding = 4 * jnp.finfo(chosen.dtype).eps * jnp.square(chosen).sum()
        return jnp.where(variance > rounding, (chosen - directions @ chosen @ directions) / pivot, 0.0)

    def lower(variances, points, directions):
        # Rounding can leave the variance of a copy of a chosen point just below 0.
        return jnp.maximum(variances - jnp.square(points @ directions.T).sum(axis=1), 0.0)

    return greedy_shortlist(rng_key, variances, points, effect=direction, lower=lower, batch_size=batch_size)


def _by_columns(kernel, rng_key, variances, points, noise, batch_size):
    """Columns of the kernel are evaluated when their point is chosen."""

    def gain(state):
        return state.variances

    def update(state, step, index):
        chosen = jax.tree.map(lambda leaf: leaf[None], row(points, index))
        column = kernel.columns(points, chosen)[:, 0]
        pivot = jnp.sqrt(row(state.variances, index) + noise)
        factor = (column - row(state.factors.T, index) @ state.factors) / pivot
        # Rounding can leave the variance of a copy of a chosen point just below 0.
        variances = jnp.maximum(state.variances - jnp.square(factor), 0.0)
        return _State(variances, state.factors.at[step].set(factor))

    state = _State(jnp.maximum(variances, 0.0), jnp.zeros((batch_size, len(variances)), variances.dtype))
    find = among_all(rng_key, len(variances), gain)
    indices, gains, _ = greedy(variances > -jnp.inf, state, find=find, update=update, batch_size=batch_size)
    return indices, gains
