"""Networks from Flax modules of both kinds, NNX and Linen."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen, nnx

from bal.networks._adapter import one_draw_for_all_points, whole_network
from bal.networks._network import Network, Variables


def from_nnx(create: Callable[[nnx.Rngs], nnx.Module], *, num_outputs: int, convolutional: bool = False) -> Network:
    """A network from any NNX module that is called with inputs [n, ...].

    Dropout and batch normalisation work by their attributes ``deterministic`` and ``use_running_average``: both off in
    training; a draw has dropout, with one mask for all points, and running averages. Running statistics are in
    ``Variables.statistics``. Its embeddings are its outputs.

    Args:
      create: rngs -> module. It is called anew for each set of parameters.
      num_outputs: width of the output.
      convolutional: see :class:`Network`.

    Raises:
      ValueError: (from ``init``) outputs of another shape than [n, num_outputs].

    Example:
      >>> network = from_nnx(lambda rngs: nnx.Linear(4, 3, rngs=rngs), num_outputs=3)
      >>> network.init(jax.random.key(0), jnp.zeros((1, 4))).params["kernel"].shape
      (4, 3)
    """
    template = nnx.eval_shape(lambda: create(nnx.Rngs(jax.random.key(0))))
    graph, _, noise, _ = nnx.split(template, nnx.Param, nnx.RngState, ...)
    noise = nnx.to_pure_dict(noise)

    def split(module) -> Variables:
        _, params, _, statistics = nnx.split(module, nnx.Param, nnx.RngState, ...)
        return Variables(nnx.to_pure_dict(params), nnx.to_pure_dict(statistics) or ())

    def merge(variables: Variables, rng_key):
        leaves, structure = jax.tree.flatten(noise)
        # Each stream of random numbers in the module has a key of its own, and counts from 0.
        filled = [
            jax.random.fold_in(rng_key, i)
            if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
            else jnp.zeros(leaf.shape, leaf.dtype)
            for i, leaf in enumerate(leaves)
        ]
        return nnx.merge(graph, variables.params, jax.tree.unflatten(structure, filled), variables.statistics or {})

    def evaluate(variables, inputs):
        # The key fills the streams of a module that does not use them here.
        module = merge(variables, jax.random.key(0))
        module.eval()
        return module(inputs)

    def draw(rng_key, variables, inputs):
        module = merge(variables, rng_key)
        module.eval()
        module.set_attributes(deterministic=False, raise_if_not_found=False)
        return module(inputs)

    def train(rng_key, variables, inputs):
        module = merge(variables, rng_key)
        module.train()
        outputs = module(inputs)
        return outputs, split(module).statistics

    return whole_network(
        "from_nnx",
        init=lambda rng_key, inputs: split(create(nnx.Rngs(rng_key))),
        evaluate=evaluate,
        train=train,
        draw=one_draw_for_all_points(draw) if noise else None,
        num_outputs=num_outputs,
        convolutional=convolutional,
    )


def from_linen(
    module: linen.Module,
    *,
    num_outputs: int,
    evaluate_with: Mapping[str, Any] | None = None,
    train_with: Mapping[str, Any] | None = None,
    draw_with: Mapping[str, Any] | None = None,
    convolutional: bool = False,
) -> Network:
    """A network from any Linen module that is called with inputs [n, ...].

    Linen modules are told by keyword arguments of their own what they are called for, so these are given here. All
    collections but "params", such as "batch_stats", are in ``Variables.statistics``. Its embeddings are its outputs.

    Args:
      module: the module, without variables.
      num_outputs: width of the output.
      evaluate_with: keyword arguments for predicting, such as ``{"train": False}``.
      train_with: keyword arguments for training, such as ``{"train": True}``; its noise stream is "dropout".
      draw_with: keyword arguments for a draw: dropout on, batch statistics not updated. A draw has one mask for all
        points. None: the network has no draws.
      convolutional: see :class:`Network`.

    Raises:
      ValueError: (from ``init``) outputs of another shape than [n, num_outputs].

    Example:
      >>> network = from_linen(linen.Dense(3), num_outputs=3)
      >>> network.init(jax.random.key(0), jnp.zeros((1, 4))).params["kernel"].shape
      (4, 3)
    """
    evaluate_with, train_with = evaluate_with or {}, train_with or {}

    def init(rng_key, inputs):
        collections = dict(module.init(rng_key, inputs, **evaluate_with))
        return Variables(collections.pop("params", {}), collections or ())

    def collections_of(variables: Variables):
        return {"params": variables.params, **(variables.statistics or {})}

    def draw(rng_key, variables, inputs):
        return module.apply(collections_of(variables), inputs, rngs={"dropout": rng_key}, **(draw_with or {}))

    def train(rng_key, variables, inputs):
        mutable = list(variables.statistics or {})
        outputs, updated = module.apply(
            collections_of(variables), inputs, rngs={"dropout": rng_key}, mutable=mutable, **train_with
        )
        return outputs, dict(updated) or ()

    return whole_network(
        "from_linen",
        init=init,
        evaluate=lambda variables, inputs: module.apply(collections_of(variables), inputs, **evaluate_with),
        train=train,
        draw=None if draw_with is None else one_draw_for_all_points(draw),
        num_outputs=num_outputs,
        convolutional=convolutional,
    )
