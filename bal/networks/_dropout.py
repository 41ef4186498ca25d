"""Dropout in its two roles: noise for each example in training, one mask for all points in a posterior sample."""

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from bal.types import RngKey


def dropout_mask(rng_key: RngKey, shape: tuple[int, ...], rate: float) -> Float[Array, "..."]:
    """Zeros with probability ``rate``, else 1 / (1 - rate), so that the mean is 1."""
    if rate == 0:
        # No random bits, so that the check for noise finds none in this network.
        return jnp.ones(shape)
    # Masks cost as much as the arithmetic of a small network, so one random word serves two or four entries. Eight bits
    # represent the rates of the literature (.5, .25) exactly, sixteen any rate to within 2**-17.
    dtype, num_bits = (jnp.uint8, 8) if (rate * 2**8).is_integer() else (jnp.uint16, 16)
    size = math.prod(shape)
    words = jax.random.bits(rng_key, (-(-size * num_bits // 32),))
    entries = jax.lax.bitcast_convert_type(words, dtype).reshape(-1)[:size].reshape(shape)
    return (entries >= round(rate * 2**num_bits)) / (1 - rate)


def check_rate(dropout_rate: float) -> None:
    """Raise unless a dropout rate is at least 0 and below 1."""
    if not 0 <= dropout_rate < 1:
        raise ValueError(f"expected dropout_rate in [0, 1), got {dropout_rate}")


class DropoutLinear(nnx.Module):
    """A linear layer whose inputs pass through dropout.

    A mask that all points share multiplies the kernel, not the inputs: :math:`(m \\odot x) W = x (m \\odot W)`. Many
    draws are then one matrix product with the inputs, which are never copied.
    """

    def __init__(self, num_inputs: int, num_outputs: int, dropout_rate: float, rngs: nnx.Rngs):
        self.linear = nnx.Linear(num_inputs, num_outputs, rngs=rngs)
        self.dropout_rate = dropout_rate

    def sample(self, inputs: Float[Array, "n D"], rng_key: RngKey | None) -> Float[Array, "n W"]:
        """One draw for all points; without a key, the mean network."""
        kernel = self.linear.kernel[...]
        if rng_key is not None:
            kernel = dropout_mask(rng_key, kernel.shape[:1], self.dropout_rate)[:, None] * kernel
        return inputs @ kernel + self.linear.bias[...][None]

    def train_step(self, inputs: Float[Array, "n D"], rng_key: RngKey) -> Float[Array, "n W"]:
        """A fresh mask for each example."""
        return self.linear(inputs * dropout_mask(rng_key, inputs.shape, self.dropout_rate))
