"""Each point is the one farthest from all labelled and chosen points."""

from jaxtyping import Array, Bool, Float

from bal.precision import full_precision
from bal.selection._checks import as_floats, check_labelled, check_request
from bal.selection._selection import Selection
from bal.selection.geometry._farthest_first import farthest_first
from bal.selection.geometry._kernels import LINEAR
from bal.types import RngKey


@full_precision
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

    The resulting radius is at most twice the smallest possible one. Without centres the first point is random.

    Args:
      rng_key: breaks ties; draws the first point where there is no centre.
      embeddings: one row per point.
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
      >>> import jax, jax.numpy as jnp
      >>> line = jnp.array([[0.0], [1.0], [4.0]])
      >>> k_center(jax.random.key(0), line, jnp.ones(3, bool), batch_size=2, center_embeddings=line[:1]).indices
      Array([2, 1], dtype=int32)

    References:
      Sener and Savarese 2018, Active learning for convolutional neural networks: a core-set approach, arXiv:1708.00489;
      Gonzalez 1985, Clustering to minimize the maximum intercluster distance
    """
    check_request(rng_key, available, batch_size)
    embeddings = as_floats("embeddings", embeddings, available.shape[0], "D")
    check_labelled(embeddings, center_embeddings=center_embeddings, center_weights=center_weights)
    return farthest_first(
        rng_key,
        embeddings,
        available,
        center_embeddings,
        center_weights,
        LINEAR,
        batch_size=batch_size,
        norm_first=False,
    )
