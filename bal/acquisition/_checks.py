"""Checks of the inputs of scores, by shape and dtype alone: they cost nothing and work in compiled code."""

import jax.numpy as jnp
from jaxtyping import Array

from bal.types import Gaussian


def check_predictions(log_probs: Array, *, name: str = "log_probs") -> None:
    """Raise unless these may be log-probabilities [S, *n, C]; :func:`bal.check_log_probs` also checks their values."""
    if log_probs.ndim < 3:
        raise ValueError(
            f"expected {name} of shape [S, N, C], got {list(log_probs.shape)}: for one model, pass {name}[None]"
        )
    _check_array(name, log_probs)


def check_gaussian(gaussian: Gaussian, *, name: str = "gaussian") -> None:
    """Raise unless these may be Gaussian predictions with leaves [S, *n]."""
    mean, variance = gaussian
    if mean.ndim < 2 or mean.shape != variance.shape:
        raise ValueError(
            f"expected {name} with two leaves of shape [S, N], got {list(mean.shape)} and {list(variance.shape)}"
        )
    _check_array(f"{name}.mean", mean)
    _check_array(f"{name}.variance", variance)


def check_same_shape(name: str, array: Array, other_name: str, other: Array) -> None:
    """Raise if two arrays would be broadcast against each other."""
    if array.shape != other.shape:
        raise ValueError(f"expected {name} of shape {list(other.shape)}, as {other_name}, got {list(array.shape)}")


def _check_array(name: str, array: Array) -> None:
    if not jnp.issubdtype(array.dtype, jnp.floating):
        raise ValueError(f"expected {name} of a floating dtype, got {array.dtype}")
    if 0 in array.shape:
        raise ValueError(f"expected {name} without an empty axis, got shape {list(array.shape)}")
