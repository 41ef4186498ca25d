"""Farthest-first traversal: each point is the one that the points chosen so far, and the labelled ones, cover worst."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal.selection._greedy import greedy
from bal.selection._kernels import LINEAR, Kernel
from bal.selection._nearest import add_center, nearest_centers
from bal.selection._points import check_labelled, check_rows, row, usable
from bal.selection._selection import Selection, check_batch_size
from bal.types import PyTree, RngKey


def k_center(
    rng_key: RngKey,
    embeddings: Float[Array, "N D"],
    available: Bool[Array, " N"],
    *,
    batch_size: int,
    center_embeddings: Float[Array, "K D"] | None = None,
    center_weights: Float[Array, " K"] | None = None,
) -> Selection:
    r"""Cover the pool with balls around labelled and chosen points: greedy k-center, the core-set rule.

    .. math:: i_{t+1} = \arg\max_i \min_{c \in L \cup \{i_1, \dots, i_t\}} \lVert x_i - x_c \rVert

    The radius that it reaches is at most twice the smallest one possible. Without centres the first point is any.

    Args:
      rng_key: breaks ties; draws the first point where there is no centre.
      embeddings: one row a point.
      available: True where a point may be chosen.
      batch_size: number of points B.
      center_embeddings: the labelled set.
      center_weights: weight 0 is padding, whose contents change nothing. None counts every centre.

    Returns:
      The selection; a score is the distance to the nearest centre when chosen (inf for the first where there was none),
      which is the radius of the cover before the point was added. Non-increasing.

    Raises:
      ValueError: ``batch_size`` is not between 1 and N, shapes that disagree, or a negative weight.

    Example:
      >>> line = jnp.array([[0.0], [1.0], [4.0]])
      >>> k_center(jax.random.key(0), line, jnp.ones(3, bool), batch_size=2, center_embeddings=line[:1]).indices
      Array([2, 1], dtype=int32)

    References:
      Sener and Savarese 2018, Active learning for convolutional neural networks: a core-set approach, arXiv:1708.00489;
      Gonzalez 1985, Clustering to minimize the maximum intercluster distance
    """
    check_batch_size(batch_size, available.shape[0])
    check_rows(available.shape[0], embeddings=embeddings)
    check_labelled(embeddings, center_embeddings=center_embeddings, center_weights=center_weights)
    return _farthest_first(
        rng_key,
        embeddings,
        available,
        center_embeddings,
        center_weights,
        LINEAR,
        batch_size=batch_size,
        norm_first=False,
    )


def max_dist(
    rng_key: RngKey,
    features: PyTree,
    available: Bool[Array, " N"],
    *,
    batch_size: int,
    center_features: PyTree | None = None,
    center_weights: Float[Array, " K"] | None = None,
    kernel: Kernel = LINEAR,
) -> Selection:
    r"""Farthest-first traversal in the distance of any kernel; without centres it starts at the largest norm.

    .. math:: d(x, z)^2 = k(x, x) + k(z, z) - 2 k(x, z)

    Args:
      rng_key: breaks ties.
      features: features [N, D], or whatever points ``kernel`` takes.
      available: True where a point may be chosen.
      batch_size: number of points B.
      center_features: the labelled set, K points.
      center_weights: weight 0 is padding, whose contents change nothing. None counts every centre.
      kernel: the kernel whose distance is used.

    Returns:
      The selection; a score is the distance to the nearest centre when chosen, from the origin for the first point
      where there was no centre. Afterwards non-increasing.

    Raises:
      ValueError: ``batch_size`` is not between 1 and N, shapes that disagree, or a negative weight.

    Example:
      >>> line = jnp.array([[0.0], [1.0], [4.0]])
      >>> max_dist(jax.random.key(0), line, jnp.ones(3, bool), batch_size=2).indices
      Array([2, 0], dtype=int32)

    References:
      Holzmüller et al. 2023, A framework and benchmark for deep batch active learning for regression, arXiv:2203.09410
    """
    check_batch_size(batch_size, available.shape[0])
    check_rows(available.shape[0], features=features)
    check_labelled(features, center_features=center_features, center_weights=center_weights)
    return _farthest_first(
        rng_key, features, available, center_features, center_weights, kernel, batch_size=batch_size, norm_first=True
    )


@jax.jit(static_argnames=("batch_size", "norm_first"))
def _farthest_first(rng_key, features, available, centers, weights, kernel, *, batch_size, norm_first):
    points, allowed, num_invalid = usable(available, features)
    first = kernel.diagonal(points) if norm_first else jnp.inf

    def gain(nearest):
        squares = nearest.squared_distances
        return jnp.sqrt(jnp.where(jnp.isinf(squares), first, squares))

    def update(nearest, step, index):
        return add_center(kernel, points, nearest, row(points, index), step)

    nearest = nearest_centers(kernel, points, centers, weights)
    indices, gains, _ = greedy(rng_key, allowed, nearest, gain=gain, update=update, batch_size=batch_size)
    return Selection(indices, gains, num_invalid)
