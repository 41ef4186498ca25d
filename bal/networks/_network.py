"""The contract of a network, and how a Flax NNX module fulfils it as pure functions."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from bal.types import PyTree, RngKey

# Images that a convolutional trunk takes at a time on a CPU.
CPU_PIECE = 32


class Variables(NamedTuple):
    """What a network holds: nested dicts of arrays."""

    params: PyTree  # trained by gradients; the leaves called "kernel" carry the weight decay
    statistics: PyTree = ()  # running statistics of normalisation; () without


class Training(NamedTuple):
    """What a network returns while it is trained."""

    outputs: Array  # [n, ...]
    statistics: PyTree  # updated, of the structure of Variables.statistics
    penalty: Float[Array, ""]  # nats for the whole data set, such as a divergence from a prior; 0 if none
    features: dict[str, Array]  # intermediate features by name, for auxiliary losses


class Network(NamedTuple):
    """A network in three parts, so that what posterior samples share is computed once.

    ``trunk`` is everything before the first stochastic layer, ``head`` runs once for each draw, ``readout`` is the last
    linear map. A draw is one function for all points: its noise does not depend on the batch it is evaluated in.
    """

    init: Callable[[RngKey, Array], Variables]  # (rng_key, inputs): only the shape of the inputs matters
    trunk: Callable[[Variables, Array], PyTree]  # (variables, inputs) -> hidden
    head: Callable[[Variables, PyTree, RngKey | None], Array]  # (variables, hidden, draw or None) -> embeddings [n, D]
    readout: Callable[[Variables, Array], Array]  # (variables, embeddings) -> outputs [n, ...]
    train: Callable[[RngKey, Variables, Array], Training]  # fresh noise for each example
    convolutional: bool = False  # on a CPU such networks run in small pieces and one set of weights after the other
    # (variables, inputs) -> intermediate features by name, each [n, ..., channels], without noise; None: it has none
    features: Callable[[Variables, Array], dict[str, Array]] | None = None


def deterministic_outputs(network: Network, variables: Variables, inputs: Array) -> Array:
    """Outputs without noise: dropout replaced by its mean."""
    return network.readout(variables, network.head(variables, network.trunk(variables, inputs), None))


def network_from_module(
    create: Callable[[tuple[int, ...], nnx.Rngs], Any], *, template_shape: tuple[int, ...], convolutional: bool = False
) -> Network:
    """Pure functions from an NNX module with the methods ``trunk``, ``head``, ``readout`` and ``training_pass``.

    Where the module has the method ``features``, ``training_pass`` returns features of the same names, with noise.

    Args:
      create: (shape of one input, rngs) -> module.
      template_shape: a small legal shape of one input. A graph definition records how a module is put together, not the
        shapes of its arrays, so that of the template serves every input.
      convolutional: see :class:`Network`.
    """
    template = nnx.eval_shape(lambda: create(template_shape, nnx.Rngs(params=jax.random.key(0))))
    graph = nnx.graphdef(template)

    def split(module) -> Variables:
        _, params, statistics = nnx.split(module, nnx.Param, ...)
        return Variables(nnx.to_pure_dict(params), nnx.to_pure_dict(statistics) or ())

    def merge(variables: Variables):
        return nnx.merge(graph, variables.params, variables.statistics or {})

    def train(rng_key, variables, inputs):
        module = merge(variables)
        outputs, features = module.training_pass(rng_key, inputs)
        return Training(outputs, split(module).statistics, jnp.zeros(()), features)

    def trunk(variables, inputs):
        module = merge(variables)
        if not convolutional or jax.default_backend() != "cpu" or inputs.shape[0] <= CPU_PIECE:
            return module.trunk(inputs)
        # Feature maps are much wider than what a trunk returns: on a CPU they stay in cache, whatever the chunk.
        return jax.lax.map(lambda image: module.trunk(image[None])[0], inputs, batch_size=CPU_PIECE)

    def features(variables, inputs):
        return merge(variables).features(inputs)

    return Network(
        init=lambda rng_key, inputs: split(create(inputs.shape[1:], nnx.Rngs(params=rng_key))),
        trunk=trunk,
        head=lambda variables, hidden, rng_key: merge(variables).head(hidden, rng_key),
        readout=lambda variables, embeddings: merge(variables).readout(embeddings),
        train=train,
        convolutional=convolutional,
        features=features if hasattr(template, "features") else None,
    )
