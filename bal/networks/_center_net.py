"""CenterNet: a compact detector that predicts the centre of each object, its class and its size."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from bal.networks._convolution import convolve, convolve_for_training, max_pool
from bal.networks._dropout import check_rate, dropout_mask
from bal.networks._from_module import network_from_module
from bal.networks._kernels import draw_kernels
from bal.networks._network import Network
from bal.networks._unet import KERNEL, Level, check_images
from bal.types import RngKey
from bal.validation import check_count, check_counts

STRIDE = 4
PRIOR = 0.1  # initial probability of a centre, so that training does not start with a loss of empty cells only
INITIAL_SCALE = 0.01  # of the last kernel: larger outputs drown the prior, and training takes many times as long


def center_net(*, num_classes: int, widths: tuple[int, ...] = (32, 64, 128), dropout_rate: float = 0.5) -> Network:
    """A detector with outputs in cells of 4 pixels. Inputs [n, H, W, channels], outputs [n, H/4, W/4, C + 4].

    Two 3x3 convolutions of stride 2 lead to cells of 4 pixels; an encoder and a decoder of the kind of :func:`unet`
    let a cell see its surroundings. Channel dropout stands before the head, two 3x3 convolutions, so everything before
    is shared by all draws. Embeddings are the channels of each cell before the last, 1x1 convolution:
    [n, H/4, W/4, widths[0]]; those of an image are their mean. The outputs are those of
    :func:`bal.likelihoods.boxes`: C log-odds and the box.

    Args:
      num_classes: classes of objects C; the background is none of them.
      widths: channels at strides 4, 8, ...
      dropout_rate: of the channels that enter the head.

    Raises:
      ValueError: invalid settings, or (from ``init``) images whose sides are not multiples of the coarsest stride.

    Example:
      >>> network = center_net(num_classes=3, widths=(4, 8))
      >>> images = jnp.zeros((1, 16, 24, 1))
      >>> variables = jax.eval_shape(network.init, jax.random.key(0), images)
      >>> jax.eval_shape(network.train, jax.random.key(1), variables, images).outputs.shape
      (1, 4, 6, 7)

    References:
      Zhou et al. 2019, Objects as points, arXiv:1904.07850
    """
    check_count("num_classes", num_classes)
    check_rate(dropout_rate)
    check_counts("widths", widths)
    multiple = STRIDE * 2 ** (len(widths) - 1)

    def create(shape: tuple[int, ...], rngs: nnx.Rngs) -> _CenterNet:
        check_images(shape, multiple, f"a detector of {len(widths)} widths")
        return _CenterNet(shape[-1], widths, num_classes, dropout_rate, rngs)

    return network_from_module(create, template_shape=(multiple, multiple, 1), convolutional=True)


class _Halving(nnx.Module):
    """A convolution of stride 2 with ReLU."""

    def __init__(self, num_inputs: int, width: int):
        self.kernel = nnx.Param(jnp.zeros((KERNEL, KERNEL, num_inputs, width)))
        self.bias = nnx.Param(jnp.zeros(width))

    def __call__(self, images: Float[Array, "n h w i"], training: bool) -> Float[Array, "n h2 w2 o"]:
        convolution = convolve_for_training if training else convolve
        halved = convolution(images, self.kernel[...], stride=2, padding=KERNEL // 2)
        return jax.nn.relu(halved + self.bias[...][None, None, None])


class _CenterNet(nnx.Module):
    def __init__(
        self, num_channels: int, widths: tuple[int, ...], num_classes: int, dropout_rate: float, rngs: nnx.Rngs
    ):
        self.stem = nnx.List([_Halving(num_channels, widths[0]), _Halving(widths[0], widths[0])])
        sizes = (widths[0], *widths)
        self.down = nnx.List([Level(sizes[level], width) for level, width in enumerate(widths)])
        self.up = nnx.List(
            [Level(widths[level] + widths[level + 1], widths[level]) for level in range(len(widths) - 1)]
        )
        self.before_last = Level(widths[0], widths[0])
        log_odds = jnp.log(PRIOR / (1 - PRIOR))
        biases = jnp.concatenate([jnp.full(num_classes, log_odds), jnp.zeros(4)])
        small = nnx.initializers.normal(INITIAL_SCALE)
        self.last = nnx.Linear(widths[0], num_classes + 4, kernel_init=small, bias_init=lambda *_: biases, rngs=rngs)
        draw_kernels(self, rngs.params(), fan="in")
        self.dropout_rate = dropout_rate

    def levels(self, inputs: Float[Array, "n h w c"], training: bool) -> dict[str, Array]:
        """The maps by name, from the first encoder level to the last decoder level."""
        hidden = inputs
        for halving in self.stem:
            hidden = halving(hidden, training)
        levels: dict[str, Array] = {}
        for number, level in enumerate(self.down):
            hidden = level(hidden if number == 0 else max_pool(hidden), None, training)
            levels[f"down_{number}"] = hidden
        for number in reversed(range(len(self.up))):
            raised = jnp.repeat(jnp.repeat(hidden, 2, axis=1), 2, axis=2)
            entering = jnp.concatenate([levels[f"down_{number}"], raised], axis=-1)
            hidden = self.up[number](entering, None, training)
            levels[f"up_{number}"] = hidden
        return levels

    def trunk(self, inputs):
        return list(self.levels(inputs, training=False).values())[-1]

    def head(self, hidden, rng_key: RngKey | None):
        mask = None if rng_key is None else dropout_mask(rng_key, hidden.shape[-1:], self.dropout_rate)
        return self.before_last(hidden, mask, training=False)

    def readout(self, embeddings):
        return self.last(embeddings)

    def features(self, inputs):
        return self.levels(inputs, training=False)

    def training_pass(self, rng_key: RngKey, inputs):
        levels = self.levels(inputs, training=True)
        hidden = list(levels.values())[-1]
        count, _, _, channels = hidden.shape
        noisy = hidden * dropout_mask(rng_key, (count, 1, 1, channels), self.dropout_rate)
        return self.last(self.before_last(noisy, None, training=True)), levels
