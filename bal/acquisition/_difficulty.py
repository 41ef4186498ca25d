"""How difficult are the classes of a detector? Weights that ask for more of those that it finds worst."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from bal.detection import iou
from bal.types import Detections, PyTree

SHARE_OF_CLASS = 0.6  # exponent of the probability; that of the overlap is the rest. As in the paper, with the next two
TEMPERATURE, LARGEST = 0.3, 0.2  # alpha and beta of the weights


def object_difficulty(detections: Detections, labels: PyTree) -> Float[Array, "n M"]:
    r"""How badly each labelled object is found.

    .. math:: 1 - \max_k\, p_k^{\xi} \, \mathrm{IoU}(b_k, b)^{1 - \xi}, \quad \xi = .6

    over the detections k of its class in the image: from 0 for one that is found exactly to 1.

    Args:
      detections: in the labelled images.
      labels: ``boxes`` [n, M, 4] and ``classes`` [n, M].

    Returns:
      From 0, for a sure and exact detection, to 1, for none.

    Example:
      >>> box = jnp.array([[[0.0, 0.0, 4.0, 4.0]]])
      >>> found = Detections(box, jnp.array([[1]]), jnp.ones((1, 1)))
      >>> object_difficulty(found, {"boxes": box, "classes": jnp.array([[1]])}).tolist()
      [[0.0]]

    References:
      Yang et al. 2022, Plug and play active learning for object detection, equation 2, arXiv:2211.11612
    """
    overlaps = iou(labels["boxes"], detections.boxes)
    scores = detections.scores[:, None]
    same = (labels["classes"][:, :, None] == detections.classes[:, None]) & (scores > 0)
    qualities = jnp.where(same, scores**SHARE_OF_CLASS * overlaps ** (1 - SHARE_OF_CLASS), 0.0)
    return 1 - qualities.max(axis=-1)


def difficulty_weights(
    difficulty: Float[Array, "n M"],
    classes: Int[Array, "n M"],
    counted: Bool[Array, "n M"],
    *,
    num_classes: int,
) -> Float[Array, " C"]:
    r"""Weight of each class, from 1 for an easy one to 1.2 for one whose objects are not found; without unit.

    .. math:: w_c = 1 + \alpha \beta \log(1 + \gamma d_c), \quad \gamma = e^{1 / \alpha} - 1, \alpha = .3, \beta = .2

    with d the mean difficulty of the labelled objects of the class, 1 if there are none. The paper takes a running mean
    during training instead; a strategy sees the trained model.

    Args:
      difficulty: of each object, see :func:`object_difficulty`.
      classes: of the objects.
      counted: which of these places hold an object.
      num_classes: C.

    Example:
      >>> weights = difficulty_weights(jnp.array([[0.0]]), jnp.array([[0]]), jnp.array([[True]]), num_classes=2)
      >>> [round(float(weight), 3) for weight in weights]
      [1.0, 1.2]

    References:
      Yang et al. 2022, Plug and play active learning for object detection, equation 4, arXiv:2211.11612
    """
    members = (jax.nn.one_hot(classes, num_classes) * counted[..., None]).reshape(-1, num_classes)
    counts = members.sum(axis=0)
    total = jnp.where(counted, difficulty, 0.0).reshape(-1) @ members
    mean = jnp.where(counts > 0, total / jnp.maximum(counts, 1), 1.0)
    return 1 + TEMPERATURE * LARGEST * jnp.log1p(np.expm1(1 / TEMPERATURE) * mean)
