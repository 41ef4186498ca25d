"""Cuts a foreign network before its last linear layer, which is named or found, and verified to be the last."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from bal.networks._network import ReadoutFn, Variables
from bal.types import PyTree


class StandIn(NamedTuple):
    """A function of embeddings that replaces one layer of a module."""

    layer: str  # dotted path
    fn: Callable[[Array], Array]


class Cut(NamedTuple):
    """The last linear layer of a foreign network."""

    layer: str  # dotted path
    readout: ReadoutFn  # this layer alone
    # (variables, inputs, stand-in) -> outputs without noise; of one point if the module takes one point
    run: Callable[[Variables, PyTree, StandIn], Array]


def check_name(adapter: str, layer: str, widths: Mapping[str, tuple[int, int]], num_outputs: int) -> None:
    """Raise unless a layer of that name exists and has the outputs of the network.

    Args:
      adapter: its name, for the message.
      layer: dotted path.
      widths: of the linear layers: name -> (inputs, outputs).
      num_outputs: of the network.
    """
    if not widths:
        raise ValueError(f"expected no last_layer for a network of {adapter} without linear layers, got {layer!r}")
    known = ", ".join(f"{name!r} ({inputs} to {outputs})" for name, (inputs, outputs) in widths.items())
    if layer not in widths:
        raise ValueError(f"expected last_layer of {adapter} to be one of the linear layers {known}, got {layer!r}")
    if widths[layer][1] != num_outputs:
        raise ValueError(
            f"expected last_layer of {adapter} to have num_outputs={num_outputs} outputs, "
            f"got {layer!r}: the linear layers are {known}"
        )


def check_cut(adapter: str, cut: Cut, variables: Variables, inputs: PyTree) -> None:
    """Raise unless the outputs of the network are exactly those of the layer at which it is cut."""
    problem = _problem(cut, variables, inputs)
    if problem is not None:
        raise ValueError(
            f"expected the outputs of {adapter} to be those of its last linear layer {cut.layer!r}, got a network "
            f"{problem}: name another last_layer, or end the network with it (a likelihood applies the softmax)"
        )


def choose_cut(
    adapter: str,
    cut_at: Callable[[str], Cut],
    widths: Mapping[str, tuple[int, int]],
    last_layer: str | None,
    *,
    num_outputs: int,
    variables: Variables,
) -> Cut | None:
    """The cut at the layer of that name; without a name, at the layer verified to be the last; else None.

    Without a name, the shape of the inputs is not known yet, so the network is traced with vectors of the widths that
    its linear layers take. A network that does not run on these needs the name of its last layer.

    Args:
      adapter: its name, for the message.
      cut_at: the cut at a layer of that name.
      widths: of the linear layers: name -> (inputs, outputs).
      last_layer: dotted path, or None.
      num_outputs: of the network.
      variables: of the network, or their shapes.

    Raises:
      ValueError: no such linear layer, or its width differs from that of the outputs.
    """
    if last_layer is not None:
        check_name(adapter, last_layer, widths, num_outputs)
        return cut_at(last_layer)
    candidates = [cut_at(name) for name, (_, outputs) in widths.items() if outputs == num_outputs]
    for width in dict.fromkeys(inputs for inputs, _ in widths.values()):
        for cut in candidates:
            try:
                problem = _problem(cut, variables, jax.ShapeDtypeStruct((1, width), jnp.float32))
            except Exception:  # noqa: BLE001 - a foreign module may raise anything for invalid inputs
                break
            if problem is None:
                return cut
    return None


def _problem(cut: Cut, variables: Variables, inputs: PyTree) -> str | None:
    """Why this layer is not the last one, or None. Nothing is computed: the network is traced."""
    seen: list[jax.ShapeDtypeStruct] = []

    def run_recorded(variables, inputs):
        def record(embeddings):
            outputs = cut.readout(variables, embeddings[None] if embeddings.ndim == 1 else embeddings)
            outputs = outputs[0] if embeddings.ndim == 1 else outputs
            seen.append(jax.ShapeDtypeStruct(outputs.shape, outputs.dtype))
            return outputs

        return cut.run(variables, inputs, StandIn(cut.layer, record))

    outputs = jax.eval_shape(run_recorded, variables, inputs)
    if len(seen) != 1:
        return f"that calls it {len(seen)} times"

    # If the layer's outputs are replaced by a new variable, the outputs of the network must be that variable.
    def run_with(variables, inputs, outputs):
        return cut.run(variables, inputs, StandIn(cut.layer, lambda embeddings: outputs))

    traced = jax.make_jaxpr(run_with)(variables, inputs, seen[0]).jaxpr
    if len(traced.outvars) != 1 or traced.outvars[0] is not traced.invars[-1]:
        return "that does more after it"
    if len(outputs.shape) > 2:
        return f"whose outputs {list(outputs.shape)} are not one vector a point"
    return None
