"""Networks from Flax NNX modules."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from bal.networks._adapter import adapted_network, check_factory, check_module, one_draw_for_all_points
from bal.networks._cut import Cut, StandIn, choose_cut
from bal.networks._network import Network, Variables


def from_nnx(
    module: nnx.Module | Callable[[nnx.Rngs], nnx.Module],
    *,
    num_outputs: int,
    last_layer: str | None = None,
    convolutional: bool = False,
) -> Network:
    """A network from any NNX module that is called with inputs [n, ...].

    Dropout and batch normalisation are switched by their attributes ``deterministic`` and ``use_running_average``: both
    are False in training; a draw has dropout, with one mask for all points, and running averages. Running statistics
    are in ``Variables.statistics``.

    Args:
      module: a trained module, whose current weights are the initial ones whatever the key; or a function of rngs that
        makes a module, called once for each set of parameters.
      num_outputs: width of the output.
      last_layer: dotted path of the ``nnx.Linear`` whose outputs are those of the network, such as "head" or
        "layers.2"; its input is the embedding. None: it is found in networks of vectors; other networks have no
        embedding.
      convolutional: see :class:`Network`.

    Raises:
      ValueError: neither a module nor a function that makes one, a ``last_layer`` that is not a linear layer with
        ``num_outputs`` outputs, or (from ``init``) outputs whose shape is not [n, num_outputs], or that are not
        those of the last layer.

    Example:
      >>> trained = nnx.Sequential(nnx.Linear(4, 8, rngs=nnx.Rngs(0)), nnx.relu, nnx.Linear(8, 3, rngs=nnx.Rngs(1)))
      >>> network = from_nnx(trained, num_outputs=3, last_layer="layers.2")
      >>> variables = network.init(jax.random.key(0), jnp.zeros((2, 4)))
      >>> network.head(variables, jnp.zeros((2, 4)), None).shape
      (2, 8)
    """
    create = _factory(module)
    template = nnx.eval_shape(lambda: create(nnx.Rngs(jax.random.key(0)))) if create is not None else module
    graph, _, noise, _ = nnx.split(template, nnx.Param, nnx.RngState, ...)
    noise = nnx.to_pure_dict(noise)
    layers = {
        ".".join(map(str, path)): (path, layer) for path, layer in nnx.iter_modules(template) if _is_cut(path, layer)
    }

    def split(module) -> Variables:
        _, params, _, statistics = nnx.split(module, nnx.Param, nnx.RngState, ...)
        return Variables(nnx.to_pure_dict(params), nnx.to_pure_dict(statistics) or ())

    def merge(variables: Variables, rng_key, stand_in: StandIn | None = None):
        leaves, structure = jax.tree.flatten(noise)
        # Each random stream of the module has its own key, and its counter starts at 0.
        filled = [
            jax.random.fold_in(rng_key, i)
            if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
            else jnp.zeros(leaf.shape, leaf.dtype)
            for i, leaf in enumerate(leaves)
        ]
        merged = nnx.merge(graph, variables.params, jax.tree.unflatten(structure, filled), variables.statistics or {})
        if stand_in is not None:
            *owner, name = layers[stand_in.layer][0]
            _put(_at(merged, owner), name, _Replaced(stand_in.fn))
        return merged

    def evaluate(variables, inputs, stand_in=None):
        # The streams of the module need a key, although they are not used here.
        merged = merge(variables, jax.random.key(0), stand_in)
        merged.eval()
        return merged(inputs)

    def draw(rng_key, variables, inputs, stand_in=None):
        merged = merge(variables, rng_key, stand_in)
        merged.eval()
        merged.set_attributes(deterministic=False, raise_if_not_found=False)
        return merged(inputs)

    def train(rng_key, variables, inputs):
        merged = merge(variables, rng_key)
        merged.train()
        outputs = merged(inputs)
        return outputs, split(merged).statistics

    def cut_at(name: str) -> Cut:
        def readout(variables, embeddings):
            return _at(merge(variables, jax.random.key(0)), layers[name][0])(embeddings)

        return Cut(name, readout, evaluate)

    initial = split(template)  # shapes, where nothing is trained
    widths = {name: (layer.in_features, layer.out_features) for name, (_, layer) in layers.items()}
    return adapted_network(
        "from_nnx",
        init=lambda rng_key, inputs: initial if create is None else split(create(nnx.Rngs(rng_key))),
        evaluate=evaluate,
        train=train,
        draw=one_draw_for_all_points(draw) if noise else None,
        num_outputs=num_outputs,
        convolutional=convolutional,
        trained=create is None,
        cut=choose_cut("from_nnx", cut_at, widths, last_layer, num_outputs=num_outputs, variables=initial),
    )


def _factory(module: Any) -> Callable[[nnx.Rngs], nnx.Module] | None:
    """The given function; None for a trained module."""
    if isinstance(module, nnx.Module):
        check_module("from_nnx", module, nnx.Module)
        return None
    check_factory("from_nnx", module, "rngs")

    def create(rngs: nnx.Rngs) -> nnx.Module:
        made = module(rngs)
        check_module("from_nnx", made, nnx.Module)
        return made

    return create


class _Replaced(nnx.Module):
    """A function that replaces a layer."""

    def __init__(self, fn: Callable):
        self.fn = fn

    def __call__(self, embeddings):
        return self.fn(embeddings)


def _is_cut(path: tuple, layer: Any) -> bool:
    """Whether a network can be cut there: at a linear layer that is part of a module."""
    return bool(path) and isinstance(layer, nnx.Linear)


def _at(module: Any, path) -> Any:
    for name in path:
        module = module[name] if isinstance(name, int) else getattr(module, name)
    return module


def _put(owner: Any, name: str | int, layer: nnx.Module) -> None:
    if isinstance(name, int):
        owner[name] = layer
    else:
        setattr(owner, name, layer)
