"""Checks of the targets of all forms of EPIG.

Signatures write the axes of targets as S2, C2 and M2 where they must equal S, C and M, so that a mismatch raises these
messages even where shapes are checked.
"""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from bal.acquisition._checks import check_predictions
from bal.validation import is_concrete


def check_targets(log_probs: Array, target_log_probs: Array) -> None:
    """Raise unless the targets are predictions of the same classes, under the same draws, as those of the points."""
    check_predictions(log_probs)
    num_draws, num_classes = log_probs.shape[0], log_probs.shape[-1]
    fits = target_log_probs.ndim > 2 and target_log_probs.shape[0] == num_draws
    if not fits or target_log_probs.shape[-1] != num_classes:
        raise ValueError(
            f"expected target_log_probs of shape [{num_draws}, M, {num_classes}], samples and classes as in log_probs, "
            f"got {list(target_log_probs.shape)}"
        )
    check_predictions(target_log_probs, name="target_log_probs")


def normalise_weights(target_weights: Array | None, num_targets: int, dtype: jnp.dtype) -> Float[Array, " M"]:
    """Weights that sum to 1. Their values are checked unless they are traced."""
    if target_weights is None:
        return jnp.full(num_targets, 1 / num_targets, dtype)
    if target_weights.shape != (num_targets,):
        raise ValueError(f"expected target_weights of shape [{num_targets}], got {list(target_weights.shape)}")
    if is_concrete(target_weights):
        # In NumPy: while anything is being traced, JAX would trace the comparison of known values too.
        known = np.asarray(target_weights)
        invalid = known[~((known >= 0) & np.isfinite(known))]
        if invalid.size:
            raise ValueError(f"expected target_weights that are finite and at least 0, got {float(invalid[0]):.4g}")
        if not (known > 0).any():
            raise ValueError("expected target_weights with at least one above 0, got none")
    return (target_weights / target_weights.sum()).astype(dtype)


def positions_in_line(log_probs: Float[Array, "S *n C"]) -> Float[Array, "S N C"]:
    """Dense predictions with the positions of all points along one axis."""
    return log_probs.reshape(log_probs.shape[0], -1, log_probs.shape[-1])


def weights_of_positions(target_weights: Array | None, shape: tuple[int, ...], dtype: jnp.dtype) -> Float[Array, " M"]:
    """Weights that sum to 1 over the positions of all targets [M, ...]; those of one target share its weight."""
    num_positions = math.prod(shape[1:])
    return jnp.repeat(normalise_weights(target_weights, shape[0], dtype) / num_positions, num_positions)
