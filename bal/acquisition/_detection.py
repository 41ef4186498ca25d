"""How uncertain is a detector about the objects in an image?"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.detection import mean_map, peaks
from bal.information import entropy, mutual_information
from bal.types import BoxMap
from bal.validation import check_choice

NUM_OBJECTS = 100  # of an image that are looked at, as many as metrics count


def likely_objects(maps: BoxMap) -> tuple[BoxMap, Float[Array, "n K"]]:
    """What each draw predicts where the mean prediction has its peaks, and how probable an object is there.

    Args:
      maps: predictions with leaves [S, n, h, w, ...].

    Returns:
      Predictions with leaves [S, n, K, ...], and the probability of each peak's class in the mean prediction, 0 where
      there are fewer peaks than places. All draws are looked at in the same cells, so no boxes need to be matched.

    Example:
      >>> objects, probabilities = likely_objects(BoxMap(jnp.zeros((2, 1, 3, 3, 1)), jnp.zeros((2, 1, 3, 3, 4))))
      >>> objects.boxes.shape, probabilities.shape
      ((2, 1, 9, 4), (1, 9))

    References:
      Zhou et al. 2019, Objects as points, arXiv:1904.07850
    """
    cells, _, objectness = peaks(mean_map(maps).log_odds, NUM_OBJECTS)

    def at_peaks(leaf: Array) -> Array:
        flat = leaf.reshape(*leaf.shape[:2], -1, leaf.shape[-1])
        return jnp.take_along_axis(flat, cells[None, :, :, None], axis=2)

    # A map with NaN has no peaks there; it must not look like an image without objects.
    invalid = jnp.isnan(maps.log_odds).any(axis=(0, 2, 3, 4)) | jnp.isnan(maps.boxes).any(axis=(0, 2, 3, 4))
    return jax.tree.map(at_peaks, maps), jnp.where(invalid[:, None], jnp.nan, objectness)


def class_information(maps: BoxMap) -> Float[Array, "*n"]:
    r"""BALD of the classes: what the answer whether an object of each class is there tells about the model.

    .. math:: \sum_c I(y_c; \theta), \quad y_c \sim \mathrm{Bernoulli}(p_{c, \theta})

    Args:
      maps: predictions with leaves [S, *n, ...], of objects or of cells.

    Returns:
      Nats, between 0 and C log 2.

    Example:
      >>> log_odds = jnp.array([[[9.0]], [[-9.0]]])  # two draws that contradict each other on one object
      >>> round(float(class_information(BoxMap(log_odds, jnp.zeros((2, 1, 4))))[0]), 2)
      0.69

    References:
      Houlsby et al. 2011, Bayesian active learning for classification and preference learning, arXiv:1112.5745
    """
    return mutual_information(_log_probs(maps)).sum(axis=-1)


def class_entropy(maps: BoxMap) -> Float[Array, "*n"]:
    r"""Entropy of the classes under the mean prediction, :math:`\sum_c H(\bar p_c)`, in nats; see BALD for the inputs.

    Args:
      maps: predictions with leaves [S, *n, ...], of objects or of cells.

    Example:
      >>> round(float(class_entropy(BoxMap(jnp.zeros((1, 1, 1)), jnp.zeros((1, 1, 4))))[0]), 4)
      0.6931
    """
    mean = mean_map(maps).log_odds
    return entropy(_log_probs(BoxMap(mean, maps.boxes))).sum(axis=-1)


def box_variance(maps: BoxMap) -> Float[Array, "*n"]:
    r"""How much the boxes of the draws differ, relative to the size of the box.

    .. math:: \frac14 \left[ \frac{V(y_0) + V(y_1)}{\bar h^2} + \frac{V(x_0) + V(x_1)}{\bar w^2} \right]

    with variances over the draws, in squared pixels, and the sides of the mean box. It is without unit, and the same
    for an image of twice the size.

    Args:
      maps: predictions with leaves [S, *n, ...], of objects or of cells.

    Example:
      >>> boxes = jnp.array([[[0.0, 0.0, 4.0, 4.0]], [[0.0, 0.0, 8.0, 4.0]]])
      >>> round(float(box_variance(BoxMap(jnp.zeros((2, 1, 1)), boxes))[0]), 4)
      0.0278
    """
    mean = maps.boxes.mean(axis=0)
    # A box of less than a pixel counts as one of a pixel; a side of 0 would be divided by.
    sides = jnp.maximum(mean[..., 2:] - mean[..., :2], 1.0)
    variances = maps.boxes.var(axis=0)
    return ((variances[..., :2] + variances[..., 2:]) / sides**2).sum(axis=-1) / 4


def aggregate_objects(
    scores: Float[Array, "n K"], objectness: Float[Array, "n K"], how: str = "sum", *, threshold: float | Array = 0.1
) -> Float[Array, " n"]:
    r"""One score for each image from the scores of its objects; 0 for an image without objects.

    =============  =============================================================
    "sum"          the sum: images with many objects come first
    "mean"         the mean
    "max"          the largest
    "objectness"   the mean weighted by the probability q of each object,
                   :math:`\sum_k q_k s_k / \sum_k q_k`
    =============  =============================================================

    Args:
      scores: of each object, at least 0.
      objectness: probability of each object.
      how: one of these names.
      threshold: objects of a lower probability do not count.

    Raises:
      ValueError: another name.

    Example:
      >>> scores, objectness = jnp.array([[1.0, 3.0, 9.0]]), jnp.array([[0.9, 0.3, 0.01]])
      >>> float(aggregate_objects(scores, objectness, "mean")[0])
      2.0
    """
    check_object_aggregate(how)
    counted = objectness >= threshold
    held = jnp.where(counted, scores, 0.0)
    # Without an object the sums are 0, and so is the score.
    if how == "sum":
        score = held.sum(axis=1)
    elif how == "mean":
        score = held.sum(axis=1) / jnp.maximum(counted.sum(axis=1), 1)
    elif how == "max":
        score = held.max(axis=1)
    else:
        weights = jnp.where(counted, objectness, 0.0)
        score = (weights * held).sum(axis=1) / jnp.maximum(weights.sum(axis=1), jnp.finfo(weights.dtype).tiny)
    # A comparison with NaN is False, which would hide it.
    return jnp.where(jnp.isnan(objectness).any(axis=1), jnp.nan, score)


def check_object_aggregate(how: Any) -> None:
    """Raise unless this is the name of an aggregate of objects.

    Example:
      >>> check_object_aggregate("sum")
    """
    check_choice("aggregate", how, OBJECT_AGGREGATES)


def _log_probs(maps: BoxMap) -> Float[Array, "*n C 2"]:
    return jnp.stack([jax.nn.log_sigmoid(-maps.log_odds), jax.nn.log_sigmoid(maps.log_odds)], axis=-1)


OBJECT_AGGREGATES = ("sum", "mean", "max", "objectness")

# Scores of a BoxMap with leaves [S, *n, ...].
BOX_SCORES = {"box": box_variance, "class": class_information, "entropy": class_entropy}
