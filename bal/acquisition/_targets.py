"""What EPIG in all its forms asks of its targets.

Signatures write the axes of targets as S2, C2 and M2 where they must equal S, C and M: what does not fit shall meet
these messages, also where shapes are checked.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def check_targets(log_probs: Array, target_log_probs: Array) -> None:
    """Raise where the targets are not predictions of the same classes, under the same draws, as those of the points."""
    if target_log_probs.shape[1] == 0:
        raise ValueError("expected target_log_probs of at least one target, got none")
    if target_log_probs.shape[0] != log_probs.shape[0] or target_log_probs.shape[2] != log_probs.shape[2]:
        raise ValueError(
            f"expected target_log_probs of shape [{log_probs.shape[0]}, M, {log_probs.shape[2]}], samples and classes "
            f"as in log_probs, got {list(target_log_probs.shape)}"
        )


def normalise_weights(target_weights: Array | None, num_targets: int, dtype: jnp.dtype) -> Float[Array, " M"]:
    """Weights that sum to 1. Their values are checked where they are known: under a transformation they are not."""
    if target_weights is None:
        return jnp.full(num_targets, 1 / num_targets, dtype)
    if target_weights.shape != (num_targets,):
        raise ValueError(f"expected target_weights of shape [{num_targets}], got {list(target_weights.shape)}")
    if not isinstance(target_weights, jax.core.Tracer):
        # In NumPy: where something else is being traced, JAX would trace the comparison of known values too.
        known = np.asarray(target_weights)
        if not (known >= 0).all():
            raise ValueError(f"expected target_weights of at least 0, got {float(known.min()):.4g}")
        if not (known > 0).any():
            raise ValueError("expected target_weights with at least one above 0, got none")
    return (target_weights / target_weights.sum()).astype(dtype)
