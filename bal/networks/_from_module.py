"""Turns the Flax NNX modules of this library into pure functions."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array

from bal.networks._map_images import are_maps, map_images
from bal.networks._network import Network, Training, Variables
from bal.types import PyTree


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

    # To trace a module is slow, and a round asks for the initial state of a network a dozen times. Inlined, it leaves
    # the program as it is.
    @partial(jax.jit, static_argnums=1, inline=True)
    def created(rng_key, shape: tuple[int, ...]) -> Variables:
        return split(create(shape, nnx.Rngs(params=rng_key)))

    def init(rng_key, inputs):
        return created(rng_key, _one_array(inputs).shape[1:])

    def train(rng_key, variables, inputs):
        module = merge(variables)
        outputs, features = module.training_pass(rng_key, _as_floats(inputs))
        return Training(outputs, split(module).statistics, jnp.zeros(()), features)

    def trunk(variables, inputs):
        def of_images(images):
            return merge(variables).trunk(_as_floats(images))

        return map_images(of_images, _one_array(inputs)) if convolutional else of_images(_one_array(inputs))

    def head(variables, hidden, rng_key):
        def of_images(images):
            return merge(variables).head(images, rng_key)

        return map_images(of_images, hidden) if convolutional and are_maps(hidden) else of_images(hidden)

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
