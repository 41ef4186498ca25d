"""Scores of the disagreement between posterior samples: how much uncertainty would more data remove?"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.acquisition._checks import check_predictions
from bal.information import finite_log, mutual_information


def bald(log_probs: Float[Array, "S *N C"]) -> Float[Array, "*N"]:
    r"""Mutual information between a point's label and the model's parameters.

    .. math:: I(y; \theta \mid x) = H[E_\theta\, p(y \mid x, \theta)] - E_\theta H[p(y \mid x, \theta)]

    Args:
      log_probs: normalised log-probabilities under S posterior samples.

    Returns:
      Score of each point in nats, between 0 and min(log C, log S); exactly 0 where the samples agree. Higher is more
      useful.

    Raises:
      ValueError: not floating predictions of shape [S, N, C].

    Example:
      >>> agree = jnp.log(jnp.full((2, 1, 2), 0.5))
      >>> float(bald(agree)[0])
      0.0

    References:
      Houlsby et al. 2011, Bayesian active learning for classification and preference learning, arXiv:1112.5745
    """
    check_predictions(log_probs)
    return mutual_information(log_probs)


def variation_ratio(log_probs: Float[Array, "S *N C"]) -> Float[Array, "*N"]:
    r"""Share of the posterior samples whose most probable class is not the most frequent one.

    .. math:: 1 - \tfrac1S \max_c \#\{s : \arg\max_{c'} p_s(c') = c\}

    A step function of the predictions: its gradient is 0.

    Args:
      log_probs: normalised log-probabilities under S posterior samples.

    Returns:
      Score of each point, between 0 and 1 - 1/C. Higher is more useful.

    Raises:
      ValueError: not floating predictions of shape [S, N, C].

    Example:
      >>> votes = jnp.log(jnp.array([[[0.9, 0.1]], [[0.8, 0.2]], [[0.2, 0.8]], [[0.6, 0.4]]]))
      >>> float(variation_ratio(votes)[0])
      0.25

    References:
      Freeman 1965, Elementary applied statistics; Gal et al. 2017, Deep Bayesian active learning with image data,
      arXiv:1703.02910
    """
    check_predictions(log_probs)
    finite = finite_log(log_probs)
    votes = jax.nn.one_hot(finite.argmax(axis=-1), finite.shape[-1], dtype=finite.dtype)
    # argmax of a prediction with NaN is still a class, so the score is set to NaN.
    invalid = jnp.isnan(finite).any(axis=(0, -1))
    return jnp.where(invalid, jnp.nan, 1 - votes.mean(axis=0).max(axis=-1))


def mean_std(log_probs: Float[Array, "S *N C"]) -> Float[Array, "*N"]:
    r"""Mean over the classes of the standard deviation of the probability over posterior samples.

    .. math:: \tfrac1C \sum_c \sqrt{E_\theta[p_c^2] - E_\theta[p_c]^2}

    Args:
      log_probs: normalised log-probabilities under S posterior samples.

    Returns:
      Score of each point, between 0 and 1/2 (population standard deviation). Higher is more useful.

    Raises:
      ValueError: not floating predictions of shape [S, N, C].

    Example:
      >>> disagree = jnp.log(jnp.array([[[1.0, 0.0]], [[0.0, 1.0]]]))
      >>> float(mean_std(disagree)[0])
      0.5

    References:
      Kampffmeyer et al. 2016, Semantic segmentation of small objects and modeling of uncertainty in urban remote
      sensing images; Gal et al. 2017, arXiv:1703.02910
    """
    check_predictions(log_probs)
    variance = jnp.exp(finite_log(log_probs)).var(axis=0)
    # The square root has no finite gradient at 0, where the samples agree; there the score is 0 and so is its gradient.
    agree = variance == 0
    return jnp.where(agree, 0.0, jnp.sqrt(jnp.where(agree, 1.0, variance))).mean(axis=-1)
