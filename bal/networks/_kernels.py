"""Initial kernels of convolutions, all of a network in one draw."""

import math
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from bal.types import RngKey


def draw_kernels(module: nnx.Module, rng_key: RngKey, *, fan: Literal["in", "out"]) -> None:
    r"""Give each parameter of four axes (height, width, input and output channels) normal weights, of He et al.

    .. math:: w \sim N(0, 2 / n), \qquad n = \text{height} \times \text{width} \times \text{channels}

    XLA compiles each call of a random generator anew, for more than a second; a network has 15 to 20 kernels. Cut from
    one draw they cost one.

    Args:
      module: its kernels may have any values, and are replaced in place.
      rng_key: of the draw.
      fan: whether n counts the channels that enter, which keeps the variance of activations, or those that leave, which
        keeps that of gradients.

    References:
      He et al. 2015, Delving deep into rectifiers, arXiv:1502.01852
    """
    leaves, structure = jax.tree.flatten(nnx.state(module, nnx.Param))
    sizes = [leaf.size if leaf.ndim == 4 else 0 for leaf in leaves]
    normals, start = jax.random.normal(rng_key, (sum(sizes),)), 0
    for number, size in enumerate(sizes):
        if size:
            shape = leaves[number].shape
            num_inputs = math.prod(shape[:2]) * shape[2 if fan == "in" else 3]
            leaves[number] = jnp.sqrt(2 / num_inputs) * normals[start : start + size].reshape(shape)
            start += size
    nnx.update(module, jax.tree.unflatten(structure, leaves))
