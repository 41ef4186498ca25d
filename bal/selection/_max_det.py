"""Greedy determinant maximisation: BatchBALD for Gaussians."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal.selection._greedy import greedy
from bal.selection._kernels import LINEAR, Kernel
from bal.selection._points import check_positive, check_rows, row, usable
from bal.selection._selection import Selection, check_batch_size
from bal.types import PyTree, RngKey


class _State(NamedTuple):
    variances: Float[Array, " N"]  # of the latent function, given the points chosen so far
    factors: Float[Array, "B ..."]  # rows [N] of the pivoted Cholesky factor of K + noise I, or their directions [D]


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
    that of the pivoted Cholesky decomposition of :math:`K + \sigma^2 I`. Columns of the kernel are evaluated when their
    point is chosen. Scaling each feature row by the point's quality makes it greedy inference for a
    determinantal point process.

    Args:
      rng_key: breaks ties.
      features: features [N, D], or whatever points ``kernel`` takes. For a posterior rather than a prior variance, see
        :func:`bal.selection.condition`.
      available: True where a point may be chosen.
      batch_size: number of points B.
      noise: variance of an observation.
      kernel: covariance of the latent function.

    Returns:
      The selection; scores are marginal gains in nats, non-increasing, and sum to the information of the batch.

    Raises:
      ValueError: ``batch_size`` is not between 1 and N, ``noise`` is not above 0, or the features have not N rows.

    Example:
      >>> features = jnp.array([[2.0, 0.0], [1.9, 0.0], [0.0, 1.0]])
      >>> max_det(jax.random.key(0), features, jnp.ones(3, bool), batch_size=2, noise=0.1).indices
      Array([0, 2], dtype=int32)

    References:
      Kirsch et al. 2019, BatchBALD, arXiv:1906.08158; Holzmüller et al. 2023, arXiv:2203.09410
    """
    check_batch_size(batch_size, available.shape[0])
    check_rows(available.shape[0], features=features)
    check_positive(noise=noise)
    linear = kernel is LINEAR
    return _max_det(rng_key, features, available, noise, kernel, batch_size=batch_size, linear=linear)


@jax.jit(static_argnames=("batch_size", "linear"))
def _max_det(rng_key, features, available, noise, kernel, *, batch_size, linear):
    points, allowed, num_invalid = usable(available, features)
    diagonal = kernel.diagonal(points)
    # Where K + noise I has no positive diagonal the kernel is no covariance, and no gain is a number.
    broken = allowed & ~(diagonal + noise > 0)

    def update(state, step, index):
        chosen = row(points, index)
        pivot = jnp.sqrt(row(state.variances, index) + noise)
        if linear:
            # A factor is then linear in the features: the inner products with one direction, and B rows of D numbers
            # are read in a step instead of B rows of N.
            stored = (chosen - state.factors @ chosen @ state.factors) / pivot
            factor = points @ stored
        else:
            column = kernel.columns(points, jax.tree.map(lambda leaf: leaf[None], chosen))[:, 0]
            stored = factor = (column - row(state.factors.T, index) @ state.factors) / pivot
        # Rounding can leave the variance of a copy of a chosen point just below 0.
        variances = jnp.maximum(state.variances - jnp.square(factor), 0.0)
        return _State(variances, state.factors.at[step].set(stored))

    width = points.shape[1] if linear else diagonal.shape[0]
    state = _State(jnp.maximum(diagonal, 0.0), jnp.zeros((batch_size, width), diagonal.dtype))
    indices, variances, _ = greedy(
        rng_key, allowed & ~broken, state, gain=lambda state: state.variances, update=update, batch_size=batch_size
    )
    gains = jnp.where(variances >= 0, 0.5 * jnp.log1p(jnp.maximum(variances, 0.0) / noise), -jnp.inf)
    return Selection(indices, gains, num_invalid + broken.sum())
