"""Concrete dropout: a multilayer perceptron that learns its dropout rates."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from bal.networks._from_module import network_from_module
from bal.networks._network import Network
from bal.types import PyTree, RngKey
from bal.validation import check_count, check_counts

# Temperature of the relaxed masks in training, as in the paper: near 0 they are 0 or 1, with very noisy gradients.
RELAXATION = 0.1
INITIAL_RATE = 0.1


def concrete_dropout_mlp(
    *, num_outputs: int, hidden_sizes: Sequence[int] = (128, 128), prior_scale: float | Float[Array, ""] = 1.0
) -> Network:
    r"""Fully connected ReLU layers with dropout after each, whose rates are trained; for ``mc_dropout``.

    The penalty is the divergence from the prior, up to a constant: for a rate p before a kernel W with D inputs

    .. math:: \frac{\|W\|^2}{2 s^2 (1 - p)} - D\, H(p)

    so that the rate is large with few labels and shrinks as labels are added. Training uses relaxed masks; those of a
    draw are 0 or 1.

    Args:
      num_outputs: width of the output.
      hidden_sizes: width of each hidden layer.
      prior_scale: s, standard deviation of every weight under the prior; large values make the rates grow.

    Raises:
      ValueError: a size below 1, or no hidden layer.

    Example:
      >>> network = concrete_dropout_mlp(num_outputs=3, hidden_sizes=(16,))

    References:
      Gal et al. 2017, Concrete dropout, arXiv:1705.07832
    """
    check_count("num_outputs", num_outputs)
    check_counts("hidden_sizes", hidden_sizes)

    def create(shape: tuple[int, ...], rngs: nnx.Rngs) -> _ConcreteMLP:
        return _ConcreteMLP((math.prod(shape), *hidden_sizes), num_outputs, rngs)

    network = network_from_module(create, template_shape=(1,))

    def train(rng_key, variables, inputs):
        training = network.train(rng_key, variables, inputs)
        return training._replace(penalty=_divergence(variables.params, prior_scale))

    return network._replace(train=train)


class _ConcreteMLP(nnx.Module):
    def __init__(self, sizes: tuple[int, ...], num_outputs: int, rngs: nnx.Rngs):
        self.first = nnx.Linear(sizes[0], sizes[1], rngs=rngs)
        self.layers = nnx.List(
            [nnx.Linear(a, b, rngs=rngs) for a, b in zip(sizes[1:], (*sizes[2:], num_outputs), strict=True)]
        )
        self.rate_logits = nnx.Param(jnp.full(len(sizes) - 1, math.log(INITIAL_RATE / (1 - INITIAL_RATE))))

    def trunk(self, inputs: Float[Array, "n ..."]) -> Float[Array, "n W"]:
        return jax.nn.relu(self.first(inputs.reshape(inputs.shape[0], -1)))

    def head(self, hidden: Float[Array, "n W"], rng_key: RngKey | None) -> Float[Array, "n D"]:
        rates = jax.nn.sigmoid(self.rate_logits[...])
        for number, layer in enumerate([*self.layers[:-1], None]):
            if rng_key is not None:
                uniform = jax.random.uniform(jax.random.fold_in(rng_key, number), hidden.shape[1:])
                hidden = hidden * ((uniform >= rates[number]) / (1 - rates[number]))[None]
            if layer is not None:
                hidden = jax.nn.relu(layer(hidden))
        return hidden

    def readout(self, embeddings: Float[Array, "n D"]) -> Float[Array, "n P"]:
        return self.layers[-1](embeddings)

    def training_pass(self, rng_key: RngKey, inputs: Float[Array, "n ..."]):
        hidden = self.trunk(inputs)
        for number, layer in enumerate(self.layers):
            logit = self.rate_logits[number]
            noise = jax.random.logistic(jax.random.fold_in(rng_key, number), hidden.shape)
            kept = jax.nn.sigmoid(-(logit + noise) / RELAXATION)
            outputs = layer(hidden * kept / jax.nn.sigmoid(-logit))
            hidden = jax.nn.relu(outputs)
        return outputs, {}


def _divergence(params: PyTree, prior_scale: float | Array) -> Float[Array, ""]:
    logits = params["rate_logits"]
    rates, total = jax.nn.sigmoid(logits), jnp.zeros(())
    entropies = -rates * jax.nn.log_sigmoid(logits) - (1 - rates) * jax.nn.log_sigmoid(-logits)
    for number in range(logits.shape[0]):
        kernel = params["layers"][number]["kernel"]
        weights = (kernel**2).sum() / (2 * prior_scale**2 * (1 - rates[number]))
        total = total + weights - kernel.shape[0] * entropies[number]
    return total
