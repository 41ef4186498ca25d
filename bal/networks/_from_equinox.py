"""Networks from Equinox modules."""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bal.networks._adapter import adapted_network, check_factory, check_module, num_points
from bal.networks._cut import Cut, StandIn, choose_cut
from bal.networks._network import Network, Variables
from bal.types import PyTree, RngKey


def from_equinox(
    module: Any,
    *,
    num_outputs: int,
    last_layer: str | None = None,
    convolutional: bool = False,
) -> Network:
    """A network from any Equinox module that is called with one input, without a batch axis.

    Floating arrays are parameters, in a dictionary by path; a "weight" with two or more axes is called "kernel" there,
    the name to which weight decay applies. If the module takes ``key``, dropout is on in training, and a draw has one
    key for all points.

    Args:
      module: a trained module, whose weights are the initial ones whatever the key; or a function of rng_key that makes
        a module, called once for each set of parameters.
      num_outputs: width of the output.
      last_layer: dotted path of the ``eqx.nn.Linear`` whose outputs are those of the network, such as "head" or
        "layers.2"; its input is the embedding. None: it is found in networks of vectors; other networks have no
        embedding.
      convolutional: see :class:`Network`.

    Raises:
      ValueError: neither a module nor a function that makes one, a module with state, such as batch normalisation, a
        ``last_layer`` that is not a linear layer with ``num_outputs`` outputs, or (from ``init``) outputs whose shape
        is not [num_outputs], or that are not those of the last layer.

    Example:
      >>> import equinox as eqx
      >>> network = from_equinox(lambda key: eqx.nn.MLP(4, 3, width_size=8, depth=1, key=key), num_outputs=3)

    References:
      Kidger and Garcia 2021, Equinox: neural networks in JAX via callable PyTrees, arXiv:2111.00254
    """
    import equinox as eqx

    create = _factory(module)
    template: Any = eqx.filter_eval_shape(create, jax.random.key(0))
    check_module("from_equinox", template, eqx.Module)
    is_state = lambda leaf: isinstance(leaf, eqx.nn.StateIndex)
    if any(map(is_state, jax.tree.leaves(template, is_leaf=is_state))):
        raise ValueError("expected a module without state for from_equinox, got one with eqx.nn.StateIndex")
    is_array = lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct)
    static = eqx.filter(template, is_array, inverse=True)
    takes_key = "key" in inspect.signature(template).parameters
    is_linear = lambda leaf: isinstance(leaf, eqx.nn.Linear)
    parts = jax.tree_util.tree_leaves_with_path(template, is_leaf=is_linear)
    layers = {_dotted(path): (path, part) for path, part in parts if is_linear(part) and path}

    def split(module) -> Variables:
        params, rest = eqx.partition(module, eqx.is_inexact_array)
        return Variables(_named(params), _named(eqx.filter(rest, eqx.is_array)) or ())

    def merge(variables: Variables, stand_in: StandIn | None = None):
        def look_up(path, leaf):
            owner, name = _place(path, leaf)
            params = variables.params.get(owner, {})
            return params[name] if name in params else variables.statistics[owner][name]

        filled = jax.tree_util.tree_map_with_path(look_up, eqx.filter(template, is_array))
        merged = eqx.combine(filled, static)
        if stand_in is None:
            return merged
        path, fn = layers[stand_in.layer][0], stand_in.fn
        return eqx.tree_at(lambda whole: _at(whole, path), merged, lambda embedding, *, key=None: fn(embedding))

    def evaluate_point(variables, point, stand_in=None):
        return eqx.nn.inference_mode(merge(variables, stand_in))(point)

    def evaluate(variables, inputs, stand_in=None):
        return jax.vmap(lambda point: evaluate_point(variables, point, stand_in))(inputs)

    def noisy(variables: Variables, inputs: PyTree, keys, key_axis: int | None, stand_in: StandIn | None = None):
        merged = eqx.nn.inference_mode(merge(variables, stand_in), value=False)
        return jax.vmap(lambda point, key: merged(point, key=key), in_axes=(0, key_axis))(inputs, keys)

    def draw(rng_key, variables, inputs, stand_in=None):
        return noisy(variables, inputs, rng_key, None, stand_in)

    def train(rng_key, variables, inputs):
        if not takes_key:
            return evaluate(variables, inputs), variables.statistics
        keys = jax.random.split(rng_key, num_points(inputs))
        return noisy(variables, inputs, keys, 0), variables.statistics

    def cut_at(name: str) -> Cut:
        def readout(variables, embeddings):
            return jax.vmap(_at(merge(variables), layers[name][0]))(embeddings)

        def run(variables, inputs, stand_in):
            return evaluate_point(variables, jax.tree.map(lambda leaf: leaf[0], inputs), stand_in)

        return Cut(name, readout, run)

    shapes = eqx.filter_eval_shape(lambda: split(create(jax.random.key(0))))
    widths = {name: (layer.in_features, layer.out_features) for name, (_, layer) in layers.items()}
    return adapted_network(
        "from_equinox",
        init=lambda rng_key, inputs: split(create(rng_key)),
        evaluate=evaluate,
        train=train,
        draw=draw if takes_key else None,
        num_outputs=num_outputs,
        convolutional=convolutional,
        trained=create is not module,
        cut=choose_cut("from_equinox", cut_at, widths, last_layer, num_outputs=num_outputs, variables=shapes),
    )


def _factory(module: Any) -> Callable[[RngKey], Any]:
    """A function of a key that returns the trained module, or the given function."""
    import equinox as eqx

    is_array = lambda leaf: eqx.is_array(leaf) or isinstance(leaf, np.ndarray)
    # A module without arrays is a function that Equinox has wrapped, such as eqx.filter_jit(create).
    if isinstance(module, eqx.Module) and any(map(is_array, jax.tree.leaves(module))):
        trained = jax.tree.map(lambda leaf: jnp.asarray(leaf) if is_array(leaf) else leaf, module)
        return lambda rng_key: trained
    check_factory("from_equinox", module, "rng_key")
    return module


def _at(module: Any, path) -> Any:
    for entry in path:
        is_attribute = isinstance(entry, jax.tree_util.GetAttrKey)
        module = (
            getattr(module, entry.name) if is_attribute else module[getattr(entry, "idx", getattr(entry, "key", None))]
        )
    return module


def _place(path, leaf) -> tuple[str, str]:
    """The path of an array: the module it belongs to, and its name there."""
    name = _dotted(path[-1:])
    return _dotted(path[:-1]), "kernel" if name == "weight" and len(leaf.shape) >= 2 else name


def _named(arrays: PyTree) -> dict[str, dict[str, Array]]:
    named: dict[str, dict[str, Array]] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(arrays):
        owner, name = _place(path, leaf)
        named.setdefault(owner, {})[name] = leaf
    return named


def _dotted(path) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")
