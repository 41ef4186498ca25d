"""How good are the predictions? Predictive distribution, labels and weights in, one number out.

Every metric is a weighted mean over the points (weight 0: the point does not count), works under ``jit`` and ``vmap``,
and takes the mean prediction of all posterior samples, not a sample.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from bal.information import finite_log
from bal.types import Gaussian


def weighted_mean(values: Float[Array, " T"], weights: Float[Array, " T"]) -> Float[Array, ""]:
    """Mean of the values with these weights; nan where all weights are 0."""
    # A value may be infinite or nan where its weight is 0; 0 times that is nan and would spoil the sum.
    return jnp.where(weights > 0, values * weights, 0.0).sum() / weights.sum()


def accuracy(log_probs: Float[Array, "T C"], labels: Int[Array, " T"], weights: Float[Array, " T"]) -> Float[Array, ""]:
    """Share of the points whose most probable class is their label."""
    return weighted_mean((log_probs.argmax(axis=-1) == labels).astype(log_probs.dtype), weights)


def nll(log_probs: Float[Array, "T C"], labels: Int[Array, " T"], weights: Float[Array, " T"]) -> Float[Array, ""]:
    """Mean negative log-probability of the labels, in nats; a probability of 0 counts ``-LOG_ZERO``."""
    picked = jnp.take_along_axis(finite_log(log_probs), labels[:, None], axis=-1)[:, 0]
    return weighted_mean(-picked, weights)


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


def rmse(gaussian: Gaussian, labels: Float[Array, " T"], weights: Float[Array, " T"]) -> Float[Array, ""]:
    """Root of the mean squared error of the predictive mean, in the unit of the labels."""
    return jnp.sqrt(weighted_mean((gaussian.mean - labels) ** 2, weights))


def gaussian_nll(gaussian: Gaussian, labels: Float[Array, " T"], weights: Float[Array, " T"]) -> Float[Array, ""]:
    """Mean negative log-density of the labels, in nats."""
    return weighted_mean(-jax.scipy.stats.norm.logpdf(labels, gaussian.mean, jnp.sqrt(gaussian.variance)), weights)
