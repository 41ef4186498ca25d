"""A small network of token ids: an embedding, averaged over the words of a text, and a multilayer perceptron."""

from collections.abc import Sequence

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from bal.networks._dropout import check_rate
from bal.networks._from_module import network_from_module
from bal.networks._mlp import MLP
from bal.networks._network import Network
from bal.validation import check_count, check_counts

PADDING = 0


def text_mlp(
    *,
    num_outputs: int,
    num_tokens: int = 5002,
    embedding_size: int = 64,
    hidden_sizes: Sequence[int] = (128, 128),
    dropout_rate: float = 0.0,
) -> Network:
    """The mean of the embeddings of a text's tokens, in any order, and fully connected ReLU layers with dropout.

    Inputs are token ids [n, L] below ``num_tokens``, as :func:`bal.datasets.token_ids` makes them; 0 is padding and
    does not count. An id that is out of range counts as the last token.

    The trunk ends with the first fully connected layer; the embedding of a text is the last hidden layer.

    Args:
      num_outputs: width of the output: the number of classes, or 1 for a regression.
      num_tokens: number of ids, with that of padding. The default is that of :func:`bal.datasets.token_ids`.
      embedding_size: width of the embedding of a token.
      hidden_sizes: width of each hidden layer.
      dropout_rate: probability that a hidden unit is dropped; in [0, 1).

    Raises:
      ValueError: a size below 1, no hidden layer, or a rate outside [0, 1).

    Example:
      >>> import jax
      >>> network = text_mlp(num_outputs=2, num_tokens=10, embedding_size=4, hidden_sizes=(8,))
      >>> network.init(jax.random.key(0), jnp.zeros((1, 5), jnp.int32)).params["words"]["embedding"].shape
      (10, 4)

    References:
      Iyyer et al. 2015, Deep unordered composition rivals syntactic methods for text classification
    """
    check_count("num_outputs", num_outputs)
    check_count("num_tokens", num_tokens, least=2)
    check_count("embedding_size", embedding_size)
    check_counts("hidden_sizes", hidden_sizes)
    check_rate(dropout_rate)

    def create(shape: tuple[int, ...], rngs: nnx.Rngs) -> _TextMLP:
        return _TextMLP(num_tokens, (embedding_size, *hidden_sizes), num_outputs, dropout_rate, rngs)

    return network_from_module(create, template_shape=(1,))


class _TextMLP(MLP):
    def __init__(self, num_tokens: int, sizes: tuple[int, ...], num_outputs: int, dropout_rate: float, rngs: nnx.Rngs):
        super().__init__(sizes, num_outputs, dropout_rate, False, rngs)
        # The mean of many embeddings is small, so each starts as large as the inputs of other networks.
        self.words = nnx.Embed(num_tokens, sizes[0], embedding_init=nnx.initializers.normal(1.0), rngs=rngs)

    def trunk(self, inputs: Float[Array, "n L"]) -> Float[Array, "n W"]:
        # The ids come as floats, which are exact up to 2**24.
        ids = jnp.clip(inputs.astype(jnp.int32), 0, self.words.num_embeddings - 1)
        is_token = (ids != PADDING)[..., None]
        total = jnp.where(is_token, self.words(ids), 0.0).sum(axis=1)
        # A text without tokens is at the origin.
        return super().trunk(total / jnp.maximum(is_token.sum(axis=1), 1))
