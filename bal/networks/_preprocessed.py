"""A network with a transform of its inputs."""

from collections.abc import Callable

import jax

from bal.networks._network import Network
from bal.types import PyTree


def preprocessed(network: Network, transform: Callable[[PyTree], PyTree]) -> Network:
    """The network with a function applied to its inputs first.

    The data set stays small, in its stored form: for example, its images are uint8 and become floats here, or its
    dictionary of arrays becomes one array.

    Args:
      network: takes the transformed inputs.
      transform: inputs, leaves [n, ...] -> inputs of the network, leaves [n, ...]. It must treat points independently
        and be deterministic: for noise on training inputs, use the setting ``augment`` of a posterior.

    Raises:
      ValueError: ``transform`` is not a function, or (from ``init``) it changes the number of points.

    Example:
      >>> from bal.networks import mlp
      >>> network = preprocessed(mlp(num_outputs=3, hidden_sizes=(8,)), lambda inputs: inputs["image"] / 255)
      >>> inputs = {"image": jax.numpy.zeros((2, 4, 4), jax.numpy.uint8), "name": jax.numpy.arange(2)}
      >>> network.init(jax.random.key(0), inputs).params["first"]["kernel"].shape
      (16, 8)
    """
    if not callable(transform):
        raise ValueError(f"expected transform to be a function of the inputs, got {transform!r}")

    def init(rng_key, inputs):
        transformed = transform(inputs)
        before, after = (_lengths(tree) for tree in (inputs, transformed))
        if before != after:
            raise ValueError(
                f"expected transform to keep the number of points, got leaves of lengths {sorted(after)} "
                f"from {sorted(before)}"
            )
        return network.init(rng_key, transformed)

    inner_features = network.features
    features = None
    if inner_features is not None:
        features = lambda variables, inputs: inner_features(variables, transform(inputs))
    return network._replace(
        init=init,
        trunk=lambda variables, inputs: network.trunk(variables, transform(inputs)),
        train=lambda rng_key, variables, inputs: network.train(rng_key, variables, transform(inputs)),
        features=features,
    )


def _lengths(tree: PyTree) -> set[int]:
    return {leaf.shape[0] if leaf.ndim else 0 for leaf in jax.tree.leaves(tree)}
