"""Inputs as rows of real numbers."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.types import PyTree


def flat_inputs(inputs: PyTree) -> Float[Array, "n D"]:
    """One row of real numbers a point; whole numbers, such as the pixels of images, are converted.

    Raises:
      ValueError: inputs that are not one array.
    """
    if not hasattr(inputs, "reshape"):
        raise ValueError(
            f"expected inputs that are one array, got {len(jax.tree.leaves(inputs))} arrays in a "
            f"{type(inputs).__name__}: join them first, or give bayesian_linear a feature_fn"
        )
    flat = inputs.reshape(inputs.shape[0], -1)
    return flat if jnp.issubdtype(flat.dtype, jnp.floating) else flat.astype(jnp.float32)
