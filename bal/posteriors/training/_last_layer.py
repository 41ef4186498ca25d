"""Which parameters of a network are its last linear layer: those that the readout uses."""

from typing import NamedTuple

import jax
from jaxtyping import Array

from bal.networks import Network, Variables
from bal.types import PyTree


class LastLayer(NamedTuple):
    """Kernel and bias of the readout."""

    kernel: Array  # [D, C], or [C, D] in networks of libraries that store it so
    bias: Array | None  # [C]


def check_embeds(name: str, network: Network) -> None:
    """Raise unless the network is cut before its last layer."""
    if not network.embeds:
        raise ValueError(
            f"expected a network with an embedding for {name}, got one that is not cut before its last layer: "
            "name the layer with last_layer=... of from_nnx, from_linen or from_equinox"
        )


def embed(network: Network, variables: Variables, inputs: PyTree) -> Array:
    """Embeddings, the input of the readout, without noise: [n, D]."""
    return network.head(variables, network.trunk(variables, inputs), None)


def readout_leaves(network: Network, variables: Variables, inputs: PyTree) -> PyTree:
    """For each leaf of the parameters, whether the readout uses it. Only shapes matter; nothing is computed."""
    shapes = jax.eval_shape(lambda *both: both, variables, inputs)
    embeddings = jax.eval_shape(lambda *both: embed(network, *both), *shapes)
    jaxpr = jax.make_jaxpr(network.readout)(shapes[0], embeddings).jaxpr
    read = {id(variable) for equation in jaxpr.eqns for variable in equation.invars}
    params, structure = jax.tree.flatten(shapes[0].params)
    # Parameters are the first arguments: Variables lists them before the statistics.
    return jax.tree.unflatten(structure, [id(variable) in read for variable in jaxpr.invars[: len(params)]])


def last_layer(network: Network, variables: Variables, inputs: PyTree) -> LastLayer:
    """Kernel and bias of the readout.

    Raises:
      ValueError: the readout is not one linear map of embeddings [n, D] with leaves "kernel" [D, C] and perhaps "bias".
    """
    marks = jax.tree.leaves(readout_leaves(network, variables, inputs))
    leaves = jax.tree_util.tree_leaves_with_path(variables.params)
    read = {getattr(path[-1], "key", None): leaf for (path, leaf), mark in zip(leaves, marks, strict=True) if mark}
    kernel = read.get("kernel")
    shapes = {jax.tree_util.keystr(path): leaf.shape for (path, leaf), mark in zip(leaves, marks, strict=True) if mark}
    if sum(marks) != len(read) or not set(read) <= {"kernel", "bias"} or kernel is None or kernel.ndim != 2:
        raise ValueError(
            "expected a readout that is one linear layer with leaves 'kernel' [D, C] and 'bias' [C], "
            f"got one that reads {shapes}"
        )
    return LastLayer(kernel, read.get("bias"))
