"""What posteriors over networks share: mapping over draws and the deterministic features."""

from collections.abc import Callable

import jax
from jaxtyping import Array

from bal.networks import Network
from bal.types import PyTree


def num_at_once(network: Network, count: int) -> int:
    """How many sets of weights one program should run side by side: all, but for convolutions on a CPU one.

    Convolutions with different kernels under one ``vmap`` are slower there than one after the other.
    """
    return 1 if network.convolutional and jax.default_backend() == "cpu" else count


def map_draws(network: Network, fn: Callable[[PyTree], PyTree], draws: PyTree) -> PyTree:
    """Apply a function of one draw to all of them, [S, ...] -> [S, ...]."""
    count = jax.tree.leaves(draws)[0].shape[0]
    at_once = num_at_once(network, count)
    if at_once == count:
        return jax.vmap(fn)(draws)
    return jax.lax.map(fn, draws, batch_size=at_once)


def network_features(network: Network) -> dict[str, Callable[[PyTree, Array], Array]]:
    """Features of the mean network, for rules that look at distances."""

    def embedding(state, inputs):
        hidden = network.trunk(state.variables, inputs)
        return network.head(state.variables, hidden, None)

    return {"embedding": embedding}
