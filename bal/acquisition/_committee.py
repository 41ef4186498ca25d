"""Disagreement as the query-by-committee literature measures it: each posterior sample is a member."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.acquisition._checks import check_predictions
from bal.information import entropy_terms, finite_log, mutual_information


def vote_entropy(log_probs: Float[Array, "S *N C"]) -> Float[Array, "*N"]:
    r"""Entropy of the members' votes, each for its most probable class.

    .. math:: -\sum_c \frac{V_c}{S} \log \frac{V_c}{S},\quad V_c = \#\{s : \arg\max_{c'} p_s(c') = c\}

    A step function of the predictions: its gradient is 0.

    Args:
      log_probs: normalised log-probabilities under S posterior samples.

    Returns:
      Score of each point in nats, between 0 and min(log C, log S). Higher is more useful.

    Raises:
      ValueError: not floating predictions of shape [S, N, C].

    Example:
      >>> votes = jnp.log(jnp.array([[[0.9, 0.1]], [[0.4, 0.6]]]))
      >>> bool(jnp.isclose(vote_entropy(votes)[0], jnp.log(2)))
      True

    References:
      Dagan and Engelson 1995, Committee-based sampling for training probabilistic classifiers
    """
    check_predictions(log_probs)
    finite = finite_log(log_probs)
    votes = jax.nn.one_hot(finite.argmax(axis=-1), finite.shape[-1], dtype=finite.dtype)
    # argmax of a prediction with NaN is still a class, so the score is set to NaN.
    invalid = jnp.isnan(finite).any(axis=(0, -1))
    return jnp.where(invalid, jnp.nan, entropy_terms(votes.mean(axis=0)).sum(axis=-1))


def consensus_kl(log_probs: Float[Array, "S *N C"]) -> Float[Array, "*N"]:
    r"""Mean divergence of the members from their consensus, the mean prediction.

    .. math:: \tfrac1S \sum_s KL(p_s \,\|\, \bar p)

    Equal to :func:`bal.acquisition.bald`; this is the name and the definition of the committee literature.

    Args:
      log_probs: normalised log-probabilities under S posterior samples.

    Returns:
      Score of each point in nats, between 0 and min(log C, log S). Higher is more useful.

    Raises:
      ValueError: not floating predictions of shape [S, N, C].

    Example:
      >>> sure = jnp.log(jnp.array([[[1.0, 0.0]], [[0.0, 1.0]]]))
      >>> bool(jnp.isclose(consensus_kl(sure)[0], jnp.log(2)))
      True

    References:
      McCallum and Nigam 1998, Employing EM and pool-based active learning for text classification
    """
    check_predictions(log_probs)
    return mutual_information(log_probs)
