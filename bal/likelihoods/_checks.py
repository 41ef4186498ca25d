"""Checks of labels: dtype, shape, and values where they can be read."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bal.likelihoods._likelihood import Likelihood
from bal.types import Batch
from bal.validation import is_concrete


def check_batch(likelihood: Likelihood, batch: Batch, outputs: Any = None) -> None:
    """Raise if the labels of a batch are invalid; padding is ignored.

    Args:
      likelihood: checks the labels.
      batch: labelled points.
      outputs: shape of the network's outputs for them, see :class:`bal.likelihoods.Check`.

    Example:
      >>> from bal.likelihoods import categorical
      >>> padded = Batch(np.zeros((2, 3)), np.array([1, -1]), np.array([1.0, 0.0]))
      >>> check_batch(categorical(), padded)  # the label of padding is ignored
    """
    labels = batch.labels
    if is_concrete(*jax.tree.leaves((labels, batch.weights))):
        labels = jax.tree.map(lambda leaf: _without_padding(np.asarray(leaf), np.asarray(batch.weights)), labels)
    likelihood.check(labels, outputs)


def check_labels(labels: Any, likelihood: str, *, real: bool, ndim: int) -> None:
    """Raise unless the labels are one array of the right dtype and rank, and each is a number.

    Args:
      labels: an array or its shape.
      likelihood: its name in the message.
      real: whether labels are real numbers; else they are integers.
      ndim: number of axes, including that of the points.
    """
    kind, shape = ("floating" if real else "integer"), ("[n]" if ndim == 1 else "[n, L]")
    if not hasattr(labels, "dtype") or not hasattr(labels, "shape"):
        raise ValueError(f"expected one array of labels for {likelihood}, got {jax.tree.structure(labels)}")
    if not jnp.issubdtype(labels.dtype, jnp.floating if real else jnp.integer) or len(labels.shape) != ndim:
        raise ValueError(
            f"expected labels of {'a floating' if real else 'an integer'} dtype and shape {shape} for {likelihood}, "
            f"got {labels.dtype} of shape {list(labels.shape)}{_hint(labels, kind)}"
        )
    if real and has_values(labels):
        invalid = int((~np.isfinite(np.asarray(labels, np.float64))).sum())
        if invalid:
            raise ValueError(f"expected finite labels for {likelihood}, got {invalid} NaN or infinite ones")


def check_classes(labels: Any, num_classes: int | None, *, since: str = "the network has {} outputs") -> None:
    """Raise if a class is negative, or not below ``num_classes`` if that is known."""
    if not has_values(labels) or np.size(labels) == 0:
        return
    values = np.asarray(labels)
    outside = values < 0
    if num_classes is not None:
        outside |= values >= num_classes
    if not outside.any():
        return
    first = values[outside][0]
    if num_classes is None:
        raise ValueError(f"expected classes numbered from 0, got {first}: renumber them")
    raise ValueError(
        f"expected classes from 0 to {num_classes - 1}, since {since.format(num_classes)}, "
        f"got {first}: renumber the classes, or give the network more outputs"
    )


def check_shape(got: Any, expected: tuple[int | None, ...], likelihood: str, what: str = "outputs") -> None:
    """Raise unless an array has the expected shape, in which None stands for any length."""
    shape = getattr(got, "shape", ())
    fits = len(shape) == len(expected) and all(
        length in (None, actual) for length, actual in zip(expected, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if length is None else str(length) for length in expected)
        raise ValueError(
            f"expected {what} of shape [{wanted}] for these labels and {likelihood}, "
            f"got {list(shape) if hasattr(got, 'shape') else jax.tree.structure(got)}"
        )


def has_values(labels: Any) -> bool:
    """Whether these labels can be read, rather than being a shape or a tracer."""
    return is_concrete(labels) and not isinstance(labels, jax.ShapeDtypeStruct)


def _without_padding(labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    column = weights.reshape(-1, *[1] * (labels.ndim - 1))
    return np.where(column > 0, labels, np.zeros((), labels.dtype))


def _hint(labels: Any, kind: str) -> str:
    if kind == "integer" and jnp.issubdtype(labels.dtype, jnp.floating):
        return ": convert class numbers to integers, or use a likelihood of real labels"
    if kind == "floating" and jnp.issubdtype(labels.dtype, jnp.integer):
        return ": convert them to float32, or use a likelihood of classes"
    return ""
