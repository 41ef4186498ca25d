"""Average precision of detected objects, as the COCO benchmark defines it."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from bal.detection import iou
from bal.types import Detections, PyTree

IOU_THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())
MAX_DETECTIONS = 100  # of one class in one image
RECALLS = np.linspace(0.0, 1.0, 101)


def box_average_precision(
    detections: Detections,
    labels: PyTree,
    weights: Float[Array, " n"],
    *,
    num_classes: int,
    thresholds: Sequence[float] = IOU_THRESHOLDS,
) -> Float[Array, "T C"]:
    r"""Area under the curve of precision over recall, from 0 to 1, for each threshold of the overlap and each class.

    .. math:: \frac1{101} \sum_{r \in \{0, .01, \dots, 1\}} \max_{k : R_k \ge r} P_k

    with precision P and recall R of the k detections of highest score in all images. In an image the detections, best
    first, each take the object of their class that they overlap most among those not taken yet, if the intersection
    over union reaches the threshold. Of objects of all sizes, and of at most 100 detections of a class in an image. The
    benchmark's AP is the mean over thresholds and classes, AP50 that over classes at a threshold of .5.

    Args:
      detections: places with a score of 0 are empty.
      labels: ``boxes`` [n, M, 4], ``classes`` [n, M] and ``present`` [n, M].
      weights: of the images; one of weight 0 is ignored, all others count the same.
      num_classes: C.
      thresholds: T of them.

    Returns:
      Between 0 and 1; nan for a class without an object.

    Example:
      >>> boxes = jnp.array([[[0.0, 0.0, 8.0, 8.0], [0.0, 8.0, 8.0, 16.0]]])
      >>> labels = {"boxes": boxes, "classes": jnp.zeros((1, 2), int), "present": jnp.ones((1, 2), bool)}
      >>> found = Detections(boxes[:, :1], jnp.zeros((1, 1), int), jnp.ones((1, 1)))
      >>> round(float(box_average_precision(found, labels, jnp.ones(1), num_classes=1, thresholds=(0.5,))[0, 0]), 4)
      0.505

    References:
      Lin et al. 2014, Microsoft COCO: common objects in context, arXiv:1405.0312
    """
    counted = weights > 0
    present = labels["present"] & counted[:, None]
    order = jnp.argsort(-detections.scores, axis=1)
    boxes, classes, scores = (
        jnp.take_along_axis(leaf, order[..., None] if leaf.ndim == 3 else order, axis=1) for leaf in detections
    )
    # Detections that do not count get a class that no object has.
    members = jax.nn.one_hot(classes, num_classes, dtype=jnp.int32) * (scores > 0)[..., None]
    rank = jnp.take_along_axis(members.cumsum(axis=1), classes[..., None], axis=2)[..., 0]
    classes = jnp.where((scores > 0) & (rank <= MAX_DETECTIONS) & counted[:, None], classes, num_classes)
    may_match = (classes[:, :, None] == labels["classes"][:, None, :]) & present[:, None, :]
    overlaps = jnp.where(may_match, iou(boxes, jnp.asarray(labels["boxes"])), -1.0)
    hits = jax.vmap(_match, in_axes=(0, None))(overlaps, jnp.asarray(thresholds))
    # Of equal scores the earlier image comes first, as in the benchmark.
    best_first = jnp.argsort(-jnp.where(classes < num_classes, scores, 0.0).reshape(-1))
    found, classes = hits.swapaxes(0, 1).reshape(len(thresholds), -1)[:, best_first], classes.reshape(-1)[best_first]

    def of_class(number: Int[Array, ""]) -> Float[Array, " T"]:
        num_objects = (present & (labels["classes"] == number)).sum()
        return _area(found, classes == number, num_objects)

    return jax.lax.map(of_class, jnp.arange(num_classes)).T


def _match(overlaps: Float[Array, "K M"], thresholds: Float[Array, " T"]) -> Bool[Array, "T K"]:
    """Which detections, in the order of their scores, take an object of one image."""
    last = overlaps.shape[1] - 1

    def take(taken: Bool[Array, "T M"], of_detection: Float[Array, " M"]) -> tuple[Array, Array]:
        free = jnp.where(taken, -1.0, of_detection[None])
        best = free.max(axis=1)
        # Of two that it overlaps equally the detection takes the later one, as in the benchmark.
        place = last - free[:, ::-1].argmax(axis=1)
        hit = best >= thresholds
        return taken | (hit[:, None] & jax.nn.one_hot(place, last + 1, dtype=bool)), hit

    start = jnp.zeros((thresholds.shape[0], last + 1), bool)
    return jax.lax.scan(take, start, overlaps)[1].T


def _area(found: Bool[Array, "T D"], of_class: Bool[Array, " D"], num_objects: Int[Array, ""]) -> Float[Array, " T"]:
    """Mean precision at the 101 recalls, for detections of all images in the order of their scores."""
    num_found = (found & of_class[None]).cumsum(axis=1)
    num_shown = of_class.cumsum()
    precision = num_found / jnp.maximum(num_shown, 1)[None]
    highest_from_here = jax.lax.cummax(precision, axis=1, reverse=True)
    # found / objects >= r in integers: a rounded quotient would be on the wrong side of some recalls. The benchmark's
    # recalls are double precision numbers, some of which are above the fraction that they stand for.
    steps = np.arange(101)
    is_above = steps / 100 < RECALLS
    needed = jnp.asarray(steps) * num_objects + jnp.asarray(is_above)
    first = jax.vmap(lambda counts: jnp.searchsorted(counts, needed))(100 * num_found)
    at_recalls = jnp.take_along_axis(highest_from_here, jnp.minimum(first, found.shape[1] - 1), axis=1)
    area = jnp.where(first < found.shape[1], at_recalls, 0.0).mean(axis=1)
    return jnp.where(num_objects > 0, area, jnp.nan)
