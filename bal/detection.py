"""Boxes of objects in images: their geometry, their places in a grid of cells, and the peaks of maps of them.

A box is (y0, x0, y1, x1) in pixels: row and column of its first corner, and of the corner opposite. Labels of images
are dicts of ``boxes`` [n, M, 4], ``classes`` [n, M] and ``present`` [n, M]: M places an image, those that are not
present hold no object. The cells of a grid are squares of ``stride`` pixels, and an object belongs to the cell of its
centre.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from bal.information import log_mean_exp
from bal.types import BoxMap, Detections
from bal.validation import check_count


def iou(boxes: Float[Array, "*n A 4"], others: Float[Array, "*n B 4"]) -> Float[Array, "*n A B"]:
    """Intersection over union of each box with each other: between 0 and 1; 0 for two boxes of no area.

    Example:
      >>> float(iou(jnp.array([[0.0, 0.0, 2.0, 2.0]]), jnp.array([[0.0, 1.0, 2.0, 2.0]]))[0, 0])
      0.5
    """
    a, b = boxes[..., :, None, :], others[..., None, :, :]
    sides = jnp.minimum(a[..., 2:], b[..., 2:]) - jnp.maximum(a[..., :2], b[..., :2])
    both = jnp.maximum(sides, 0.0).prod(axis=-1)
    area_a, area_b = ((box[..., 2:] - box[..., :2]).prod(axis=-1) for box in (a, b))
    union = area_a + area_b - both
    return both / jnp.where(union > 0, union, 1.0)


def encode(
    boxes: Float[Array, "*n 4"], *, grid: tuple[int, int], stride: int
) -> tuple[Int[Array, "*n 2"], Float[Array, "*n 4"]]:
    r"""The cell of each box, and the box relative to it.

    .. math:: (c / s - \lfloor c / s \rfloor,\; \log (l / s))

    with centre c, sides l and stride s, each along rows and columns. A logarithm has the same error for a large and a
    small object; the paper regresses pixels.

    Args:
      boxes: of positive area, inside the image.
      grid: rows and columns of cells.
      stride: pixels a cell.

    Example:
      >>> cells, deltas = encode(jnp.array([4.0, 8.0, 12.0, 12.0]), grid=(8, 8), stride=4)
      >>> cells.tolist(), [round(float(delta), 2) for delta in deltas]
      ([2, 2], [0.0, 0.5, 0.69, 0.0])

    References:
      Zhou et al. 2019, Objects as points, arXiv:1904.07850
    """
    centres = (boxes[..., :2] + boxes[..., 2:]) / (2 * stride)
    rows, columns = (jnp.floor(centres[..., axis]).astype(jnp.int32).clip(0, grid[axis] - 1) for axis in (0, 1))
    cells = jnp.stack([rows, columns], axis=-1)
    sizes = jnp.log((boxes[..., 2:] - boxes[..., :2]) / stride)
    return cells, jnp.concatenate([centres - cells, sizes], axis=-1)


def decode(cells: Int[Array, "*n 2"], deltas: Float[Array, "*n 4"], *, stride: int) -> Float[Array, "*n 4"]:
    """The inverse of :func:`encode`.

    Example:
      >>> decode(jnp.array([[1, 2]]), jnp.zeros((1, 4)), stride=4).tolist()
      [[2.0, 6.0, 6.0, 10.0]]
    """
    centres = (cells + deltas[..., :2]) * stride
    half = jnp.exp(deltas[..., 2:]) * (stride / 2)
    return jnp.concatenate([centres - half, centres + half], axis=-1)


def mean_map(maps: BoxMap) -> BoxMap:
    """The log-odds of the mean probabilities over the draws, and the mean boxes: leaves [*n, ...] from [S, *n, ...].

    Example:
      >>> mean_map(BoxMap(jnp.zeros((2, 1, 3, 3, 1)), jnp.zeros((2, 1, 3, 3, 4)))).log_odds.shape
      (1, 3, 3, 1)
    """
    # Both logarithms, since 1 minus a rounded probability would lose small ones.
    log_present, log_absent = (log_mean_exp(jax.nn.log_sigmoid(sign * maps.log_odds)) for sign in (1, -1))
    return BoxMap(log_present - log_absent, maps.boxes.mean(axis=0))


def peaks(
    log_odds: Float[Array, "n h w C"], num: int
) -> tuple[Int[Array, "n K"], Int[Array, "n K"], Float[Array, "n K"]]:
    """The cells at which a class is at least as probable as in the eight cells around, the most probable ones first.

    Args:
      log_odds: of each class in each cell.
      num: peaks K that are returned, at most the number of cells times that of classes.

    Returns:
      Cells, as the number row * w + column, classes, and probabilities, 0 where there are fewer peaks.

    Example:
      >>> cells, _, _ = peaks(jnp.zeros((1, 3, 3, 1)).at[0, 1, 2, 0].set(4.0), 1)
      >>> cells.tolist()
      [[5]]
    """
    n, height, width, num_classes = log_odds.shape
    highest = jax.lax.reduce_window(log_odds, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 1, 1, 1), "SAME")
    # The map does away with boxes that overlap; no other suppression follows.
    of_peaks = jnp.where(log_odds == highest, log_odds, -jnp.inf).reshape(n, -1)
    values, places = jax.lax.top_k(of_peaks, min(num, height * width * num_classes))
    return places // num_classes, places % num_classes, jax.nn.sigmoid(values)


def detect(maps: BoxMap, num: int) -> Detections:
    """The most probable objects of each image, see :func:`peaks`.

    Args:
      maps: predictions with leaves [n, h, w, ...].
      num: places K for objects, of which those without an object have a score of 0.

    Example:
      >>> detect(BoxMap(jnp.zeros((1, 3, 3, 1)), jnp.zeros((1, 3, 3, 4))), 2).boxes.shape
      (1, 2, 4)
    """
    cells, classes, scores = peaks(maps.log_odds, num)
    boxes = maps.boxes.reshape(maps.boxes.shape[0], -1, 4)
    return Detections(jnp.take_along_axis(boxes, cells[..., None], axis=1), classes, scores)


def padded_boxes(
    boxes: Sequence[np.ndarray | Array], classes: Sequence[np.ndarray | Array], *, room: int
) -> dict[str, np.ndarray]:
    """Labels of fixed size from as many boxes as each image has.

    Args:
      boxes: of each image, [m, 4].
      classes: of each image, [m].
      room: places M for the objects of an image.

    Returns:
      ``boxes`` [n, M, 4], ``classes`` [n, M] and ``present`` [n, M].

    Raises:
      ValueError: boxes and classes of different numbers, or more boxes than the room for them.

    Example:
      >>> padded_boxes([np.array([[0, 0, 8, 4]])], [np.array([3])], room=2)["present"].tolist()
      [[True, False]]
    """
    check_count("room", room)
    if len(boxes) != len(classes):
        raise ValueError(f"expected classes for each of {len(boxes)} images, got those of {len(classes)}")
    padded = {
        "boxes": np.zeros((len(boxes), room, 4), np.float32),
        "classes": np.zeros((len(boxes), room), np.int32),
        "present": np.zeros((len(boxes), room), bool),
    }
    for image, (corners, numbers) in enumerate(zip(boxes, classes, strict=True)):
        count = len(numbers)
        if np.shape(corners) not in ((count, 4), (0,)):
            raise ValueError(
                f"expected boxes of shape [{count}, 4] for the {count} classes of image {image}, "
                f"got {list(np.shape(corners))}"
            )
        if count > room:
            raise ValueError(f"expected at most {room} boxes an image, got {count} in image {image}: make more room")
        padded["boxes"][image, :count] = np.reshape(corners, (count, 4))
        padded["classes"][image, :count] = numbers
        padded["present"][image, :count] = True
    return padded
