"""Each point is the farthest from all before it, in the distance of a kernel."""

from jaxtyping import Array, Bool, Float

from bal.precision import full_precision
from bal.selection._checks import as_points, check_labelled, check_request
from bal.selection._selection import Selection
from bal.selection.geometry._farthest_first import farthest_first
from bal.selection.geometry._kernels import LINEAR, Kernel
from bal.types import PyTree, RngKey


@full_precision
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
      features: features [N, D], or the points that ``kernel`` takes.
      available: True where a point may be chosen.
      batch_size: number of points B.
      center_features: the labelled set, K points.
      center_weights: weight 0 is padding, whose contents change nothing. None counts every centre.
      kernel: the kernel whose distance is used.

    Returns:
      The selection; a score is the distance to the nearest centre when chosen; for the first point, if there was no
      centre, the distance to the origin. Non-increasing after that.

    Raises:
      ValueError: ``batch_size`` is not between 1 and N, shapes that disagree, or a negative weight.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> line = jnp.array([[0.0], [1.0], [4.0]])
      >>> max_dist(jax.random.key(0), line, jnp.ones(3, bool), batch_size=2).indices
      Array([2, 0], dtype=int32)

    References:
      Holzmüller et al. 2023, A framework and benchmark for deep batch active learning for regression, arXiv:2203.09410
    """
    check_request(rng_key, available, batch_size)
    features = as_points("features", features, available.shape[0], linear=kernel is LINEAR)
    check_labelled(features, center_features=center_features, center_weights=center_weights)
    return farthest_first(
        rng_key, features, available, center_features, center_weights, kernel, batch_size=batch_size, norm_first=True
    )
