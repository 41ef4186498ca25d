"""How good are the predictions? Predictive distribution, labels and weights in, one number out.

Most are weighted means over the points (weight 0: the point does not count) of the mean prediction of all posterior
samples. Those of the joint predictive need the samples themselves: how their predictions of several points hang
together is lost in the mean. All work under ``jit`` and ``vmap``.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from bal.information import finite_log, log_mean_exp
from bal.types import Gaussian, RngKey


def weighted_mean(values: Float[Array, " T"], weights: Float[Array, " T"]) -> Float[Array, ""]:
    """Mean of the values with these weights; nan where all weights are 0."""
    # A value may be infinite or nan where its weight is 0; 0 times that is nan and would spoil the sum.
    return jnp.where(weights > 0, values * weights, 0.0).sum() / weights.sum()


def accuracy(log_probs: Float[Array, "T C"], labels: Int[Array, " T"], weights: Float[Array, " T"]) -> Float[Array, ""]:
    """Share of the points whose most probable class is their label."""
    return weighted_mean((log_probs.argmax(axis=-1) == labels).astype(log_probs.dtype), weights)


def losses(predictive: Float[Array, "T C"] | Gaussian, labels: Array) -> Float[Array, " T"]:
    """Negative log-probability (or log-density) of each label, in nats; a probability of 0 counts ``-LOG_ZERO``."""
    if isinstance(predictive, Gaussian):
        return -jax.scipy.stats.norm.logpdf(labels, predictive.mean, jnp.sqrt(predictive.variance))
    return -jnp.take_along_axis(finite_log(predictive), labels[:, None], axis=-1)[:, 0]


def nll(predictive: Float[Array, "T C"] | Gaussian, labels: Array, weights: Float[Array, " T"]) -> Float[Array, ""]:
    """Mean of the :func:`losses`: negative log-probability (or log-density) of the labels, in nats."""
    return weighted_mean(losses(predictive, labels), weights)


def brier(log_probs: Float[Array, "T C"], labels: Int[Array, " T"], weights: Float[Array, " T"]) -> Float[Array, ""]:
    """Mean squared distance of the probabilities from the one-hot label, summed over classes: between 0 and 2.

    References:
      Brier 1950, Verification of forecasts expressed in terms of probability
    """
    errors = jnp.exp(log_probs) - jax.nn.one_hot(labels, log_probs.shape[-1])
    return weighted_mean((errors**2).sum(axis=-1), weights)


def ece(
    log_probs: Float[Array, "T C"], labels: Int[Array, " T"], weights: Float[Array, " T"], *, num_bins: int = 15
) -> Float[Array, ""]:
    """Expected calibration error: mean gap between confidence and accuracy over bins of equal width.

    References:
      Guo et al. 2017, On calibration of modern neural networks, arXiv:1706.04599
    """
    confidence = jnp.exp(log_probs.max(axis=-1))
    correct = (log_probs.argmax(axis=-1) == labels).astype(log_probs.dtype)
    # Bins are open on the left, as in the paper; a confidence of exactly 0 does not occur.
    bins = jnp.clip(jnp.ceil(confidence * num_bins) - 1, 0, num_bins - 1).astype(jnp.int32)
    gaps = jnp.zeros(num_bins, log_probs.dtype).at[bins].add(weights * (correct - confidence))
    return jnp.abs(gaps).sum() / weights.sum()


def auc(log_probs: Float[Array, "T C"], labels: Int[Array, " T"], weights: Float[Array, " T"]) -> Float[Array, ""]:
    """Area under the ROC curve: of class 1 for two classes, the mean of one against the rest for more.

    Classes that all or none of the points carry have no curve and are left out of the mean.
    """
    num_classes = log_probs.shape[-1]
    classes = jnp.arange(num_classes) if num_classes > 2 else jnp.array([1])
    areas = jax.vmap(lambda c: binary_auc(log_probs[:, c], labels == c, weights))(classes)
    return jnp.nanmean(areas)


def binary_auc(
    scores: Float[Array, " T"], positive: Bool[Array, " T"], weights: Float[Array, " T"]
) -> Float[Array, ""]:
    """Probability that a positive point has a higher score than a negative one; ties count half. nan without both."""
    order = jnp.argsort(scores)
    ordered = scores[order]
    positives = jnp.where(positive, weights, 0.0)[order]
    negatives = jnp.where(positive, 0.0, weights)[order]
    below = jnp.concatenate([jnp.zeros(1), jnp.cumsum(negatives)])
    wins = below[jnp.searchsorted(ordered, ordered, side="left")]
    wins_and_ties = below[jnp.searchsorted(ordered, ordered, side="right")]
    return (positives * (wins + wins_and_ties) / 2).sum() / (positives.sum() * negatives.sum())


def spearman(a: Float[Array, " T"], b: Float[Array, " T"], weights: Float[Array, " T"]) -> Float[Array, ""]:
    r"""Rank correlation of two quantities: how well one orders the points as the other does, between -1 and 1.

    .. math:: \rho = \frac{\mathrm{cov}(R(a), R(b))}{\sigma_{R(a)}\, \sigma_{R(b)}}

    Tied points share the mean of their ranks. A weight counts a point so many times, and 0 leaves it out. nan where all
    values of one quantity are the same.

    Example:
      >>> float(spearman(jnp.array([1.0, 2.0, 9.0]), jnp.array([0.1, 0.2, 0.3]), jnp.ones(3)))
      1.0

    References:
      Spearman 1904, The proof and measurement of association between two things
    """
    centred = [ranks - weighted_mean(ranks, weights) for ranks in (_ranks(a, weights), _ranks(b, weights))]
    covariance, variance_a, variance_b = (
        weighted_mean(centred[i] * centred[j], weights) for i, j in ((0, 1), (0, 0), (1, 1))
    )
    return covariance / jnp.sqrt(variance_a * variance_b)


def _ranks(values: Float[Array, " T"], weights: Float[Array, " T"]) -> Float[Array, " T"]:
    """Weight of the points below each, and half of that at it, as a share of all."""
    values = jnp.where(weights > 0, values, 0.0)
    order = jnp.argsort(values)
    ordered = values[order]
    total = jnp.concatenate([jnp.zeros(1), jnp.cumsum(weights[order])])
    below, not_above = (total[jnp.searchsorted(ordered, values, side=side)] for side in ("left", "right"))
    return (below + not_above) / (2 * total[-1])


def rmse(gaussian: Gaussian, labels: Float[Array, " T"], weights: Float[Array, " T"]) -> Float[Array, ""]:
    """Root of the mean squared error of the predictive mean, in the unit of the labels."""
    return jnp.sqrt(weighted_mean((gaussian.mean - labels) ** 2, weights))


def log_likelihoods(predictions: Float[Array, "S T C"] | Gaussian, labels: Array) -> Float[Array, "S T"]:
    """Log-probability (or log-density) of each point's label under each posterior sample, in nats."""
    return -jax.vmap(losses, in_axes=(0, None))(predictions, labels)


def joint_nll(log_likelihoods: Float[Array, "S T"], sets: Int[Array, "G Z"]) -> Float[Array, ""]:
    r"""Mean negative log-probability of the labels of several points together, in nats a set.

    .. math:: -\frac1G \sum_g \log \frac1S \sum_s \prod_{i \in g} p_s(y_i \mid x_i)

    Samples that know that two points have the same label, without knowing which, are better here and not in ``nll``.
    The mean over S samples is biased upwards: compare posteriors with the same S.

    Args:
      log_likelihoods: of each label under each sample, see :func:`log_likelihoods`.
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
    """Sets of points that repeat two points at random, so that few samples and inputs of any width show dependence.

    Args:
      rng_key: the draw.
      num_points: points to draw from.
      num_sets: sets G.
      set_size: points Z of a set, with repetition.

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
      unknown: uncertainty of points from elsewhere.

    Example:
      >>> float(ood_auroc(jnp.array([0.1, 0.2]), jnp.array([0.3, 0.4])))
      1.0
    """
    scores = jnp.concatenate([known, unknown])
    return binary_auc(scores, jnp.arange(scores.shape[0]) >= known.shape[0], jnp.ones_like(scores))
