"""Strategies for objects in images: how uncertain the boxes or the classes of the objects of an image are."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal import acquisition, selection
from bal.acquisition import BOX_SCORES, check_object_aggregate
from bal.acquisition._detection import NUM_OBJECTS
from bal.detection import detect, mean_map
from bal.selection import Selection
from bal.strategies._strategy import BOXES, Strategy, score_strategy
from bal.types import BoxMap, PyTree, RngKey
from bal.validation import check_choice, check_probability
from bal.view import PoolView


def detection_uncertainty(
    *, batch_size: int, of: str = "class", aggregate: str = "sum", threshold: float | Array = 0.1
) -> Strategy:
    """The images whose objects the model is most uncertain about.

    The objects are the peaks of the mean prediction; the draws are compared in their cells. Embeddings
    (:func:`k_center`) and :func:`random` take images with boxes too.

    Args:
      batch_size: points to choose.
      of: "class" for :func:`bal.acquisition.class_information`, "box" for :func:`bal.acquisition.box_variance` (both
        epistemic), or "entropy" for :func:`bal.acquisition.class_entropy`, which needs no draws that differ.
      aggregate: over the objects of an image: "sum", "mean", "max" or "objectness", see
        :func:`bal.acquisition.aggregate_objects`.
      threshold: objects of a lower probability do not count.

    Raises:
      ValueError: another name, or a threshold outside 0 to 1.

    Example:
      >>> strategy = detection_uncertainty(batch_size=5, of="box", aggregate="max")

    References:
      Riedlinger et al. 2022, Towards rapid prototyping and comparability in active learning for deep object detection,
      arXiv:2212.10836
    """
    check_choice("of", of, BOX_SCORES)
    check_object_aggregate(aggregate)
    check_probability(threshold=threshold)

    def score(predictions: BoxMap) -> Float[Array, " n"]:
        objects, objectness = acquisition.likely_objects(predictions)
        scores = BOX_SCORES[of](objects)
        return acquisition.aggregate_objects(scores, objectness, aggregate, threshold=threshold)

    rule, num_draws = partial(selection.top_k, batch_size=batch_size), 1 if of == "entropy" else 2
    return score_strategy(score, rule, batch_size=batch_size, takes=BOXES, num_draws=num_draws)


def difficulty_weighted(*, batch_size: int, aggregate: str = "sum", threshold: float | Array = 0.1) -> Strategy:
    r"""The images with the most uncertain objects, of which those of difficult or unseen classes count more.

    .. math:: \sum_k w_{c(k)} H(\bar p_k)

    over the objects k of the image, with the weight of the predicted class c. A class is difficult if the detector
    finds its labelled objects badly, see :func:`bal.acquisition.difficulty_weights`, or if none is labelled. This is
    the first of the two stages of the paper (PPAL); its second makes the batch diverse by features of single objects.

    Args:
      batch_size: points to choose.
      aggregate: over the objects of an image, see :func:`bal.acquisition.aggregate_objects`; the paper's is "sum".
      threshold: objects of a lower probability do not count.

    Raises:
      ValueError: another name, or a threshold outside 0 to 1.

    Example:
      >>> strategy = difficulty_weighted(batch_size=5)

    References:
      Yang et al. 2022, Plug and play active learning for object detection, arXiv:2211.11612
    """
    check_object_aggregate(aggregate)
    check_probability(threshold=threshold)

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        def difficulty(labelled: tuple[PyTree, PyTree]) -> Float[Array, "n M"]:
            inputs, labels = labelled
            return acquisition.object_difficulty(detect(mean_map(view.predict(inputs)), NUM_OBJECTS), labels)

        labels = view.labelled.labels
        one = jax.eval_shape(view.predict, view.take(jnp.zeros(1, jnp.int32)))
        weights = acquisition.difficulty_weights(
            view.stream(difficulty, (view.labelled.inputs, labels)),
            labels["classes"],
            labels["present"] & (view.labelled.weights > 0)[:, None],
            num_classes=one.log_odds.shape[-1],
        )

        def score(inputs: PyTree) -> Float[Array, " n"]:
            objects, objectness = acquisition.likely_objects(view.predict(inputs))
            predicted = mean_map(objects).log_odds.argmax(axis=-1)
            # A product, since JAX refuses to index what another mesh context has computed.
            of_objects = jax.nn.one_hot(predicted, weights.shape[0]) @ weights
            scores = of_objects * acquisition.class_entropy(objects)
            return acquisition.aggregate_objects(scores, objectness, aggregate, threshold=threshold)

        return selection.top_k(rng_key, view.map(score), view.available, batch_size=batch_size)

    return Strategy(batch_size, select, takes=BOXES)
