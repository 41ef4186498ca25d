"""Largest cluster, maximum distance: the farthest point of the cluster that is covered worst."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal.precision import full_precision
from bal.selection._checks import as_points, check_labelled, check_request
from bal.selection._selection import Selection
from bal.selection.geometry._kernels import LINEAR, Kernel
from bal.selection.geometry._nearest import add_center, nearest_centers
from bal.selection.geometry._points import row, usable_under
from bal.selection.greedy._greedy import among_all, greedy
from bal.types import PyTree, RngKey


@full_precision
def lcmd(
    rng_key: RngKey,
    features: PyTree,
    available: Bool[Array, " N"],
    *,
    batch_size: int,
    center_features: PyTree | None = None,
    center_weights: Float[Array, " K"] | None = None,
    kernel: Kernel = LINEAR,
) -> Selection:
    r"""From the cluster of the largest total squared distance to its centre, the point farthest from that centre.

    .. math:: i = \arg\max_{i \in C_{c^*}} d(x_i, c^*), \quad c^* = \arg\max_c \sum_{i \in C_c} d(x_i, c)^2

    Labelled and chosen points are centres, :math:`C_c` are the points that are nearest to centre c. Without centres the
    first point is the one of the largest norm.

    Args:
      rng_key: breaks ties.
      features: features [N, D], or the points that ``kernel`` takes.
      available: True where a point may be chosen; the others weigh nothing in their cluster.
      batch_size: number of points B.
      center_features: the labelled set, K points.
      center_weights: weight 0 is padding, whose contents change nothing. None counts every centre.
      kernel: the kernel whose distance is used.

    Returns:
      The selection; a score is the distance to the nearest centre when chosen; for the first point, if there was no
      centre, the distance to the origin.

    Raises:
      ValueError: ``batch_size`` is not between 1 and N, shapes that disagree, or a negative weight.

    Example:
      >>> line = jnp.array([[0.0], [2.0], [2.1], [-3.0]])  # two points at 2 outweigh the one at -3
      >>> lcmd(jax.random.key(0), line, jnp.ones(4, bool), batch_size=2, center_features=line[:1]).indices
      Array([3, 2], dtype=int32)

    References:
      Holzmüller et al. 2023, A framework and benchmark for deep batch active learning for regression, arXiv:2203.09410
    """
    check_request(rng_key, available, batch_size)
    features = as_points("features", features, available.shape[0], linear=kernel is LINEAR)
    check_labelled(features, center_features=center_features, center_weights=center_weights)
    return _lcmd(rng_key, features, available, center_features, center_weights, kernel, batch_size=batch_size)


@jax.jit(static_argnames="batch_size")
def _lcmd(rng_key, features, available, centers, weights, kernel, *, batch_size):
    points, diagonal, allowed, num_invalid = usable_under(kernel, available, features)
    num_centers = 0 if centers is None else jax.tree.leaves(centers)[0].shape[0]

    def gain(nearest):
        squares = jnp.where(allowed, nearest.squared_distances, 0.0)
        sizes = jax.ops.segment_sum(squares, nearest.centers, num_centers + batch_size)
        # With no centre yet every point is in one cluster, infinitely large; once all are covered, every point ties.
        in_largest = sizes[nearest.centers] == sizes.max()
        gains = jnp.sqrt(jnp.where(jnp.isinf(squares), diagonal, squares))
        return jnp.where(in_largest, gains, -jnp.inf)

    def update(nearest, step, index):
        return add_center(kernel, points, nearest, row(points, index), num_centers + step)

    find = among_all(rng_key, len(allowed), gain)
    nearest = nearest_centers(kernel, points, centers, weights)
    indices, gains, _ = greedy(allowed, nearest, find=find, update=update, batch_size=batch_size)
    return Selection(indices, gains, num_invalid)
