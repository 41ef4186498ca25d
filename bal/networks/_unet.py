"""A small U-Net with dropout, for a label at each position of an image."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from bal.networks._convolution import convolve, convolve_doubled, convolve_for_training, max_pool
from bal.networks._dropout import check_rate, dropout_mask
from bal.networks._from_module import network_from_module
from bal.networks._kernels import draw_kernels
from bal.networks._network import Network
from bal.types import RngKey
from bal.validation import check_count, check_counts

KERNEL = 3


def unet(*, num_outputs: int, widths: tuple[int, ...] = (16, 32, 64), dropout_rate: float = 0.5) -> Network:
    """An encoder and a decoder with connections between levels of one size. Inputs [n, H, W, C], outputs [n, H, W, O].

    Each level has two 3x3 convolutions with ReLU, the second with a shortcut around it; 2x2 maxima lead down,
    repetition of positions leads up. Channel dropout stands before each level of the decoder, the lowest one included,
    so the trunk is the whole encoder, and 20 draws cost 20 decoders but one encoder. Embeddings are the channels of
    each position before the last, 1x1 convolution: [n, H, W, widths[0]].

    Args:
      num_outputs: outputs of each position: classes, 1 for a real number, or 2 with its noise.
      widths: channels of each level, from the top.
      dropout_rate: of the channels that enter the decoder.

    Raises:
      ValueError: invalid settings, or (from ``init``) images whose sides are not multiples of 2 to the number of levels
        below the top.

    Example:
      >>> network = unet(num_outputs=3, widths=(4, 8))
      >>> images = jnp.zeros((1, 8, 8, 1))
      >>> variables = jax.eval_shape(network.init, jax.random.key(0), images)
      >>> jax.eval_shape(network.train, jax.random.key(1), variables, images).outputs.shape
      (1, 8, 8, 3)

    References:
      Ronneberger et al. 2015, U-Net: convolutional networks for biomedical image segmentation, arXiv:1505.04597
      Kendall et al. 2017, Bayesian SegNet, arXiv:1511.02680, for where dropout stands
    """
    check_count("num_outputs", num_outputs)
    check_rate(dropout_rate)
    if len(widths) < 2:
        raise ValueError(f"expected widths of at least two levels, such as (16, 32), got {widths!r}")
    check_counts("widths", widths)
    multiple = 2 ** (len(widths) - 1)

    def create(shape: tuple[int, ...], rngs: nnx.Rngs) -> _UNet:
        check_images(shape, multiple, f"a U-Net of {len(widths)} levels")
        return _UNet(shape[-1], widths, num_outputs, dropout_rate, rngs)

    return network_from_module(create, template_shape=(multiple, multiple, 1), convolutional=True)


def check_images(shape: tuple[int, ...], multiple: int, network: str) -> None:
    """Raise unless an input is an image whose sides can be halved, and doubled again, as often as the network does."""
    if len(shape) != 3 or any(side < multiple or side % multiple for side in shape[:2]):
        raise ValueError(
            f"expected images [n, height, width, channels] with sides that are multiples of {multiple} for {network}, "
            f"got inputs of shape [n, {', '.join(map(str, shape))}]"
        )


class Level(nnx.Module):
    """Two convolutions. A mask of the channels that enter, the same for all images, is applied to the kernel.

    Kernels are 0 until :func:`draw_kernels` draws those of the whole network.
    """

    def __init__(self, num_inputs: int, width: int):
        self.first = nnx.Param(jnp.zeros((KERNEL, KERNEL, num_inputs, width)))
        self.second = nnx.Param(jnp.zeros((KERNEL, KERNEL, width, width)))
        self.first_bias = nnx.Param(jnp.zeros(width))
        self.second_bias = nnx.Param(jnp.zeros(width))

    def __call__(
        self, images: Float[Array, "n h w i"], mask: Float[Array, " i"] | None, training: bool
    ) -> Float[Array, "n h w o"]:
        convolution = convolve_for_training if training else convolve
        return self._after(convolution(images, self._kernel(mask), padding=KERNEL // 2), training)

    def join(
        self,
        images: Float[Array, "n h w a"],
        below: Float[Array, "n h2 w2 b"],
        mask: Float[Array, " a+b"] | None,
        training: bool,
    ) -> Float[Array, "n h w o"]:
        """The level of ``images`` and, behind their channels, of ``below`` with its positions repeated 2x2."""
        kernel, count = self._kernel(mask), images.shape[-1]
        convolution = convolve_for_training if training else convolve
        beside = convolution(images, kernel[:, :, :count], padding=KERNEL // 2)
        return self._after(beside + convolve_doubled(below, kernel[:, :, count:], training=training), training)

    def _kernel(self, mask: Float[Array, " i"] | None) -> Array:
        return self.first[...] if mask is None else mask[None, None, :, None] * self.first[...]

    def _after(self, first: Float[Array, "n h w o"], training: bool) -> Float[Array, "n h w o"]:
        convolution = convolve_for_training if training else convolve
        hidden = jax.nn.relu(first + self.first_bias[...][None, None, None])
        second = convolution(hidden, self.second[...], padding=KERNEL // 2) + self.second_bias[...][None, None, None]
        return jax.nn.relu(second + hidden)


class _UNet(nnx.Module):
    def __init__(
        self, num_channels: int, widths: tuple[int, ...], num_outputs: int, dropout_rate: float, rngs: nnx.Rngs
    ):
        sizes = (num_channels, *widths)
        self.down = nnx.List([Level(sizes[level], width) for level, width in enumerate(widths)])
        self.up = nnx.List(
            [Level(widths[level] + widths[level + 1], widths[level]) for level in range(len(widths) - 1)]
        )
        self.last = nnx.Linear(widths[0], num_outputs, rngs=rngs)
        draw_kernels(self, rngs.params(), fan="in")
        self.dropout_rate = dropout_rate

    def encode(self, inputs: Float[Array, "n h w c"], training: bool) -> list[Array]:
        """The output of each level, from the top."""
        levels: list[Array] = []
        for number, level in enumerate(self.down):
            hidden = inputs if number == 0 else max_pool(levels[-1])
            levels.append(level(hidden, None, training))
        return levels

    def decode(self, levels: list[Array], rng_key: RngKey | None, training: bool) -> Float[Array, "n h w W"]:
        """The embeddings of the positions, with one mask for all images or, in training, one for each."""
        hidden = levels[-1]
        keys = [None] * len(self.up) if rng_key is None else list(jax.random.split(rng_key, len(self.up)))
        for number in reversed(range(len(self.up))):
            images = levels[number]
            count, channels = images.shape[0], images.shape[-1]
            entering, rng_key, mask = channels + hidden.shape[-1], keys[number], None
            if rng_key is not None and training:
                noise = dropout_mask(rng_key, (count, 1, 1, entering), self.dropout_rate)
                images, hidden = images * noise[..., :channels], hidden * noise[..., channels:]
            elif rng_key is not None:
                mask = dropout_mask(rng_key, (entering,), self.dropout_rate)
            hidden = self.up[number].join(images, hidden, mask, training)
        return hidden

    def trunk(self, inputs):
        return self.encode(inputs, training=False)

    def head(self, hidden, rng_key: RngKey | None):
        return self.decode(hidden, rng_key, training=False)

    def readout(self, embeddings):
        return self.last(embeddings)

    def features(self, inputs):
        levels = self.encode(inputs, training=False)
        return {f"level_{number}": level for number, level in enumerate(levels)}

    def training_pass(self, rng_key: RngKey, inputs):
        levels = self.encode(inputs, training=True)
        features = {f"level_{number}": level for number, level in enumerate(levels)}
        return self.last(self.decode(levels, rng_key, training=True)), features
