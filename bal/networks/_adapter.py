"""Functions shared by the adapters of foreign networks, including the check of their outputs."""

import inspect
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from bal.networks._cut import Cut, StandIn, check_cut
from bal.networks._network import FeaturesFn, InitVariablesFn, Network, Training, Variables
from bal.types import PyTree, RngKey
from bal.validation import check_count


@runtime_checkable
class EvaluateFn(Protocol):
    """A foreign module without noise."""

    def __call__(self, variables: Variables, inputs: PyTree, stand_in: StandIn | None = None, /) -> Any:
        """Outputs [n, ...]; a stand-in replaces one layer by another function."""
        ...


@runtime_checkable
class DrawFn(Protocol):
    """A foreign module under one draw of its noise."""

    def __call__(
        self, rng_key: RngKey, variables: Variables, inputs: PyTree, stand_in: StandIn | None = None, /
    ) -> Array:
        """Outputs [n, ...], the same function for all points."""
        ...


def adapted_network(
    adapter: str,
    init: InitVariablesFn,
    evaluate: EvaluateFn,
    train: Callable[[RngKey, Variables, PyTree], tuple[Array, PyTree]],
    draw: DrawFn | None,
    *,
    num_outputs: int,
    convolutional: bool,
    cut: Cut | None = None,
    trained: bool = False,
    features: FeaturesFn | None = None,
) -> Network:
    """A network whose head is the whole module, or all of it except the last linear layer.

    Args:
      adapter: its name, for errors.
      init: draws variables, or returns those of a trained module.
      evaluate: outputs without noise.
      train: (rng_key, variables, inputs) -> outputs and statistics, with fresh noise for each example.
      draw: outputs of one draw; None: the module has no noise.
      num_outputs: width that the outputs must have.
      convolutional: see :class:`Network`.
      cut: the last linear layer; None: the network has no embedding.
      trained: whether ``init`` returns the weights of a trained module.
      features: intermediate features, without noise; training uses the same ones.
    """
    check_count("num_outputs", num_outputs)
    stand_in = None if cut is None else StandIn(cut.layer, lambda embeddings: embeddings)

    def checked_init(rng_key: RngKey, inputs: PyTree) -> Variables:
        variables = init(rng_key, inputs)
        outputs = jax.eval_shape(evaluate, variables, inputs)
        shape = getattr(outputs, "shape", None)
        if shape is None:
            raise ValueError(
                f"expected the network of {adapter} to return one array, got {jax.tree.structure(outputs)}"
            )
        if len(shape) < 2 or shape[0] != num_points(inputs) or shape[-1] != num_outputs:
            raise ValueError(
                f"expected the network of {adapter} to return [n, {num_outputs}] for inputs {_shapes(inputs)}, "
                f"got {list(shape)}"
            )
        if cut is not None:
            check_cut(adapter, cut, variables, inputs)
        return variables

    def head(variables: Variables, hidden: PyTree, rng_key: RngKey | None) -> Array:
        if rng_key is None:
            return evaluate(variables, hidden, stand_in)
        if draw is None:
            raise ValueError(
                f"expected a network with noise to draw from, got one of {adapter} that has none: "
                "use a posterior that draws weights, such as deep_ensemble"
            )
        return draw(rng_key, variables, hidden, stand_in)

    def checked_train(rng_key: RngKey, variables: Variables, inputs: PyTree) -> Training:
        outputs, statistics = train(rng_key, variables, inputs)
        return Training(outputs, statistics, jnp.zeros(()), {} if features is None else features(variables, inputs))

    return Network(
        init=checked_init,
        trunk=lambda variables, inputs: inputs,
        head=head,
        readout=(lambda variables, embeddings: embeddings) if cut is None else cut.readout,
        train=checked_train,
        convolutional=convolutional,
        features=features,
        embeds=cut is not None,
        trained=trained,
    )


def one_draw_for_all_points(draw: DrawFn) -> DrawFn:
    """Call a network on each point separately with the same key, so that foreign dropout, which would draw a mask for
    each example, draws the same mask for all."""

    def draw_once(rng_key: RngKey, variables: Variables, inputs: PyTree, stand_in: StandIn | None = None) -> Array:
        def one(point):
            return draw(rng_key, variables, jax.tree.map(lambda leaf: leaf[None], point), stand_in)[0]

        return jax.vmap(one)(inputs)

    return draw_once


def check_factory(adapter: str, create: Any, takes: str) -> None:
    """Raise unless this is a function of one argument."""
    expected = f"expected a module or a function of {takes} that makes one for {adapter}"
    if not callable(create):
        raise ValueError(f"{expected}, got {create!r} of type {type(create).__name__}")
    # The metaclass of a Flax module hides the arguments of the class.
    is_class = isinstance(create, type)
    fn, arguments = (create.__init__, (None, None)) if is_class else (create, (None,))
    try:
        inspect.signature(fn).bind(*arguments)
    except ValueError:  # some functions written in C have no signature
        return
    except TypeError:
        raise ValueError(
            f"{expected}, got {create!r}, which takes other arguments: write lambda {takes}: ..."
        ) from None


def check_module(adapter: str, module: Any, kind: type) -> None:
    """Raise unless this is a module that can be called."""
    if not isinstance(module, kind) or not callable(module):
        raise ValueError(
            f"expected a callable {kind.__name__} of {kind.__module__.split('.')[0]} for {adapter}, "
            f"got {type(module).__name__}"
        )


def num_points(inputs: PyTree) -> int:
    """The number of points n, the length of every leaf."""
    return jax.tree.leaves(inputs)[0].shape[0]


def _shapes(inputs: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: list(leaf.shape), inputs)
