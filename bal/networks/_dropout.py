"""Dropout in its two roles: noise for each example in training, one mask for all points in a posterior sample."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Key

from bal.types import RngKey


def dropout_mask(rng_key: RngKey, shape: tuple[int, ...], rate: float) -> Float[Array, "..."]:
    """Zeros with probability ``rate``, else 1 / (1 - rate), so that the mean is 1."""
    return dropout_masks(rng_key[None], [shape], rate)[0]


def dropout_masks(
    rng_keys: Key[Array, " k"], shapes: Sequence[tuple[int, ...]], rate: float
) -> list[Float[Array, "..."]]:
    """A mask for each key and shape, those that :func:`dropout_mask` gives, from one call of the generator."""
    if rate == 0:
        # No random bits, so that the check for noise finds none in this network.
        return [jnp.ones(shape) for shape in shapes]
    # Masks cost as much as the arithmetic of a small network, so one random word serves two or four entries. Eight bits
    # represent the rates of the literature (.5, .25) exactly, sixteen any rate to within 2**-17.
    dtype, num_bits = (jnp.uint8, 8) if (rate * 2**8).is_integer() else (jnp.uint16, 16)
    sizes = [math.prod(shape) for shape in shapes]
    # XLA compiles each call of the generator anew, so the longest mask decides: the first words of a key are the same.
    num_words = -(-max(sizes) * num_bits // 32)
    words = jax.vmap(lambda rng_key: jax.random.bits(rng_key, (num_words,)))(rng_keys)
    masks = []
    for row, size, shape in zip(words, sizes, shapes, strict=True):
        entries = jax.lax.bitcast_convert_type(row, dtype).reshape(-1)[:size].reshape(shape)
        masks.append((entries >= round(rate * 2**num_bits)) / (1 - rate))
    return masks


def check_rate(dropout_rate: float) -> None:
    """Raise unless a dropout rate is at least 0 and below 1."""
    if not 0 <= dropout_rate < 1:
        raise ValueError(f"expected dropout_rate in [0, 1), got {dropout_rate}")


class DropoutLinear(nnx.Module):
    """A linear layer whose inputs pass through dropout.

    A mask that all points share multiplies the kernel, not the inputs: :math:`(m \\odot x) W = x (m \\odot W)`. Many
    draws are then one matrix product with the inputs, which are never copied.
    """

    def __init__(self, num_inputs: int, num_outputs: int, rngs: nnx.Rngs):
        self.linear = nnx.Linear(num_inputs, num_outputs, rngs=rngs)

    def sample(self, inputs: Float[Array, "n D"], mask: Float[Array, " D"] | None) -> Float[Array, "n W"]:
        """One draw for all points; without a mask, the mean network."""
        kernel = self.linear.kernel[...]
        if mask is not None:
            kernel = mask[:, None] * kernel
        return inputs @ kernel + self.linear.bias[...][None]
