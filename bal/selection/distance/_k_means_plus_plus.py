"""A random batch that is spread over the features: the seeding of k-means."""

from jaxtyping import Array, Bool, Float

from bal.precision import full_precision
from bal.selection._checks import as_points, check_labelled, check_request
from bal.selection._selection import Selection
from bal.selection.geometry._k_means_plus_plus import seed_clusters
from bal.selection.geometry._kernels import LINEAR, Kernel
from bal.types import PyTree, RngKey


@full_precision
def k_means_plus_plus(
    rng_key: RngKey,
    features: PyTree,
    available: Bool[Array, " N"],
    *,
    batch_size: int,
    center_features: PyTree | None = None,
    center_weights: Float[Array, " K"] | None = None,
    kernel: Kernel = LINEAR,
) -> Selection:
    r"""Each point is drawn in proportion to its squared distance to the nearest labelled or chosen one.

    .. math:: p(i) \propto \min_{c \in L \cup A} d(x_i, c)^2

    It samples what :func:`max_dist` maximises, so that outliers are asked for less often. With gradients as features
    it is for regression what :func:`badge` is for classes. Without centres the first point is the one of the largest
    norm.

    Args:
      rng_key: draws the points.
      features: features [N, D], or the points that ``kernel`` takes.
      available: True where a point may be chosen.
      batch_size: number of points B.
      center_features: the labelled set, K points.
      center_weights: weight 0 is padding, whose contents change nothing. None counts every centre.
      kernel: the kernel whose distance is used.

    Returns:
      The selection; a score is the squared distance to the nearest centre when chosen; for the first point, if there
      was no centre, to the origin. Points at distance 0 come last.

    Raises:
      ValueError: ``batch_size`` is not between 1 and N, shapes that disagree, or a negative weight.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> line = jnp.array([[0.0], [0.0], [4.0]])
      >>> k_means_plus_plus(jax.random.key(0), line, jnp.ones(3, bool), batch_size=1, center_features=line[:1]).indices
      Array([2], dtype=int32)

    References:
      Arthur and Vassilvitskii 2007, k-means++: the advantages of careful seeding
      Holzmüller et al. 2023, A framework and benchmark for deep batch active learning for regression, arXiv:2203.09410
    """
    check_request(rng_key, available, batch_size)
    features = as_points("features", features, available.shape[0], linear=kernel is LINEAR)
    check_labelled(features, center_features=center_features, center_weights=center_weights)
    return seed_clusters(rng_key, features, available, kernel, center_features, center_weights, batch_size=batch_size)
