"""Functions shared by posteriors over networks: mapping over draws, and deterministic features."""

from collections.abc import Callable

import jax
from jaxtyping import Array, Float

from bal.likelihoods import Likelihood
from bal.networks import Network, Variables, deterministic_outputs
from bal.posteriors._protocols import FeatureFn, PredictFn
from bal.posteriors.training._gradient_features import network_gradients
from bal.posteriors.training._gradient_steps import NetworkState
from bal.types import PyTree


def num_at_once(network: Network, count: int) -> int:
    """How many sets of weights one program should run in parallel: all of them, or one for convolutions on a CPU.

    There, convolutions with different kernels are slower under one ``vmap`` than one after another.
    """
    return 1 if network.convolutional and jax.default_backend() == "cpu" else count


def map_draws(network: Network, fn: Callable[[PyTree], PyTree], draws: PyTree) -> PyTree:
    """Apply a function of one draw to all of them, [S, ...] -> [S, ...]."""
    count = jax.tree.leaves(draws)[0].shape[0]
    at_once = num_at_once(network, count)
    if at_once == count:
        return jax.vmap(fn)(draws)
    return jax.lax.map(fn, draws, batch_size=at_once)


def has_noise(network: Network, variables: Variables, inputs: PyTree) -> bool:
    """Whether draws of a network differ: whether its head reads the key. Only shapes matter; nothing is computed."""
    hidden = jax.eval_shape(network.trunk, variables, inputs)
    rng_key = jax.eval_shape(lambda: jax.random.key(0))
    jaxpr = jax.make_jaxpr(network.head)(variables, hidden, rng_key).jaxpr
    # What depends on the key, by way of everything that takes something that does. A call counts as depending on all of
    # its arguments, so noise is never overlooked.
    depending = {id(jaxpr.invars[-1])}
    for equation in jaxpr.eqns:
        if any(id(variable) in depending for variable in equation.invars):
            depending |= {id(variable) for variable in equation.outvars}
    return any(id(variable) in depending for variable in jaxpr.outvars)


def network_features(network: Network) -> dict[str, FeatureFn]:
    """Features of the mean network: its last hidden layer, where it has one, and its gradient.

    "gradient" is :func:`bal.posteriors.gradient_features` of the outputs without noise, 512 numbers a point, with the
    same sketch for all inputs and all runs.
    """

    def embedding(state, inputs):
        """The input of the last linear layer of the mean network; that of an image is the mean over its positions."""
        hidden = network.trunk(state.variables, inputs)
        return over_positions(network.head(state.variables, hidden, None))

    def gradient(state, inputs):
        """The sketched gradient of the outputs of the mean network by its parameters."""
        return network_gradients(network, NetworkState(state.variables, state.noise), inputs)

    return {"gradient": gradient} | ({"embedding": embedding} if network.embeds else {})


def over_positions(embeddings: Float[Array, "n *space D"]) -> Float[Array, "n D"]:
    """The mean embedding of an image over its positions."""
    return embeddings if embeddings.ndim == 2 else embeddings.mean(axis=tuple(range(1, embeddings.ndim - 1)))


def predict_networks(network: Network, likelihood: Likelihood) -> PredictFn:
    """The ``predict`` of draws each of which is a whole network, without noise."""

    def predict(state, draws, inputs):
        """Predictions of each network."""

        def predict_one(member: NetworkState):
            return likelihood.predictive(member.noise, deterministic_outputs(network, member.variables, inputs))

        return map_draws(network, predict_one, draws)

    return predict


def predict_with_weights(network: Network, likelihood: Likelihood) -> PredictFn:
    """The ``predict`` of draws of the parameters behind the trunk, with None for parameters that all draws share."""

    def predict(state: NetworkState, draws, inputs):
        """Predictions of each set of weights; the trunk is evaluated once."""
        hidden = network.trunk(state.variables, inputs)

        def predict_one(draw):
            params = jax.tree.map(lambda own, drawn: own if drawn is None else drawn, state.variables.params, draw)
            variables = Variables(params, state.variables.statistics)
            return likelihood.predictive(state.noise, network.readout(variables, network.head(variables, hidden, None)))

        return map_draws(network, predict_one, draws)

    return predict
