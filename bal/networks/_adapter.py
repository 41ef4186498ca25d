"""What adapters of foreign networks share: a network that is not cut into parts, and the check of its outputs."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from bal.networks._network import Network, Training, Variables
from bal.types import PyTree, RngKey


def whole_network(
    name: str,
    init: Callable[[RngKey, Array], Variables],
    evaluate: Callable[[Variables, Array], Array],
    train: Callable[[RngKey, Variables, Array], tuple[Array, PyTree]],
    draw: Callable[[RngKey, Variables, Array], Array] | None,
    *,
    num_outputs: int,
    convolutional: bool,
    features: Callable[[Variables, Array], dict[str, Array]] | None = None,
) -> Network:
    """A network whose head is all of it; its embeddings are its outputs.

    Args:
      name: of the adapter, for its errors.
      init: (rng_key, inputs) -> variables.
      evaluate: (variables, inputs) -> outputs, without noise.
      train: (rng_key, variables, inputs) -> outputs and statistics, with fresh noise for each example.
      draw: (rng_key, variables, inputs) -> outputs of one draw, the same function for all points; None: no noise.
      num_outputs: width that the outputs must have.
      convolutional: see :class:`Network`.
      features: (variables, inputs) -> intermediate features, without noise; training has the same ones.
    """

    def checked_init(rng_key: RngKey, inputs: Array) -> Variables:
        variables = init(rng_key, inputs)
        outputs = jax.eval_shape(evaluate, variables, inputs)
        shape = getattr(outputs, "shape", None)
        if shape is None:
            raise ValueError(f"expected the network of {name} to return one array, got {jax.tree.structure(outputs)}")
        if len(shape) < 2 or shape[0] != inputs.shape[0] or shape[-1] != num_outputs:
            raise ValueError(
                f"expected the network of {name} to return [n, {num_outputs}] for inputs {list(inputs.shape)}, "
                f"got {list(shape)}"
            )
        return variables

    def head(variables: Variables, hidden: Array, rng_key: RngKey | None) -> Array:
        if rng_key is None:
            return evaluate(variables, hidden)
        if draw is None:
            raise ValueError(
                f"expected a network with noise to draw from, got one of {name} that has none: "
                "use a posterior that draws weights, such as deep_ensemble"
            )
        return draw(rng_key, variables, hidden)

    def checked_train(rng_key: RngKey, variables: Variables, inputs: Array) -> Training:
        outputs, statistics = train(rng_key, variables, inputs)
        return Training(outputs, statistics, jnp.zeros(()), {} if features is None else features(variables, inputs))

    return Network(
        init=checked_init,
        trunk=lambda variables, inputs: inputs,
        head=head,
        readout=lambda variables, embeddings: embeddings,
        train=checked_train,
        convolutional=convolutional,
        features=features,
    )


def one_draw_for_all_points(
    call: Callable[[RngKey, Variables, Array], Array],
) -> Callable[[RngKey, Variables, Array], Array]:
    """Call a network on each point alone with the same key: foreign dropout, which would draw a mask for each example,
    draws the same mask for all."""

    def draw(rng_key: RngKey, variables: Variables, inputs: Array) -> Array:
        return jax.vmap(lambda point: call(rng_key, variables, point[None])[0])(inputs)

    return draw


def from_functions(
    init: Callable[[RngKey, Array], PyTree],
    apply: Callable[[PyTree, Array], Array],
    *,
    num_outputs: int,
    convolutional: bool = False,
    features: Callable[[PyTree, Array], dict[str, Array]] | None = None,
) -> Network:
    """A network from two functions, from wherever they come.

    Its embeddings are its outputs: for rules and posteriors that need the last hidden layer, write a
    :class:`Network`. Weight decay applies to parameters in dictionaries under the name "kernel".

    Args:
      init: (rng_key, inputs [n, ...]) -> parameters.
      apply: (parameters, inputs [n, ...]) -> outputs [n, num_outputs], without noise.
      num_outputs: width of the output.
      convolutional: see :class:`Network`.
      features: (parameters, inputs) -> intermediate features by name, each [n, ..., channels], for posteriors that need
        them; what they share with ``apply`` is computed once when compiled.

    Raises:
      ValueError: (from ``init``) outputs of another shape.

    Example:
      >>> init = lambda rng_key, inputs: {"kernel": jnp.zeros((inputs.shape[1], 3))}
      >>> network = from_functions(init, lambda params, inputs: inputs @ params["kernel"], num_outputs=3)
      >>> network.init(jax.random.key(0), jnp.ones((2, 4))).params["kernel"].shape
      (4, 3)
    """
    return whole_network(
        "from_functions",
        init=lambda rng_key, inputs: Variables(init(rng_key, inputs)),
        evaluate=lambda variables, inputs: apply(variables.params, inputs),
        train=lambda rng_key, variables, inputs: (apply(variables.params, inputs), variables.statistics),
        draw=None,
        num_outputs=num_outputs,
        convolutional=convolutional,
        features=None if features is None else lambda variables, inputs: features(variables.params, inputs),
    )
