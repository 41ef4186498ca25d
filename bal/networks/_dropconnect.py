"""DropConnect: weights are dropped instead of units."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from bal.networks._dropout import check_rate, dropout_mask
from bal.networks._from_module import network_from_module
from bal.networks._network import Network
from bal.types import RngKey
from bal.validation import check_count, check_counts


def dropconnect_mlp(
    *, num_outputs: int, hidden_sizes: Sequence[int] = (128, 128), dropout_rate: float = 0.5
) -> Network:
    """Fully connected ReLU layers whose weights are dropped, except those of the readout; for ``mc_dropout``.

    In training each example has its own masks, so memory grows with the number of weights times the minibatch size.

    Args:
      num_outputs: width of the output.
      hidden_sizes: width of each hidden layer.
      dropout_rate: probability that a weight is dropped; in [0, 1).

    Raises:
      ValueError: a size below 1, no hidden layer, or a rate outside [0, 1).

    Example:
      >>> network = dropconnect_mlp(num_outputs=3, hidden_sizes=(16,))

    References:
      Wan et al. 2013, Regularization of neural networks using DropConnect
      Mobiny et al. 2019, DropConnect is effective in modeling uncertainty of Bayesian deep networks, arXiv:1906.04569
    """
    check_count("num_outputs", num_outputs)
    check_counts("hidden_sizes", hidden_sizes)
    check_rate(dropout_rate)

    def create(shape: tuple[int, ...], rngs: nnx.Rngs) -> _DropConnectMLP:
        return _DropConnectMLP((math.prod(shape), *hidden_sizes), num_outputs, dropout_rate, rngs)

    return network_from_module(create, template_shape=(1,))


class _Layer(nnx.Module):
    def __init__(self, num_inputs: int, num_outputs: int, rngs: nnx.Rngs):
        self.kernel = nnx.Linear(num_inputs, num_outputs, rngs=rngs).kernel
        self.bias = nnx.Param(jnp.zeros(num_outputs))


class _DropConnectMLP(nnx.Module):
    def __init__(self, sizes: tuple[int, ...], num_outputs: int, dropout_rate: float, rngs: nnx.Rngs):
        pairs = zip(sizes, sizes[1:], strict=False)
        self.hidden = nnx.List([_Layer(a, b, rngs) for a, b in pairs])
        self.last = nnx.Linear(sizes[-1], num_outputs, rngs=rngs)
        self.dropout_rate = dropout_rate

    def trunk(self, inputs: Float[Array, "n ..."]) -> Float[Array, "n W"]:
        return inputs.reshape(inputs.shape[0], -1)

    def head(self, hidden: Float[Array, "n W"], rng_key: RngKey | None) -> Float[Array, "n D"]:
        for number, layer in enumerate(self.hidden):
            kernel = layer.kernel[...]
            if rng_key is not None:
                kernel = kernel * dropout_mask(jax.random.fold_in(rng_key, number), kernel.shape, self.dropout_rate)
            hidden = jax.nn.relu(hidden @ kernel + layer.bias[...][None])
        return hidden

    def readout(self, embeddings: Float[Array, "n D"]) -> Float[Array, "n P"]:
        return self.last(embeddings)

    def training_pass(self, rng_key: RngKey, inputs: Float[Array, "n ..."]):
        hidden = self.trunk(inputs)
        for number, layer in enumerate(self.hidden):
            shape = (hidden.shape[0], *layer.kernel.shape)
            masks = dropout_mask(jax.random.fold_in(rng_key, number), shape, self.dropout_rate)
            products = jnp.einsum("nd,ndw->nw", hidden, masks * layer.kernel[...][None])
            hidden = jax.nn.relu(products + layer.bias[...][None])
        return self.readout(hidden), {}
