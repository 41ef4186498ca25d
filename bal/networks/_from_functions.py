"""Networks from two functions."""

from collections.abc import Callable

from jaxtyping import Array

from bal.networks._adapter import adapted_network
from bal.networks._network import Network, Variables
from bal.types import PyTree, RngKey


def from_functions(
    init: Callable[[RngKey, PyTree], PyTree],
    apply: Callable[[PyTree, PyTree], Array],
    *,
    num_outputs: int,
    convolutional: bool = False,
    features: Callable[[PyTree, PyTree], dict[str, Array]] | None = None,
) -> Network:
    """A network from two plain functions.

    It has no embedding; for strategies and posteriors that need the last hidden layer, write a :class:`Network`.
    Weight decay applies to parameters in dictionaries under the name "kernel".

    Args:
      init: (rng_key, inputs [n, ...]) -> parameters.
      apply: (parameters, inputs [n, ...]) -> outputs [n, num_outputs], without noise.
      num_outputs: width of the output.
      convolutional: see :class:`Network`.
      features: (parameters, inputs) -> intermediate features by name, each [n, ..., channels], for posteriors that need
        them; when compiled, computations shared with ``apply`` run once.

    Raises:
      ValueError: (from ``init``) outputs of another shape.

    Example:
      >>> import jax, jax.numpy as jnp
      >>> init = lambda rng_key, inputs: {"kernel": jnp.zeros((inputs.shape[1], 3))}
      >>> network = from_functions(init, lambda params, inputs: inputs @ params["kernel"], num_outputs=3)
      >>> network.init(jax.random.key(0), jnp.ones((2, 4))).params["kernel"].shape
      (4, 3)
    """
    return adapted_network(
        "from_functions",
        init=lambda rng_key, inputs: Variables(init(rng_key, inputs)),
        evaluate=lambda variables, inputs, stand_in=None: apply(variables.params, inputs),
        train=lambda rng_key, variables, inputs: (apply(variables.params, inputs), variables.statistics),
        draw=None,
        num_outputs=num_outputs,
        convolutional=convolutional,
        features=None if features is None else lambda variables, inputs: features(variables.params, inputs),
    )
