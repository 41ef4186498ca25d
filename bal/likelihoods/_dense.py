"""Dense tasks: a label for each position of an image, a volume or a sequence."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from bal.likelihoods._checks import has_values
from bal.likelihoods._likelihood import Likelihood, Tally
from bal.types import PyTree


def dense(likelihood: Likelihood, *, void: int | float | None = None) -> Likelihood:
    r"""Lift a likelihood from a point to each position of an image. Outputs [n, H, W, ...], labels [n, H, W, ...].

    .. math:: L_i = \frac{1}{|V_i|} \sum_{v \in V_i} \ell(f_{iv}, y_{iv})

    with :math:`V_i` the positions of image i that have a label. There may be any number of space axes. The loss and
    ``nll`` are means over these positions, in nats a position, and 0 for an image without a label; an image of 1 x 1
    has the loss of a point. In metrics each position with a label counts once, times the weight of its image; nothing
    is stored for each position. The information of an image is the sum over its positions.

    Args:
      likelihood: of one position.
      void: value that means "no label", such as 255, or NaN for real labels; None: every position has a label. Void
        positions do not count in losses, gradients or metrics.

    Returns:
      A likelihood whose ``predicts`` is "dense " followed by that of a position.

    Raises:
      ValueError: a likelihood that is already of images, or (from ``check``) a void that the labels' dtype cannot hold,
        or an image without a label.

    Example:
      >>> from bal.likelihoods import categorical
      >>> likelihood = dense(categorical(), void=255)
      >>> labels = jnp.array([[[0, 255]]])  # one image of 1 x 2
      >>> float(likelihood.loss((), jnp.zeros((1, 1, 2, 3)), labels)[0]) == float(jnp.log(3))
      True
    """
    if likelihood.predicts.startswith("dense ") or likelihood.predicts == "boxes":
        raise ValueError(f"expected the likelihood of a point for dense, got one that is {likelihood.predicts}")
    label_ndim = likelihood.label_ndim

    def is_labelled(labels):
        """Which positions [n, *space] have a label, for NumPy and JAX arrays alike."""
        if void is None:
            is_void = jnp.zeros(labels.shape, bool)
        else:
            is_void = labels != labels if math.isnan(void) else labels == void
        return ~is_void.any(axis=tuple(range(labels.ndim - label_ndim, labels.ndim)))

    def split(labels: Array) -> tuple[Bool[Array, "n *space"], Array]:
        """Which positions have a label, and the labels with zeros at the others."""
        labelled = is_labelled(labels)
        return labelled, jnp.where(labelled.reshape(*labelled.shape, *[1] * label_ndim), labels, 0)

    def loss(params: PyTree, outputs: Array, labels: Array) -> Float[Array, " n"]:
        labelled, labels = split(labels)
        # The gradient of an infinite loss is nan even where the loss is not used, so void outputs go in as 0.
        losses = likelihood.loss(params, jnp.where(labelled[..., None], outputs, 0.0), labels)
        return _mean_over_positions(losses, labelled)

    def nll(predictive: PyTree, labels: Array) -> Float[Array, " n"]:
        labelled, labels = split(labels)
        return _mean_over_positions(likelihood.nll(predictive, labels), labelled)

    def tally(predictive: PyTree, labels: Array, weights: Float[Array, " n"]) -> Tally:
        labelled, labels = split(labels)

        def as_points(leaf: Array) -> Array:
            return leaf.reshape(-1, *leaf.shape[labelled.ndim :])

        weights = weights.reshape(-1, *[1] * (labelled.ndim - 1)) * labelled
        tallied = likelihood.tally(jax.tree.map(as_points, predictive), as_points(labels), as_points(weights))
        return Tally(tallied.sums, ())

    def information(predictions: PyTree) -> Float[Array, " n"]:
        of_positions = likelihood.information(predictions)
        return of_positions.sum(axis=tuple(range(1, of_positions.ndim)))

    def check(labels, outputs=None, predictive=None) -> None:
        ndim = len(getattr(labels, "shape", ())) - label_ndim  # axes of points and space
        if ndim < 2:
            raise ValueError(
                f"expected one array of labels [n, H, W{', L' if label_ndim else ''}], with one or more space axes, "
                f"for a {kind} likelihood, got shape {list(getattr(labels, 'shape', ()))}"
            )
        if void is not None and not _has_value(labels.dtype, void):
            raise ValueError(f"expected void to be a value of the labels' dtype {labels.dtype}, got {void}")
        for spec in jax.tree.leaves((outputs, predictive)):
            if spec.shape[:ndim] != labels.shape[:ndim]:
                raise ValueError(
                    f"expected outputs at the positions {list(labels.shape[:ndim])} of the labels, "
                    f"got outputs of shape {list(spec.shape)}"
                )

        def as_points(spec) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((math.prod(spec.shape[:ndim]), *spec.shape[ndim:]), spec.dtype)

        points: Any = as_points(labels)
        if has_values(labels):
            values = np.asarray(labels)
            if void is not None:
                labelled = is_labelled(values)
                empty = np.flatnonzero(~labelled.any(axis=tuple(range(1, ndim))))
                if empty.size:
                    raise ValueError(
                        f"expected a label at some position of every image, got only void ({void}) in image {empty[0]}"
                        f"{f' and {empty.size - 1} others' if empty.size > 1 else ''}: leave them out, they say nothing"
                    )
                values = np.where(labelled.reshape(*labelled.shape, *[1] * label_ndim), values, values.dtype.type(0))
            points = values.reshape(points.shape)
        likelihood.check(points, jax.tree.map(as_points, outputs), jax.tree.map(as_points, predictive))

    kind = f"dense {likelihood.predicts}"
    return likelihood._replace(predicts=kind, loss=loss, nll=nll, tally=tally, information=information, check=check)


def _mean_over_positions(values: Float[Array, "n *space"], counted: Bool[Array, "n *space"]) -> Float[Array, " n"]:
    axes = tuple(range(1, values.ndim))
    # An image without a label has a mean of 0, not 0 / 0.
    return jnp.where(counted, values, 0.0).sum(axis=axes) / jnp.maximum(counted.sum(axis=axes), 1)


def _has_value(dtype, value: int | float) -> bool:
    """Whether an array of this dtype can hold the value."""
    if not jnp.issubdtype(dtype, jnp.integer):
        return True
    return float(value).is_integer() and jnp.iinfo(dtype).min <= value <= jnp.iinfo(dtype).max
