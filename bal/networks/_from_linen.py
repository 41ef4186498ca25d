"""Networks from Flax Linen modules."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen
from flax.core import unfreeze

from bal.networks._adapter import adapted_network, one_draw_for_all_points
from bal.networks._cut import Cut, StandIn, check_name, choose_cut
from bal.networks._network import Network, Variables
from bal.types import PyTree


def from_linen(
    module: linen.Module,
    *,
    num_outputs: int,
    variables: Mapping[str, Any] | None = None,
    last_layer: str | None = None,
    evaluate_with: Mapping[str, Any] | None = None,
    train_with: Mapping[str, Any] | None = None,
    draw_with: Mapping[str, Any] | None = None,
    convolutional: bool = False,
) -> Network:
    """A network from any Linen module that is called with inputs [n, ...].

    Linen modules choose between training and prediction by keyword arguments that differ from module to module; give
    them here. All collections except "params", such as "batch_stats", are in ``Variables.statistics``.

    Args:
      module: the module, without variables.
      num_outputs: width of the output.
      variables: of the trained module, ``{"params": ...}`` and its other collections, used as the initial ones whatever
        the key. None: they are drawn.
      last_layer: dotted path of the ``linen.Dense`` whose outputs are those of the network, such as "Dense_1"; its
        input is the embedding. None: it is found in trained networks of vectors; other networks have no embedding.
      evaluate_with: keyword arguments for predicting, such as ``{"train": False}``.
      train_with: keyword arguments for training, such as ``{"train": True}``; its noise stream is "dropout".
      draw_with: keyword arguments for a draw: dropout on, batch statistics not updated. A draw has one mask for all
        points. None: the network has no draws.
      convolutional: see :class:`Network`.

    Raises:
      ValueError: not a module, variables without "params", a ``last_layer`` that is not a linear layer with
        ``num_outputs`` outputs, or (from ``init``) outputs whose shape is not [n, num_outputs], or that are not
        those of the last layer.

    Example:
      >>> network = from_linen(linen.Dense(3), num_outputs=3)
      >>> network.init(jax.random.key(0), jnp.zeros((1, 4))).params["kernel"].shape
      (4, 3)
    """
    if not isinstance(module, linen.Module):
        hint = f": make an instance, such as {module.__name__}()" if isinstance(module, type) else ""
        raise ValueError(f"expected a linen module for from_linen, got {module!r}{hint}")
    trained = None if variables is None else _trained(variables)
    evaluate_with, train_with = evaluate_with or {}, train_with or {}

    def init(rng_key, inputs):
        initial = trained
        if initial is None:
            collections = dict(module.init(rng_key, inputs, **evaluate_with))
            initial = Variables(collections.pop("params", {}), collections or ())
        if last_layer is not None:
            check_name("from_linen", last_layer, _widths(initial.params), num_outputs)
        return initial

    def apply(variables: Variables, inputs, stand_in: StandIn | None, **settings):
        collections = {"params": variables.params, **(variables.statistics or {})}
        if stand_in is None:
            return module.apply(collections, inputs, **settings)

        def intercept(call, args, kwargs, context):
            is_there = ".".join(context.module.path) == stand_in.layer and context.method_name == "__call__"
            if not is_there:
                return call(*args, **kwargs)
            if not isinstance(context.module, linen.Dense):
                raise ValueError(
                    f"expected last_layer of from_linen to be a linen.Dense, "
                    f"got {stand_in.layer!r} of type {type(context.module).__name__}"
                )
            return stand_in.fn(args[0])

        with linen.intercept_methods(intercept):
            return module.apply(collections, inputs, **settings)

    def evaluate(variables, inputs, stand_in=None):
        return apply(variables, inputs, stand_in, **evaluate_with)

    def draw(rng_key, variables, inputs, stand_in=None):
        return apply(variables, inputs, stand_in, rngs={"dropout": rng_key}, **(draw_with or {}))

    def train(rng_key, variables, inputs):
        mutable = list(variables.statistics or {})
        outputs, updated = apply(variables, inputs, None, rngs={"dropout": rng_key}, mutable=mutable, **train_with)
        return outputs, dict(updated) or ()

    def cut_at(name: str) -> Cut:
        def readout(variables, embeddings):
            layer = variables.params
            for part in name.split("."):
                layer = layer[part]
            outputs = embeddings @ layer["kernel"]
            return outputs + layer["bias"][None] if "bias" in layer else outputs

        return Cut(name, readout, evaluate)

    cut = None
    if trained is not None:
        cut = choose_cut(
            "from_linen", cut_at, _widths(trained.params), last_layer, num_outputs=num_outputs, variables=trained
        )
    elif last_layer is not None:
        cut = cut_at(last_layer)  # its name is checked by init, before which a Linen module has no layers
    return adapted_network(
        "from_linen",
        init=init,
        evaluate=evaluate,
        train=train,
        draw=None if draw_with is None else one_draw_for_all_points(draw),
        num_outputs=num_outputs,
        convolutional=convolutional,
        cut=cut,
        trained=trained is not None,
    )


def _trained(variables: Mapping[str, Any]) -> Variables:
    if not isinstance(variables, Mapping) or "params" not in variables:
        got = sorted(variables) if isinstance(variables, Mapping) else type(variables).__name__
        raise ValueError(f'expected variables={{"params": ...}} as module.init returns them, got {got}')
    collections = jax.tree.map(jnp.asarray, dict(unfreeze(variables)))
    return Variables(collections.pop("params"), collections or ())


def _widths(params: PyTree, path: tuple[str, ...] = ()) -> dict[str, tuple[int, int]]:
    """Widths of the linear layers by path, from the parameters: a Linen module does not list its submodules."""
    widths: dict[str, tuple[int, int]] = {}
    if path and getattr(params.get("kernel"), "ndim", 0) == 2:
        widths[".".join(path)] = params["kernel"].shape
    for name, part in params.items():
        if isinstance(part, Mapping):
            widths.update(_widths(part, (*path, name)))
    return widths
