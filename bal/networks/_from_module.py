"""Turns the Flax NNX modules of this library into pure functions."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array

from bal.networks._network import Network, Training, Variables
from bal.types import PyTree

# What a convolutional network takes at a time on a CPU: at most so many images, of so many positions in all.
CPU_IMAGES = 32
CPU_POSITIONS = CPU_IMAGES * 28 * 28


def network_from_module(
    create: Callable[[tuple[int, ...], nnx.Rngs], Any], *, template_shape: tuple[int, ...], convolutional: bool = False
) -> Network:
    """Pure functions from an NNX module with the methods ``trunk``, ``head``, ``readout`` and ``training_pass``.

    If the module has the method ``features``, ``training_pass`` returns features of the same names, with noise.
    Inputs are one array. Integers are cast to float32 without being scaled.

    Args:
      create: (shape of one input, rngs) -> module.
      template_shape: a small valid shape of one input. A graph definition records the structure of a module, not the
        shapes of its arrays, so that of the template serves every input.
      convolutional: see :class:`Network`.

    Raises:
      ValueError: (from the network's functions) inputs that are not one array.
    """
    template = nnx.eval_shape(lambda: create(template_shape, nnx.Rngs(params=jax.random.key(0))))
    graph = nnx.graphdef(template)

    def split(module) -> Variables:
        _, params, statistics = nnx.split(module, nnx.Param, ...)
        return Variables(nnx.to_pure_dict(params), nnx.to_pure_dict(statistics) or ())

    def merge(variables: Variables):
        return nnx.merge(graph, variables.params, variables.statistics or {})

    def init(rng_key, inputs):
        return split(create(_one_array(inputs).shape[1:], nnx.Rngs(params=rng_key)))

    def train(rng_key, variables, inputs):
        module = merge(variables)
        outputs, features = module.training_pass(rng_key, _as_floats(inputs))
        return Training(outputs, split(module).statistics, jnp.zeros(()), features)

    def in_pieces(fn: Callable[[PyTree], PyTree], images: PyTree) -> PyTree:
        """On a CPU, a function of images in pieces whose feature maps stay in the cache."""
        first = jax.tree.leaves(images)[0]
        size = min(CPU_IMAGES, max(1, CPU_POSITIONS // math.prod(first.shape[1:3])))
        if not convolutional or jax.default_backend() != "cpu" or first.shape[0] <= size:
            return fn(images)

        def one(image):
            return jax.tree.map(lambda leaf: leaf[0], fn(jax.tree.map(lambda leaf: leaf[None], image)))

        return jax.lax.map(one, images, batch_size=size)

    def trunk(variables, inputs):
        return in_pieces(lambda piece: merge(variables).trunk(_as_floats(piece)), _one_array(inputs))

    def head(variables, hidden, rng_key):
        def of_piece(piece):
            return merge(variables).head(piece, rng_key)

        # Most trunks end in vectors, of which a matrix product takes as many as there are.
        is_map = jax.tree.leaves(hidden)[0].ndim == 4
        return in_pieces(of_piece, hidden) if is_map else of_piece(hidden)

    def features(variables, inputs):
        return merge(variables).features(_as_floats(inputs))

    return Network(
        init=init,
        trunk=trunk,
        head=head,
        readout=lambda variables, embeddings: merge(variables).readout(embeddings),
        train=train,
        convolutional=convolutional,
        features=features if hasattr(template, "features") else None,
    )


def _one_array(inputs: PyTree) -> Array:
    if jax.tree_util.all_leaves([inputs]):
        return inputs
    raise ValueError(
        f"expected inputs that are one array, got {jax.tree.structure(inputs)}: "
        "combine them with bal.networks.preprocessed(network, transform)"
    )


def _as_floats(inputs: PyTree) -> Array:
    """Inputs cast to floats, which layers need: data sets keep dtypes such as uint8."""
    array = _one_array(inputs)
    return array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(jnp.float32)
