"""Epinets: a small network beside a large one that maps a random index to a change of its outputs."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from bal.networks._from_module import network_from_module
from bal.networks._network import Network
from bal.types import RngKey
from bal.validation import check_count, check_counts


class Prior(nnx.Variable):
    """Parameters that are drawn once and never trained; a network keeps them among its statistics."""


def epinet_mlp(
    *,
    num_outputs: int,
    hidden_sizes: Sequence[int] = (128, 128),
    index_size: int = 8,
    epinet_sizes: Sequence[int] = (16, 16),
    prior_scale: float = 1.0,
) -> Network:
    r"""A multilayer perceptron with an epinet on its last hidden layer; for ``mc_dropout``, whose draws are indices.

    .. math:: f(x, z) = \mu(x) + \bigl(\sigma_\eta(\tilde x, z) + s\, \sigma^P(\tilde x, z)\bigr)^T z,
              \qquad \tilde x = \mathrm{sg}[\phi(x), x], \quad z \sim N(0, I)

    with :math:`\sigma_\eta` trained, :math:`\sigma^P` a random network that is not, and no gradient from either into
    the base network. In training each example has its own index; a draw is one index for all points. Without an
    index the outputs are those of the base network.

    Args:
      num_outputs: width of the output.
      hidden_sizes: width of each hidden layer of the base network.
      index_size: length of z; the spread of joint predictions has at most this rank.
      epinet_sizes: width of each hidden layer of both parts of the epinet.
      prior_scale: s, scale of the untrained part, which moves the outputs far from the data.

    Raises:
      ValueError: a size below 1, or no hidden layer in the base network.

    Example:
      >>> network = epinet_mlp(num_outputs=3, hidden_sizes=(16,))

    References:
      Osband et al. 2021, Epistemic neural networks, arXiv:2107.08924
    """
    check_count("num_outputs", num_outputs)
    check_counts("hidden_sizes", hidden_sizes)
    check_count("index_size", index_size)
    check_counts("epinet_sizes", epinet_sizes, empty=True)

    def create(shape: tuple[int, ...], rngs: nnx.Rngs) -> _EpinetMLP:
        sizes = (math.prod(shape), *hidden_sizes)
        return _EpinetMLP(sizes, num_outputs, index_size, tuple(epinet_sizes), prior_scale, rngs)

    return network_from_module(create, template_shape=(1,))


class _EpinetMLP(nnx.Module):
    def __init__(self, sizes, num_outputs: int, index_size: int, epinet_sizes, prior_scale: float, rngs: nnx.Rngs):
        self.hidden = nnx.List([nnx.Linear(a, b, rngs=rngs) for a, b in zip(sizes, sizes[1:], strict=False)])
        self.last = nnx.Linear(sizes[-1], num_outputs, rngs=rngs)
        widths = (sizes[-1] + sizes[0] + index_size, *epinet_sizes, num_outputs * index_size)
        pairs = list(zip(widths, widths[1:], strict=False))
        self.learned = nnx.List([nnx.Linear(a, b, rngs=rngs) for a, b in pairs])
        draw = jax.nn.initializers.lecun_normal()
        self.prior = nnx.List([Prior(draw(rngs.params(), pair)) for pair in pairs])
        self.index_size, self.num_outputs, self.prior_scale = index_size, num_outputs, prior_scale

    def trunk(self, inputs: Float[Array, "n ..."]) -> Float[Array, "n F"]:
        inputs = inputs.reshape(inputs.shape[0], -1)
        hidden = inputs
        for layer in self.hidden:
            hidden = jax.nn.relu(layer(hidden))
        return jnp.concatenate([hidden, inputs], axis=1)

    def head(self, hidden: Float[Array, "n F"], rng_key: RngKey | None) -> Float[Array, "n D"]:
        """Embeddings of the base network, concatenated with what the epinet adds to the outputs."""
        embeddings = hidden[:, : self.last.kernel.shape[0]]
        if rng_key is None:
            return jnp.concatenate([embeddings, jnp.zeros((hidden.shape[0], self.num_outputs))], axis=1)
        index = jax.random.normal(rng_key, (self.index_size,))
        indices = jnp.broadcast_to(index[None], (hidden.shape[0], self.index_size))
        return jnp.concatenate([embeddings, self._change(hidden, indices)], axis=1)

    def readout(self, embeddings: Float[Array, "n D"]) -> Float[Array, "n P"]:
        width = self.last.kernel.shape[0]
        return self.last(embeddings[:, :width]) + embeddings[:, width:]

    def training_pass(self, rng_key: RngKey, inputs: Float[Array, "n ..."]):
        hidden = self.trunk(inputs)
        indices = jax.random.normal(rng_key, (inputs.shape[0], self.index_size))
        return self.last(hidden[:, : self.last.kernel.shape[0]]) + self._change(hidden, indices), {}

    def _change(self, hidden: Float[Array, "n F"], indices: Float[Array, "n I"]) -> Float[Array, "n P"]:
        learned = prior = jax.lax.stop_gradient(jnp.concatenate([hidden, indices], axis=1))
        for number, (layer, kernel) in enumerate(zip(self.learned, self.prior, strict=True)):
            if number:
                learned, prior = jax.nn.relu(learned), jax.nn.relu(prior)
            learned, prior = layer(learned), prior @ kernel[...]
        directions = (learned + self.prior_scale * prior).reshape(-1, self.num_outputs, self.index_size)
        return jnp.einsum("npi,ni->np", directions, indices)
