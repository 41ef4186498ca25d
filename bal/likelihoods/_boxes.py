"""Detection: boxes of objects, and their classes."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from bal import metrics
from bal.detection import decode, detect, encode, mean_map
from bal.likelihoods._checks import check_classes, check_shape, has_values
from bal.likelihoods._likelihood import Check, Likelihood, Tally
from bal.types import BoxMap, PyTree
from bal.validation import check_count, check_positive

NAME = "a likelihood of boxes"
# name -> kind of dtype, axes of one label
LAYOUT = {"boxes": (jnp.floating, 2), "classes": (jnp.integer, 1), "present": (jnp.bool_, 1)}
FOCUS, NEARNESS = 2, 4  # exponents of the focal loss, as in its paper
OVERLAP = 0.7  # of a box and its object, if the centre of the box is one standard deviation off
NUM_DETECTIONS = 100  # of an image in metrics, as in the benchmark
LARGEST_LOG_SIZE = 10.0  # exp of a size beyond e^10 cells may overflow, and one below e^-10 has a logarithm of -inf


def boxes(*, stride: int = 4, box_weight: float | Array = 1.0) -> Likelihood:
    r"""Objects in an image. Outputs [n, h, w, C + 4], labels a dict of ``boxes``, ``classes`` and ``present``.

    The outputs of a cell are the log-odds that it holds the centre of an object of each class, where in the cell the
    centre is, and the logarithm of the sides in cells; see :func:`bal.detection.encode`. Labels have room for M
    objects: ``boxes`` [n, M, 4] are (y0, x0, y1, x1) in pixels, ``classes`` [n, M] integers, and ``present`` [n, M]
    says which places hold an object; the content of the others is ignored.

    .. math::
      L = \frac1{\max(M_+, 1)} \left[ \sum_{v, c} \begin{cases} -(1 - p_{vc})^2 \log p_{vc} & Y_{vc} = 1 \\
        -(1 - Y_{vc})^4 p_{vc}^2 \log (1 - p_{vc}) & \text{else} \end{cases}
        + \lambda \sum_m |f_m - t_m|_1 \right]

    of an image with :math:`M_+` objects, where Y falls from 1 at the cell of a centre as a Gaussian of the size of the
    object, and f and t are the predicted and the true box in the cells of the centres. The paper regresses sides in
    pixels; the unit here is that of a relative error, so both parts of a box have one weight.

    Predictions are :class:`bal.types.BoxMap`; ``reduce`` averages probabilities and boxes. Metrics are ``ap_50``,
    ``ap`` (see :func:`bal.metrics.box_average_precision`) and ``nll``, the loss. The information is that of the classes
    of all cells, :math:`\sum p (1 - p)`, and of the boxes, whose error has a Laplace distribution of scale
    :math:`1 / \lambda`: :math:`4 \lambda^2 \sum p`.

    Args:
      stride: pixels a cell.
      box_weight: :math:`\lambda`.

    Raises:
      ValueError: a stride below 1, or a weight that is not positive.

    Example:
      >>> likelihood = boxes()
      >>> labels = {
      ...     "boxes": jnp.array([[[2.0, 2.0, 6.0, 6.0]]]),
      ...     "classes": jnp.array([[0]]),
      ...     "present": jnp.array([[True]]),
      ... }
      >>> likelihood.loss((), jnp.zeros((1, 2, 2, 5)), labels).shape
      (1,)

    References:
      Zhou et al. 2019, Objects as points, arXiv:1904.07850
      Law and Deng 2018, CornerNet: detecting objects as paired keypoints, arXiv:1808.01244, for the loss of the classes
    """
    check_count("stride", stride)
    check_positive(box_weight=box_weight)

    def predictive(params: PyTree, outputs: Float[Array, "*n h w D"]) -> BoxMap:
        sizes = jnp.clip(outputs[..., -2:], -LARGEST_LOG_SIZE, LARGEST_LOG_SIZE)
        deltas = jnp.concatenate([outputs[..., -4:-2], sizes], axis=-1)
        return BoxMap(outputs[..., :-4], decode(_cells(deltas), deltas, stride=stride))

    def loss(params: PyTree, outputs: Float[Array, "*n h w D"], labels: PyTree) -> Float[Array, "*n"]:
        # From the outputs, not from boxes: where a size is clipped the loss still has a gradient.
        return over_images(outputs[..., :-4], outputs[..., -4:], *(labels[name] for name in LAYOUT))

    def nll(predictive: BoxMap, labels: PyTree) -> Float[Array, "*n"]:
        log_odds, corners = predictive
        centres = (corners[..., :2] + corners[..., 2:]) / (2 * stride)
        # Rounding may leave no size of a small box far from the first corner of the image.
        sizes = jnp.maximum((corners[..., 2:] - corners[..., :2]) / stride, math.exp(-LARGEST_LOG_SIZE))
        deltas = jnp.concatenate([centres - _cells(corners), jnp.log(sizes)], axis=-1)
        return over_images(log_odds, deltas, *(labels[name] for name in LAYOUT))

    def of_image(log_odds, deltas, boxes, classes, present):
        # An empty place must have finite targets: the gradient of an infinite one is nan.
        held = jnp.where(present[:, None], boxes, jnp.array([[0.0, 0.0, stride, stride]]))
        cells, targets = encode(held, grid=log_odds.shape[:2], stride=stride)
        errors = jnp.abs(deltas[cells[:, 0], cells[:, 1]] - targets).sum(axis=1)
        heat = _heat(cells, held, classes, present, log_odds.shape, stride)
        of_boxes = box_weight * jnp.where(present, errors, 0.0).sum()
        return (_focal_loss(log_odds, heat) + of_boxes) / jnp.maximum(present.sum(), 1)

    over_images = jnp.vectorize(of_image, signature="(h,w,c),(h,w,k),(m,k),(m),(m)->()")

    def information(predictions: BoxMap) -> Float[Array, "*n"]:
        probs = jax.nn.sigmoid(predictions.log_odds).mean(axis=0)
        return (probs * (1 - probs) + 4 * box_weight**2 * probs).sum(axis=(-3, -2, -1))

    return Likelihood(
        predicts="boxes",
        init=lambda rng_key: (),
        loss=loss,
        predictive=predictive,
        reduce=mean_map,
        nll=nll,
        check=_checked(stride),
        tally=lambda predictive, labels, weights: _tally(nll(predictive, labels), predictive, labels, weights),
        figures=_figures,
        information=information,
    )


def _cells(maps: Float[Array, "*n h w k"]) -> Int[Array, "*n h w 2"]:
    """Row and column of each cell."""
    cells = jnp.stack(jnp.indices(maps.shape[-3:-1]), axis=-1)
    return jnp.broadcast_to(cells, (*maps.shape[:-1], 2))


def _heat(cells, boxes, classes, present, shape: tuple[int, int, int], stride: int) -> Float[Array, "h w C"]:
    """The target of the classes: 1 in the cell of each centre, and a Gaussian around it."""
    height, width, num_classes = shape
    sides = (boxes[:, 2:] - boxes[:, :2]) / stride
    # A box of the right size that is r off along both axes overlaps its object by OVERLAP: the smaller root of
    # (h - r)(w - r) = 2 t / (1 + t) h w.
    total, product = sides.sum(axis=1), sides.prod(axis=1)
    radius = (total - jnp.sqrt(total**2 - 4 * product * (1 - OVERLAP) / (1 + OVERLAP))) / 2
    # A sixth of the diameter with the cell itself, as in the code of the papers.
    deviations = (2 * radius + 1) / 6
    down = jnp.arange(height)[None] - cells[:, :1]
    across = jnp.arange(width)[None] - cells[:, 1:]
    squared = down[:, :, None] ** 2 + across[:, None, :] ** 2
    around = jnp.exp(-squared / (2 * deviations[:, None, None] ** 2))
    # Classes beyond the outputs, and the number C of an empty place, are dropped.
    numbers = jnp.where(present, classes, num_classes)
    heat = jnp.zeros((num_classes, height, width)).at[numbers].max(around, mode="drop")
    return jnp.moveaxis(heat, 0, -1)


def _focal_loss(log_odds: Float[Array, "h w C"], heat: Float[Array, "h w C"]) -> Float[Array, ""]:
    log_p, log_q = jax.nn.log_sigmoid(log_odds), jax.nn.log_sigmoid(-log_odds)
    at_centres = -jnp.exp(FOCUS * log_q) * log_p
    elsewhere = -((1 - heat) ** NEARNESS) * jnp.exp(FOCUS * log_p) * log_q
    return jnp.where(heat == 1, at_centres, elsewhere).sum()


def _tally(losses: Float[Array, " n"], predictive: BoxMap, labels: PyTree, weights: Float[Array, " n"]) -> Tally:
    num_classes = predictive.log_odds.shape[-1]
    carried = jax.nn.one_hot(labels["classes"], num_classes) * labels["present"][..., None]
    sums = {
        "nll": metrics.weighted_sum(losses, weights),
        "weight": weights.sum(),
        "objects": metrics.weighted_sum(carried.sum(axis=1), weights),
    }
    detections = detect(predictive, NUM_DETECTIONS)
    return Tally(sums, {"detections": detections, "labels": labels, "weights": weights})


def _figures(tally: Tally) -> dict[str, Array]:
    figures = {"nll": tally.sums["nll"] / tally.sums["weight"]}
    if not tally.points:
        return figures
    points, num_classes = tally.points, tally.sums["objects"].shape[0]
    areas = metrics.box_average_precision(
        points["detections"], points["labels"], points["weights"], num_classes=num_classes
    )
    # A class without an object has no curve and is left out, as in the benchmark.
    of_thresholds = jnp.nanmean(areas, axis=1)
    return {**figures, "ap_50": of_thresholds[0], "ap": of_thresholds.mean()}


def _checked(stride: int) -> Check:
    def check(labels: Any, outputs: Any = None, predictive: Any = None) -> None:
        _check_layout(labels)
        num_images = labels["classes"].shape[0]
        shape: Any = None
        if outputs is not None:
            check_shape(outputs, (num_images, None, None, None), NAME)
            shape = (*outputs.shape[1:3], outputs.shape[3] - 4)
            if shape[2] < 1:
                raise ValueError(
                    f"expected outputs of at least one class and four numbers of the box for {NAME}, "
                    f"got {outputs.shape[3]} outputs a cell"
                )
        if predictive is not None:
            check_shape(predictive.log_odds, (num_images, None, None, None), NAME, "predictions")
            shape = predictive.log_odds.shape[1:]
        if all(has_values(leaf) for leaf in labels.values()):
            _check_values({name: np.asarray(leaf) for name, leaf in labels.items()}, shape, stride)

    return check


def _check_layout(labels: Any) -> None:
    if not isinstance(labels, dict) or set(labels) != set(LAYOUT):
        found = sorted(labels) if isinstance(labels, dict) else type(labels).__name__
        raise ValueError(f"expected labels that are a dict of boxes, classes and present for {NAME}, got {found}")
    room = labels["classes"].shape[:2]
    for name, (kind, ndim) in LAYOUT.items():
        leaf, shape = labels[name], (*room, 4) if name == "boxes" else room
        if not jnp.issubdtype(leaf.dtype, kind) or len(leaf.shape) != ndim + 1 or leaf.shape != shape:
            wanted = {"boxes": "floating and [n, M, 4]", "classes": "integer and [n, M]", "present": "bool and [n, M]"}
            raise ValueError(
                f"expected {name} that are {wanted[name]} for {NAME}, got {leaf.dtype} of shape {list(leaf.shape)}: "
                "bal.detection.padded_boxes makes such labels"
            )


def _check_values(labels: dict[str, np.ndarray], shape: tuple[int, int, int] | None, stride: int) -> None:
    present = labels["present"]
    held = labels["boxes"][present]
    flat = ~(held[:, 2:] > held[:, :2]).all(axis=1)
    if flat.any():
        raise ValueError(
            f"expected boxes (y0, x0, y1, x1) with y0 < y1 and x0 < x1, got {held[flat][0].tolist()}: "
            "leave out objects of no area"
        )
    size = np.full(2, np.inf) if shape is None else np.array(shape[:2]) * stride
    outside = ~((held[:, :2] >= 0) & (held[:, 2:] <= size[None])).all(axis=1)
    if outside.any():
        image = "the image" if shape is None else f"an image of {size[0]} x {size[1]} pixels"
        raise ValueError(f"expected boxes inside {image}, got {held[outside][0].tolist()}: cut them at its edge")
    check_classes(
        labels["classes"][present], None if shape is None else int(shape[2]), since="the network has {} of them"
    )
