"""A multilayer perceptron with dropout after each hidden layer, with or without residual connections."""

from collections.abc import Sequence

import jax
from flax import nnx
from jaxtyping import Array, Float

from bal.networks._dropout import DropoutLinear, check_rate, dropout_masks
from bal.networks._from_module import network_from_module
from bal.networks._network import Network
from bal.types import RngKey
from bal.validation import check_count, check_counts


def mlp(
    *,
    num_outputs: int,
    hidden_sizes: Sequence[int] = (128, 128),
    dropout_rate: float = 0.0,
    residual: bool = False,
) -> Network:
    r"""Fully connected ReLU layers over the flattened input.

    The trunk is the first layer; the embedding is the last hidden layer. With residual connections the first layer is
    linear and each of the others adds to its input,

    .. math:: h_1 = W_1 x + b_1, \qquad h_{l+1} = h_l + \mathrm{ReLU}(W_l h_l + b_l),

    so that layers of a spectral norm below 1 keep points apart; see :func:`bal.posteriors.sngp`.

    Args:
      num_outputs: width of the output: the number of classes, or 1 for a regression.
      hidden_sizes: width of each hidden layer.
      dropout_rate: probability that a hidden unit is dropped; in [0, 1).
      residual: whether each hidden layer after the first adds to its input; all then have one width.

    Raises:
      ValueError: a size below 1, no hidden layer, a rate outside [0, 1), or residual layers of several widths.

    Example:
      >>> network = mlp(num_outputs=3, hidden_sizes=(8,))
      >>> network.init(jax.random.key(0), jax.numpy.zeros((1, 4))).params["last"]["kernel"].shape
      (8, 3)
    """
    check_count("num_outputs", num_outputs)
    check_counts("hidden_sizes", hidden_sizes)
    check_rate(dropout_rate)
    if residual and len(set(hidden_sizes)) > 1:
        raise ValueError(f"expected hidden_sizes of one width for residual layers, got {tuple(hidden_sizes)}")

    def create(shape: tuple[int, ...], rngs: nnx.Rngs) -> MLP:
        num_inputs = 1
        for size in shape:
            num_inputs *= size
        return MLP((num_inputs, *hidden_sizes), num_outputs, dropout_rate, residual, rngs)

    return network_from_module(create, template_shape=(1,))


class MLP(nnx.Module):
    def __init__(self, sizes: tuple[int, ...], num_outputs: int, dropout_rate: float, residual: bool, rngs: nnx.Rngs):
        self.first = nnx.Linear(sizes[0], sizes[1], rngs=rngs)
        pairs = zip(sizes[1:], sizes[2:], strict=False)
        self.hidden = nnx.List([DropoutLinear(a, b, rngs) for a, b in pairs])
        self.last = nnx.Linear(sizes[-1], num_outputs, rngs=rngs)
        self.dropout_rate = dropout_rate
        self.residual = residual

    def trunk(self, inputs: Float[Array, "n ..."]) -> Float[Array, "n W"]:
        hidden = self.first(inputs.reshape(inputs.shape[0], -1))
        # ReLU would map many inputs to one point, which no later layer can tell apart.
        return hidden if self.residual else jax.nn.relu(hidden)

    def after(self, hidden: Float[Array, "n V"], update: Float[Array, "n W"]) -> Float[Array, "n W"]:
        """What a hidden layer makes of its input and of its linear map of it."""
        return hidden + jax.nn.relu(update) if self.residual else jax.nn.relu(update)

    def head(self, hidden: Float[Array, "n W"], rng_key: RngKey | None) -> Float[Array, "n D"]:
        if rng_key is None:
            for layer in self.hidden:
                hidden = self.after(hidden, layer.sample(hidden, None))
            return hidden
        *masks, last = self.masks(rng_key)
        for layer, mask in zip(self.hidden, masks, strict=True):
            hidden = self.after(hidden, layer.sample(hidden, mask))
        return hidden * last[None]

    def masks(self, rng_key: RngKey, *leading: int) -> list[Float[Array, "..."]]:
        """Dropout of each hidden layer, [*leading, W]."""
        widths = [*(layer.linear.kernel.shape[0] for layer in self.hidden), self.last.kernel.shape[0]]
        keys = jax.random.split(rng_key, len(widths))
        return dropout_masks(keys, [(*leading, width) for width in widths], self.dropout_rate)

    def readout(self, embeddings: Float[Array, "n D"]) -> Float[Array, "n P"]:
        return self.last(embeddings)

    def features(self, inputs: Float[Array, "n ..."]) -> dict[str, Float[Array, "n W"]]:
        levels = [self.trunk(inputs)]
        for layer in self.hidden:
            levels.append(self.after(levels[-1], layer.sample(levels[-1], None)))
        return _by_name(levels)

    def training_pass(self, rng_key: RngKey, inputs: Float[Array, "n ..."]):
        *masks, last = self.masks(rng_key, inputs.shape[0])
        levels = [self.trunk(inputs)]
        for layer, mask in zip(self.hidden, masks, strict=True):
            levels.append(self.after(levels[-1], layer.linear(levels[-1] * mask)))
        return self.readout(levels[-1] * last), _by_name(levels)


def _by_name(levels: list[Array]) -> dict[str, Array]:
    return {f"hidden_{number}": level for number, level in enumerate(levels)}
