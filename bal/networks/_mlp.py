"""A multilayer perceptron with dropout after each hidden layer."""

from collections.abc import Sequence

import jax
from flax import nnx
from jaxtyping import Array, Float

from bal.networks._dropout import DropoutLinear, check_rate, dropout_mask
from bal.networks._from_module import network_from_module
from bal.networks._network import Network
from bal.types import RngKey
from bal.validation import check_count, check_counts


def mlp(*, num_outputs: int, hidden_sizes: Sequence[int] = (128, 128), dropout_rate: float = 0.0) -> Network:
    """Fully connected ReLU layers over the flattened input.

    The trunk is the first layer; the embedding is the last hidden layer.

    Args:
      num_outputs: width of the output: the number of classes, or 1 for a regression.
      hidden_sizes: width of each hidden layer.
      dropout_rate: probability that a hidden unit is dropped; in [0, 1).

    Raises:
      ValueError: a size below 1, no hidden layer, or a rate outside [0, 1).

    Example:
      >>> network = mlp(num_outputs=3, hidden_sizes=(8,))
      >>> network.init(jax.random.key(0), jax.numpy.zeros((1, 4))).params["last"]["kernel"].shape
      (8, 3)
    """
    check_count("num_outputs", num_outputs)
    check_counts("hidden_sizes", hidden_sizes)
    check_rate(dropout_rate)

    def create(shape: tuple[int, ...], rngs: nnx.Rngs) -> MLP:
        num_inputs = 1
        for size in shape:
            num_inputs *= size
        return MLP((num_inputs, *hidden_sizes), num_outputs, dropout_rate, rngs)

    return network_from_module(create, template_shape=(1,))


class MLP(nnx.Module):
    def __init__(self, sizes: tuple[int, ...], num_outputs: int, dropout_rate: float, rngs: nnx.Rngs):
        self.first = nnx.Linear(sizes[0], sizes[1], rngs=rngs)
        pairs = zip(sizes[1:], sizes[2:], strict=False)
        self.hidden = nnx.List([DropoutLinear(a, b, dropout_rate, rngs) for a, b in pairs])
        self.last = nnx.Linear(sizes[-1], num_outputs, rngs=rngs)
        self.dropout_rate = dropout_rate

    def trunk(self, inputs: Float[Array, "n ..."]) -> Float[Array, "n W"]:
        return jax.nn.relu(self.first(inputs.reshape(inputs.shape[0], -1)))

    def head(self, hidden: Float[Array, "n W"], rng_key: RngKey | None) -> Float[Array, "n D"]:
        if rng_key is None:
            for layer in self.hidden:
                hidden = jax.nn.relu(layer.sample(hidden, None))
            return hidden
        keys = jax.random.split(rng_key, len(self.hidden) + 1)
        for layer, key in zip(self.hidden, keys, strict=False):
            hidden = jax.nn.relu(layer.sample(hidden, key))
        return hidden * dropout_mask(keys[-1], hidden.shape[1:], self.dropout_rate)[None]

    def readout(self, embeddings: Float[Array, "n D"]) -> Float[Array, "n P"]:
        return self.last(embeddings)

    def features(self, inputs: Float[Array, "n ..."]) -> dict[str, Float[Array, "n W"]]:
        levels = [self.trunk(inputs)]
        for layer in self.hidden:
            levels.append(jax.nn.relu(layer.sample(levels[-1], None)))
        return _by_name(levels)

    def training_pass(self, rng_key: RngKey, inputs: Float[Array, "n ..."]):
        keys = jax.random.split(rng_key, len(self.hidden) + 1)
        levels = [self.trunk(inputs)]
        for layer, key in zip(self.hidden, keys, strict=False):
            levels.append(jax.nn.relu(layer.train_step(levels[-1], key)))
        hidden = levels[-1] * dropout_mask(keys[-1], levels[-1].shape, self.dropout_rate)
        return self.readout(hidden), _by_name(levels)


def _by_name(levels: list[Array]) -> dict[str, Array]:
    return {f"hidden_{number}": level for number, level in enumerate(levels)}
