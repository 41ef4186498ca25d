r"""Kernels between points, by columns on demand, and the transforms that turn predictions and networks into features.

A geometric rule is a base kernel x a posterior transform x a selection rule (Holzmüller et al. 2023). The base is a
feature matrix (an embedding, :func:`ensemble_features`, the gradient sketch of a posterior) under ``LINEAR``, a pair of
factors under ``OUTER``, or a posterior's closed covariance under :func:`covariance_kernel`. The transform is
:func:`condition`. No rule ever builds the N x N matrix.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, Float

from bal.types import PyTree
from bal.validation import is_concrete


class Kernel(NamedTuple):
    """A kernel as three pure functions of points, a pytree with a leading axis N. Each is a ``Partial``, a pytree."""

    diagonal: Callable[[PyTree], Float[Array, " N"]]  # k(x, x) of each point
    columns: Callable[[PyTree, PyTree], Float[Array, "N m"]]  # k(x, z) of each point and each of a few others
    squared_distances: Callable[[PyTree, PyTree], Float[Array, "N m"]]  # k(x, x) + k(z, z) - 2 k(x, z)


def _linear_diagonal(points):
    return jnp.square(points).sum(axis=1)


def _linear_columns(points, others):
    return points @ others.T


def _linear_distances(points, others):
    if others.shape[0] == 1:
        # The sum of squared differences is exactly 0 for a duplicate; the expanded form leaves rounding there.
        return jnp.square(points - others).sum(axis=1)[:, None]
    # Centred, so that rounding is relative to the distances between points and not to those from the origin.
    mean = others.mean(axis=0, keepdims=True)
    return _expanded_distances(_linear_diagonal, _linear_columns, points - mean, others - mean)


def _expanded_distances(diagonal, columns, points, others):
    """Squared distances from inner products. A difference within rounding of 0 is set to 0."""
    sums = diagonal(points)[:, None] + diagonal(others)[None]
    squares = sums - 2 * columns(points, others)
    return jnp.where(squares <= 16 * jnp.finfo(squares.dtype).eps * sums, 0.0, squares)


LINEAR = Kernel(Partial(_linear_diagonal), Partial(_linear_columns), Partial(_linear_distances))


def _outer_diagonal(points):
    left, right = points
    return _linear_diagonal(left) * _linear_diagonal(right)


def _outer_columns(points, others):
    return _linear_columns(points[0], others[0]) * _linear_columns(points[1], others[1])


def _outer_distances(points, others):
    # Exact differences of the factors would need several sums over each row, which XLA's compiler for the CPU fuses
    # into one loop that takes ten times as long as these matrix products.
    return _expanded_distances(_outer_diagonal, _outer_columns, points, others)


# Points are pairs (a [N, C], h [N, D]) that stand for the features a (x) h [N, C * D], which never exist: the gradient
# of a last layer for its inputs h and the derivatives a of the loss by the outputs.
OUTER = Kernel(Partial(_outer_diagonal), Partial(_outer_columns), Partial(_outer_distances))


def _covariance_diagonal(covariance, points):
    def one(point):
        alone = jax.tree.map(lambda leaf: leaf[None], point)
        return covariance(alone, alone)[0, 0]

    return jax.vmap(one)(points)


def _covariance_distances(covariance, points, others):
    return _expanded_distances(partial(_covariance_diagonal, covariance), covariance, points, others)


def covariance_kernel(covariance: Callable[[PyTree, PyTree], Float[Array, "a b"]]) -> Kernel:
    """The kernel of a posterior with a closed-form covariance, which is conditioned already.

    Points are the inputs of the posterior, or whatever else the covariance takes, such as indices.

    Args:
      covariance: from inputs [a, ...] and [b, ...] to the epistemic covariance of the latent function. A ``Partial``
        over a posterior's state may be traced; any other function is a constant of the compiled program.

    Example:
      >>> squared_exponential = covariance_kernel(lambda a, b: jnp.exp(-((a - b.T) ** 2)))
      >>> squared_exponential.diagonal(jnp.zeros((2, 1))).tolist()
      [1.0, 1.0]
    """
    covariance = covariance if isinstance(covariance, Partial) else Partial(covariance)
    return Kernel(Partial(_covariance_diagonal, covariance), covariance, Partial(_covariance_distances, covariance))


def _matrix_lookup(matrix, rows, columns):
    return matrix[rows[:, None], columns[None]]


def matrix_kernel(covariance: Float[Array, "N N"]) -> Kernel:
    """The kernel of a covariance matrix that exists already; points are the indices ``jnp.arange(N)``.

    Args:
      covariance: symmetric and positive semi-definite. Checked where its values are known.

    Raises:
      ValueError: not symmetric, or an eigenvalue below 0 by more than rounding; it names the jitter that repairs it.

    Example:
      >>> matrix_kernel(jnp.array([[1.0, 2.0], [2.0, 1.0]]))
      Traceback (most recent call last):
      ValueError: expected covariance to be positive semi-definite, got eigenvalue -1: add jitter 1.1 to its diagonal
    """
    if is_concrete(covariance):
        # In NumPy: where something else is being traced, JAX would trace the comparison of known values too.
        known = np.asarray(covariance)
        if not np.allclose(known, known.T, rtol=1e-4, atol=1e-6):
            raise ValueError("expected covariance to be symmetric, got a matrix that is not")
        eigenvalues = np.linalg.eigvalsh(known)
        if eigenvalues[0] < -len(known) * np.finfo(known.dtype).eps * np.abs(eigenvalues).max():
            raise ValueError(
                f"expected covariance to be positive semi-definite, got eigenvalue {eigenvalues[0]:.4g}: "
                f"add jitter {-1.1 * eigenvalues[0]:.4g} to its diagonal"
            )
    return covariance_kernel(Partial(_matrix_lookup, covariance))
