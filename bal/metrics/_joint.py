"""Metrics of the joint predictions of several points, and of out-of-distribution points."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from bal.information import log_mean_exp
from bal.metrics._ranking import binary_auc
from bal.types import RngKey


def joint_nll(log_likelihoods: Float[Array, "S T"], sets: Int[Array, "G Z"]) -> Float[Array, ""]:
    r"""Mean negative log-probability of the labels of several points together, in nats a set.

    .. math:: -\frac1G \sum_g \log \frac1S \sum_s \prod_{i \in g} p_s(y_i \mid x_i)

    Samples that know that two points have the same label, without knowing which, score better here but not in ``nll``.
    The mean over S samples is biased upwards: compare posteriors with the same S.

    Args:
      log_likelihoods: log-probability of each label under each sample, minus ``Likelihood.nll`` of its prediction.
      sets: indices of the points of each set, such as :func:`dyadic_sets`.

    Example:
      >>> hedged = jnp.log(jnp.array([[0.9, 0.9], [0.1, 0.1]]))  # two functions, which agree on the two points
      >>> round(float(jnp.exp(-joint_nll(hedged, jnp.array([[0, 1]])))), 2)
      0.41

    References:
      Osband et al. 2022, The Neural Testbed, arXiv:2110.04629
    """
    return -log_mean_exp(log_likelihoods[:, sets].sum(axis=-1)).mean()


def dyadic_sets(rng_key: RngKey, num_points: int, *, num_sets: int, set_size: int = 10) -> Int[Array, "G Z"]:
    """Sets that repeat two random points, which show dependence with few samples and in any input dimension.

    Args:
      rng_key: draws the sets.
      num_points: points to draw from.
      num_sets: sets G.
      set_size: points Z of a set, with repetition.

    Example:
      >>> dyadic_sets(jax.random.key(0), 100, num_sets=3, set_size=4).shape
      (3, 4)

    References:
      Osband et al. 2022, Evaluating high-order predictive distributions in deep learning, arXiv:2202.13509
    """
    key_anchors, key_choice = jax.random.split(rng_key)
    anchors = jax.random.randint(key_anchors, (num_sets, 2), 0, num_points)
    choice = jax.random.bernoulli(key_choice, shape=(num_sets, set_size))
    return jnp.where(choice, anchors[:, :1], anchors[:, 1:])


def ood_auroc(known: Float[Array, " T"], unknown: Float[Array, " U"]) -> Float[Array, ""]:
    """Probability that an unknown point has a higher epistemic uncertainty than a known one; ties count half.

    Args:
      known: uncertainty (BALD, or the variance of the mean over samples) of points like the labelled ones.
      unknown: uncertainty of points from another distribution.

    Example:
      >>> float(ood_auroc(jnp.array([0.1, 0.2]), jnp.array([0.3, 0.4])))
      1.0
    """
    scores = jnp.concatenate([known, unknown])
    return binary_auc(scores, jnp.arange(scores.shape[0]) >= known.shape[0], jnp.ones_like(scores))
