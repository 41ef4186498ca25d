"""Batches of large and diverse gradients."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal.precision import full_precision
from bal.selection._checks import as_floats, check_request
from bal.selection._selection import Selection
from bal.selection.geometry._k_means_plus_plus import seed_clusters
from bal.selection.geometry._kernels import OUTER
from bal.types import RngKey


@full_precision
def badge(
    rng_key: RngKey,
    log_probs: Float[Array, "N C"],
    embeddings: Float[Array, "N D"],
    available: Bool[Array, " N"],
    *,
    batch_size: int,
) -> Selection:
    r"""k-means++ seeding of the gradients that the last layer would receive if the predicted label were right.

    .. math:: g_i = (p_i - e_{\hat y_i}) \otimes h_i, \quad \hat y_i = \arg\max_c p_{ic}

    Distances are computed from the two factors; the gradients [N, C * D] never exist. The first point is the one of the
    largest gradient, as in the authors' program; each further one is drawn with probability proportional to its squared
    distance to the nearest one before.

    Args:
      rng_key: draws the points.
      log_probs: normalised log-probabilities of one predictive distribution (the mean over draws); -inf is allowed.
      embeddings: inputs h of the last layer.
      available: True where a point may be chosen.
      batch_size: number of points B.

    Returns:
      The selection; a score is the squared distance to the nearest point before, for the first to the origin. Points at
      distance 0 come last.

    Raises:
      ValueError: ``batch_size`` is not between 1 and N, or shapes that disagree.

    Example:
      >>> log_probs = jnp.log(jnp.array([[0.9, 0.1], [0.5, 0.5], [0.5, 0.5]]))
      >>> badge(jax.random.key(0), log_probs, jnp.ones((3, 4)), jnp.ones(3, bool), batch_size=2).indices[1]
      Array(0, dtype=int32)

    References:
      Ash et al. 2020, Deep batch active learning by diverse, uncertain gradient lower bounds, arXiv:1906.03671
    """
    check_request(rng_key, available, batch_size)
    log_probs = as_floats("log_probs", log_probs, available.shape[0], "C")
    embeddings = as_floats("embeddings", embeddings, available.shape[0], "D")
    return seed_clusters(rng_key, gradient_factors(log_probs, embeddings), available, OUTER, batch_size=batch_size)


def gradient_factors(
    log_probs: Float[Array, "N C"], embeddings: Float[Array, "N D"]
) -> tuple[Float[Array, "N C"], Float[Array, "N D"]]:
    r"""The gradient of the loss at the predicted label by the last layer, as a pair of factors for ``OUTER``.

    Example:
      >>> gradient_factors(jnp.log(jnp.array([[0.25, 0.75]])), jnp.ones((1, 2)))[0].tolist()
      [[0.25, -0.25]]
    """
    predicted = jax.nn.one_hot(log_probs.argmax(axis=1), log_probs.shape[1], dtype=log_probs.dtype)
    return jnp.exp(log_probs) - predicted, embeddings
