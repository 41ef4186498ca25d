"""Strategies for objects in images: how uncertain the boxes or the classes of the objects of an image are."""

from functools import partial

from jaxtyping import Array, Float

from bal import acquisition, selection
from bal.acquisition import BOX_SCORES, check_object_aggregate
from bal.strategies._strategy import BOXES, Strategy, score_strategy
from bal.types import BoxMap
from bal.validation import check_choice, check_probability


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

    return score_strategy(score, partial(selection.top_k, batch_size=batch_size), batch_size=batch_size, takes=BOXES)
