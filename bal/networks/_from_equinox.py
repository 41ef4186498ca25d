"""Networks from Equinox modules."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array

from bal.networks._adapter import whole_network
from bal.networks._network import Network, Variables
from bal.types import PyTree, RngKey


def from_equinox(create: Callable[[RngKey], Any], *, num_outputs: int, convolutional: bool = False) -> Network:
    """A network from any Equinox module that is called with one input, without a batch axis.

    Floating arrays are parameters, in a dictionary by place; a "weight" of two axes or more is called "kernel" there,
    the name to which weight decay applies. If the module takes ``key``, dropout is on in training, and a draw has one
    key for all points. Its embeddings are its outputs.

    Args:
      create: rng_key -> module. It is called anew for each set of parameters.
      num_outputs: width of the output.
      convolutional: see :class:`Network`.

    Raises:
      ValueError: a module with state, such as batch normalisation, or (from ``init``) outputs of another shape than
        [num_outputs].

    References:
      Kidger and Garcia 2021, Equinox: neural networks in JAX via callable PyTrees, arXiv:2111.00254
    """
    import equinox as eqx

    template = eqx.filter_eval_shape(create, jax.random.key(0))
    is_state = lambda leaf: isinstance(leaf, eqx.nn.StateIndex)
    if any(map(is_state, jax.tree.leaves(template, is_leaf=is_state))):
        raise ValueError("expected a module without state for from_equinox, got one with eqx.nn.StateIndex")
    is_array = lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct)
    static = eqx.filter(template, is_array, inverse=True)
    takes_key = "key" in inspect.signature(template.__call__).parameters

    def split(module) -> Variables:
        params, rest = eqx.partition(module, eqx.is_inexact_array)
        return Variables(_named(params), _named(eqx.filter(rest, eqx.is_array)) or ())

    def merge(variables: Variables):
        def look_up(path, leaf):
            owner, name = _place(path, leaf)
            params = variables.params.get(owner, {})
            return params[name] if name in params else variables.statistics[owner][name]

        filled = jax.tree_util.tree_map_with_path(look_up, eqx.filter(template, is_array))
        return eqx.combine(filled, static)

    def evaluate(variables, inputs):
        module = eqx.nn.inference_mode(merge(variables))
        return jax.vmap(lambda point: module(point))(inputs)

    def noisy(variables: Variables, inputs: Array, keys, key_axis: int | None):
        module = eqx.nn.inference_mode(merge(variables), value=False)
        return jax.vmap(lambda point, key: module(point, key=key), in_axes=(0, key_axis))(inputs, keys)

    def train(rng_key, variables, inputs):
        if not takes_key:
            return evaluate(variables, inputs), variables.statistics
        keys = jax.random.split(rng_key, inputs.shape[0])
        return noisy(variables, inputs, keys, 0), variables.statistics

    return whole_network(
        "from_equinox",
        init=lambda rng_key, inputs: split(create(rng_key)),
        evaluate=evaluate,
        train=train,
        draw=(lambda rng_key, variables, inputs: noisy(variables, inputs, rng_key, None)) if takes_key else None,
        num_outputs=num_outputs,
        convolutional=convolutional,
    )


def _place(path, leaf) -> tuple[str, str]:
    """Where an array is kept: the module it belongs to, and its name there."""
    owner = jax.tree_util.keystr(path[:-1], simple=True, separator=".")
    name = jax.tree_util.keystr(path[-1:], simple=True)
    return owner, "kernel" if name == "weight" and len(leaf.shape) >= 2 else name


def _named(arrays: PyTree) -> dict[str, dict[str, Array]]:
    named: dict[str, dict[str, Array]] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(arrays):
        owner, name = _place(path, leaf)
        named.setdefault(owner, {})[name] = leaf
    return named
