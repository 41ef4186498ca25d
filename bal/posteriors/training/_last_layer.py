"""Which parameters of a network are its last linear layer: those that the readout uses."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from bal.networks import Network, Training, Variables
from bal.types import PyTree, RngKey


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


def embedding_width(network: Network, rng_key: RngKey, inputs: PyTree) -> int:
    """Numbers D in an embedding. Only shapes matter; nothing is computed.

    Raises:
      ValueError: embeddings that are not [n, D].
    """
    shape = jax.eval_shape(lambda: embed(network, network.init(rng_key, inputs), inputs)).shape
    if len(shape) != 2:
        raise ValueError(f"expected a network with embeddings of shape [n, D], got {list(shape)}")
    return shape[1]


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


def train_embeddings(network: Network, rng_key: RngKey, variables: Variables, inputs: PyTree) -> tuple[Array, Training]:
    """Embeddings [n, D] as they are in training, with its noise, and the other values of a training step.

    In training a network returns outputs only. They are the embeddings where the last layer is the identity, whose
    columns are taken in groups of C, as many as the network has outputs. What does not depend on the group is not
    batched: the body is computed once.

    Raises:
      ValueError: see :func:`last_layer`.
    """
    kernel = last_layer(network, variables, inputs).kernel
    width = jax.eval_shape(lambda *both: embed(network, *both), variables, inputs).shape[-1]
    transposed = kernel.shape[0] != width
    num_outputs = kernel.shape[0 if transposed else 1]
    num_groups = -(-width // num_outputs)
    columns = jnp.eye(width, num_groups * num_outputs, dtype=kernel.dtype)
    groups = columns.reshape(width, num_groups, num_outputs).swapaxes(0, 1)
    marks = readout_leaves(network, variables, inputs)

    def train_group(group: Array) -> Training:
        def replace(leaf, is_last):
            if not is_last:
                return leaf
            return jnp.zeros_like(leaf) if leaf.ndim == 1 else group.T if transposed else group

        params = jax.tree.map(replace, variables.params, marks)
        return network.train(rng_key, Variables(params, variables.statistics), inputs)

    training = jax.vmap(train_group)(groups)
    embeddings = jnp.moveaxis(training.outputs, 0, 1).reshape(training.outputs.shape[1], -1)[:, :width]
    return embeddings, jax.tree.map(lambda leaf: leaf[0], training)
