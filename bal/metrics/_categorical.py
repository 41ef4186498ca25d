"""Metrics of class probabilities."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from bal.information import finite_log
from bal.metrics._ranking import binary_auc
from bal.metrics._weighted import weighted_mean, weighted_sum

NUM_BINS = 15  # of the calibration error, as in its paper


def is_correct(log_probs: Float[Array, "*n C"], labels: Int[Array, "*n"]) -> Bool[Array, "*n"]:
    """Whether the most probable class is the label.

    Example:
      >>> log_probs = jnp.log(jnp.array([[0.75, 0.25], [0.25, 0.75]]))
      >>> is_correct(log_probs, jnp.array([0, 0])).tolist()
      [True, False]
    """
    return log_probs.argmax(axis=-1) == labels


def negative_log_prob(log_probs: Float[Array, "*n C"], labels: Int[Array, "*n"]) -> Float[Array, "*n"]:
    """Negative log-probability of each label, in nats; a probability of 0 counts as 10,000 nats.

    Example:
      >>> float(negative_log_prob(jnp.log(jnp.array([[1.0, 0.0]])), jnp.array([0]))[0])
      -0.0
    """
    return -jnp.take_along_axis(finite_log(log_probs), labels[..., None], axis=-1)[..., 0]


def brier_score(log_probs: Float[Array, "*n C"], labels: Int[Array, "*n"]) -> Float[Array, "*n"]:
    """Squared distance of the probabilities from the one-hot label, summed over the classes: between 0 and 2.

    Example:
      >>> float(brier_score(jnp.log(jnp.array([[0.5, 0.5]])), jnp.array([0]))[0])
      0.5

    References:
      Brier 1950, Verification of forecasts expressed in terms of probability
    """
    errors = jnp.exp(log_probs) - jax.nn.one_hot(labels, log_probs.shape[-1])
    return (errors**2).sum(axis=-1)


def accuracy(log_probs: Float[Array, "T C"], labels: Int[Array, " T"], weights: Float[Array, " T"]) -> Float[Array, ""]:
    """Share of the points whose most probable class is the label.

    Example:
      >>> log_probs = jnp.log(jnp.array([[0.75, 0.25], [0.25, 0.75]]))
      >>> float(accuracy(log_probs, jnp.array([0, 0]), jnp.ones(2)))
      0.5
    """
    return weighted_mean(is_correct(log_probs, labels).astype(log_probs.dtype), weights)


def brier(log_probs: Float[Array, "T C"], labels: Int[Array, " T"], weights: Float[Array, " T"]) -> Float[Array, ""]:
    """Mean of the :func:`brier_score`, from 0 to 2.

    Example:
      >>> log_probs = jnp.log(jnp.array([[0.75, 0.25], [0.25, 0.75]]))
      >>> round(float(brier(log_probs, jnp.array([0, 0]), jnp.ones(2))), 4)
      0.625
    """
    return weighted_mean(brier_score(log_probs, labels), weights)


def calibration_gaps(
    log_probs: Float[Array, "T C"],
    labels: Int[Array, " T"],
    weights: Float[Array, " T"],
    *,
    num_bins: int = NUM_BINS,
) -> Float[Array, " bins"]:
    """Correct points minus their expected number, in each bin of confidence: sums, which add over chunks of points.

    Args:
      log_probs: normalised log-probabilities.
      labels: classes.
      weights: of the points.
      num_bins: bins of equal width.

    Returns:
      In points.

    Example:
      >>> log_probs = jnp.log(jnp.array([[0.75, 0.25], [0.25, 0.75]]))
      >>> calibration_gaps(log_probs, jnp.array([0, 0]), jnp.ones(2), num_bins=2).round(2).tolist()
      [0.0, -0.5]
    """
    confidence = jnp.exp(log_probs.max(axis=-1))
    gaps = is_correct(log_probs, labels) - confidence
    # Bins are open on the left, as in the paper; a confidence of exactly 0 does not occur.
    bins = jnp.clip(jnp.ceil(confidence * num_bins) - 1, 0, num_bins - 1).astype(jnp.int32)
    # A product with the one-hot bins, not a scatter: a large float32 sum would round away pixels added one by one.
    return weighted_sum(jnp.where(jax.nn.one_hot(bins, num_bins, dtype=bool), gaps[:, None], 0.0), weights)


def ece(
    log_probs: Float[Array, "T C"], labels: Int[Array, " T"], weights: Float[Array, " T"], *, num_bins: int = NUM_BINS
) -> Float[Array, ""]:
    """Expected calibration error: mean gap between confidence and accuracy over bins of equal width, from 0 to 1.

    Example:
      >>> float(ece(jnp.log(jnp.array([[0.25, 0.75]])), jnp.array([1]), jnp.ones(1)))
      0.25

    References:
      Guo et al. 2017, On calibration of modern neural networks, arXiv:1706.04599
    """
    return jnp.abs(calibration_gaps(log_probs, labels, weights, num_bins=num_bins)).sum() / weights.sum()


def auc(log_probs: Float[Array, "T C"], labels: Int[Array, " T"], weights: Float[Array, " T"]) -> Float[Array, ""]:
    """Area under the ROC curve: of class 1 for two classes, the mean of one-versus-rest curves for more; from 0 to 1.

    Classes that all points or none have have no curve and are left out of the mean.

    Example:
      >>> log_probs = jnp.log(jnp.array([[0.75, 0.25], [0.25, 0.75]]))
      >>> float(auc(log_probs, jnp.array([0, 1]), jnp.ones(2)))
      1.0
    """
    num_classes = log_probs.shape[-1]
    classes = jnp.arange(num_classes) if num_classes > 2 else jnp.array([1])
    areas = jax.vmap(lambda c: binary_auc(log_probs[:, c], labels == c, weights))(classes)
    return jnp.nanmean(areas)


def class_counts(
    log_probs: Float[Array, "T C"], labels: Int[Array, " T"], weights: Float[Array, " T"]
) -> Float[Array, "3 C"]:
    """Number of points with each class as label, as prediction, and as both: sums, which add over chunks of points.

    Example:
      >>> log_probs = jnp.log(jnp.array([[0.75, 0.25], [0.25, 0.75]]))
      >>> class_counts(log_probs, jnp.array([0, 0]), jnp.ones(2)).shape
      (3, 2)
    """
    carried, predicted = (
        jax.nn.one_hot(classes, log_probs.shape[-1], dtype=log_probs.dtype)
        for classes in (labels, log_probs.argmax(axis=-1))
    )
    return jnp.stack([weighted_sum(members, weights) for members in (carried, predicted, carried * predicted)])


def iou(counts: Float[Array, "3 C"]) -> Float[Array, " C"]:
    r"""Intersection over union of labels and predictions, the Jaccard index, of each class, from 0 to 1.

    .. math:: \frac{|L_c \cap P_c|}{|L_c \cup P_c|}

    A class that is neither label nor prediction of any point has no union, and is nan.

    Args:
      counts: see :func:`class_counts`.

    Example:
      >>> iou(jnp.array([[2.0, 2.0], [4.0, 1.0], [2.0, 1.0]]))
      Array([0.5, 0.5], dtype=float32)

    References:
      Everingham et al. 2010, The Pascal visual object classes challenge
    """
    carried, predicted, both = counts
    return both / (carried + predicted - both)


def dice(counts: Float[Array, "3 C"]) -> Float[Array, " C"]:
    r"""The Dice coefficient of each class, the F1 score of its positions, from 0 to 1.

    .. math:: \frac{2 |L_c \cap P_c|}{|L_c| + |P_c|}

    A class that is neither label nor prediction of any point is nan.

    Args:
      counts: see :func:`class_counts`.

    Example:
      >>> dice(jnp.array([[2.0, 3.0], [2.0, 1.0], [1.0, 1.0]]))
      Array([0.5, 0.5], dtype=float32)

    References:
      Dice 1945, Measures of the amount of ecologic association between species
    """
    carried, predicted, both = counts
    return 2 * both / (carried + predicted)
