"""Scores of the mean prediction: how uncertain is the label in total?"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.acquisition._checks import check_predictions
from bal.information import entropy, log_mean_exp


def max_entropy(log_probs: Float[Array, "S *N C"]) -> Float[Array, "*N"]:
    r"""Entropy of the mean prediction, total uncertainty.

    .. math:: H\left[\tfrac1S \sum_s p(y \mid x, \theta_s)\right]

    Args:
      log_probs: normalised log-probabilities under S posterior samples.

    Returns:
      Score of each point in nats, between 0 and log C. Higher is more useful.

    Raises:
      ValueError: not floating predictions of shape [S, N, C].

    Example:
      >>> float(max_entropy(jnp.log(jnp.array([[[0.5, 0.5]]])))[0]) == float(jnp.log(2))
      True

    References:
      Shannon 1948, A mathematical theory of communication
    """
    check_predictions(log_probs)
    return entropy(log_mean_exp(log_probs))


def least_confidence(log_probs: Float[Array, "S *N C"]) -> Float[Array, "*N"]:
    r"""One minus the largest mean probability.

    .. math:: 1 - \max_c \bar p_c

    Gal et al. (2017) print this formula under the name of the variation ratio; see
    :func:`bal.acquisition.variation_ratio` for the frequency of the mode.

    Args:
      log_probs: normalised log-probabilities under S posterior samples.

    Returns:
      Score of each point, between 0 and 1 - 1/C. Higher is more useful.

    Raises:
      ValueError: not floating predictions of shape [S, N, C].

    Example:
      >>> float(least_confidence(jnp.log(jnp.array([[[0.25, 0.75]]])))[0])
      0.25

    References:
      Lewis and Gale 1994, A sequential algorithm for training text classifiers, arXiv:cmp-lg/9407020
    """
    check_predictions(log_probs)
    return 1 - jnp.exp(log_mean_exp(log_probs)).max(axis=-1)


def margin(log_probs: Float[Array, "S *N C"]) -> Float[Array, "*N"]:
    r"""One minus the gap between the two largest mean probabilities.

    .. math:: 1 - (\bar p_{(1)} - \bar p_{(2)})

    Args:
      log_probs: normalised log-probabilities under S posterior samples.

    Returns:
      Score of each point, between 0 and 1. Higher is more useful.

    Raises:
      ValueError: not floating predictions of shape [S, N, C].

    Example:
      >>> float(margin(jnp.log(jnp.array([[[0.25, 0.75]]])))[0])
      0.5

    References:
      Scheffer et al. 2001, Active hidden Markov models for information extraction
    """
    check_predictions(log_probs)
    probs = jnp.exp(log_mean_exp(log_probs))
    if probs.shape[-1] == 1:
        # There is no second class, so its probability is 0.
        return 1 - probs[..., 0]
    largest, second = jnp.moveaxis(jax.lax.top_k(probs, 2)[0], -1, 0)
    return 1 - (largest - second)
