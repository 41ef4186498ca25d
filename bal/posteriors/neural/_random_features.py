"""Random Fourier features of a network's embedding, as the input of a new last layer."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.networks import Network, Variables, deterministic_outputs
from bal.posteriors.training._last_layer import last_layer, train_embeddings
from bal.precision import full_precision
from bal.types import RngKey


class RandomFeatures(NamedTuple):
    """What is drawn once and never trained."""

    frequencies: Float[Array, "D F"]  # standard normal
    phases: Float[Array, " F"]  # between 0 and 2 pi


def draw_frequencies(rng_key: RngKey, width: int, num_features: int) -> RandomFeatures:
    """Frequencies and phases for embeddings of this width."""
    key_frequencies, key_phases = jax.random.split(rng_key)
    phases = jax.random.uniform(key_phases, (num_features,), maxval=2 * jnp.pi)
    return RandomFeatures(jax.random.normal(key_frequencies, (width, num_features)), phases)


@full_precision
def random_features(
    random: RandomFeatures, embeddings: Float[Array, "n D"], lengthscale: float | Float[Array, ""]
) -> Float[Array, "n F"]:
    r"""Features whose inner products approximate the RBF kernel.

    .. math:: \phi(h) = \sqrt{2 / F} \cos(W h / l + b), \qquad
              E[\phi(h)^\top \phi(h')] = \exp\bigl(-\|h - h'\|^2 / (2 l^2)\bigr)
    """
    # An angle of many turns needs all digits of the product, so it is not rounded.
    angles = (embeddings / lengthscale) @ random.frequencies + random.phases[None]
    return jnp.sqrt(2 / random.phases.shape[0]) * jnp.cos(angles)


def with_random_features(
    network: Network,
    random: RandomFeatures,
    lengthscale: float | Float[Array, ""],
    prior_precision: float | Float[Array, ""],
) -> Network:
    r"""The network with another last layer, linear in random features of its embedding, whose weights have a prior.

    Its parameters are {"network": those of the network, "weights": [F, C]}; the last layer of the network is neither
    used nor trained. The weights are not called "kernel": their decay is that of the prior, and they have no spectral
    bound. In training, the penalty has :math:`\tfrac\delta2 \|\beta\|^2`.
    """

    def own(variables: Variables) -> Variables:
        return variables._replace(params=variables.params["network"])

    def head(variables, hidden, rng_key):
        return random_features(random, network.head(own(variables), hidden, rng_key), lengthscale)

    def readout(variables, embeddings):
        return embeddings @ variables.params["weights"]

    def train(rng_key, variables, inputs):
        embeddings, training = train_embeddings(network, rng_key, own(variables), inputs)
        penalty = training.penalty + 0.5 * prior_precision * jnp.square(variables.params["weights"]).sum()
        outputs = readout(variables, random_features(random, embeddings, lengthscale))
        return training._replace(outputs=outputs, penalty=penalty)

    def init(rng_key, inputs):
        variables = network.init(rng_key, inputs)
        last_layer(network, variables, inputs)  # raises where it cannot be replaced
        outputs = jax.eval_shape(lambda: deterministic_outputs(network, variables, inputs))
        weights = jnp.zeros((random.phases.shape[0], outputs.shape[-1]))
        return variables._replace(params={"network": variables.params, "weights": weights})

    return network._replace(
        init=init,
        trunk=lambda variables, inputs: network.trunk(own(variables), inputs),
        head=head,
        readout=readout,
        train=train,
        features=None,
    )
