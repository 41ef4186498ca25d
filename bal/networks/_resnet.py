"""ResNet-18 for small images, with batch normalisation as pure functions."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from bal.networks._convolution import convolve, convolve_for_training
from bal.networks._from_module import network_from_module
from bal.networks._kernels import draw_kernels
from bal.networks._network import Network
from bal.types import RngKey
from bal.validation import check_count

SMALLEST_IMAGE = 8


def resnet18(*, num_outputs: int, width: int = 64) -> Network:
    """The 18-layer residual network for images [n, height, width, channels] of about 32x32 (CIFAR).

    A 3x3 convolution without pooling, four stages of two basic blocks with ``width`` times 1, 2, 4 and 8 channels, the
    mean over the image, one dense layer. The trunk is everything before the last layer, so draws that differ
    only there are cheap.

    Running means and variances are in ``Variables.statistics``: training updates them (momentum 0.9) and predictions
    use them, so that a prediction does not depend on the other points of its batch.

    Args:
      num_outputs: width of the output.
      width: channels of the first stage; 64 in the paper.

    Raises:
      ValueError: sizes below 1, or (from ``init``) images that are too small or not [n, height, width, channels].

    Example:
      >>> network = resnet18(num_outputs=10, width=4)
      >>> variables = jax.eval_shape(network.init, jax.random.key(0), jax.numpy.zeros((1, 32, 32, 3)))
      >>> variables.params["last"]["kernel"].shape
      (32, 10)

    References:
      He et al. 2016, Deep residual learning for image recognition, arXiv:1512.03385
    """
    check_count("num_outputs", num_outputs)
    check_count("width", width)

    def create(shape: tuple[int, ...], rngs: nnx.Rngs) -> _ResNet18:
        if len(shape) != 3 or min(shape[:2]) < SMALLEST_IMAGE:
            raise ValueError(
                f"expected images [n, height, width, channels] of at least {SMALLEST_IMAGE}x{SMALLEST_IMAGE}, "
                f"got inputs of shape [n, {', '.join(map(str, shape))}]"
            )
        return _ResNet18(shape[-1], width, num_outputs, rngs)

    return network_from_module(create, template_shape=(32, 32, 3), convolutional=True)


class _NormalisedConvolution(nnx.Module):
    def __init__(self, num_inputs: int, num_outputs: int, size: int, stride: int, rngs: nnx.Rngs):
        self.kernel = nnx.Param(jnp.zeros((size, size, num_inputs, num_outputs)))
        self.norm = nnx.BatchNorm(num_outputs, momentum=0.9, rngs=rngs)
        self.stride, self.padding = stride, size // 2

    def __call__(self, images: Float[Array, "n h w i"], training: bool) -> Float[Array, "n x y o"]:
        convolution = convolve_for_training if training else convolve
        images = convolution(images, self.kernel[...], stride=self.stride, padding=self.padding)
        return self.norm(images, use_running_average=not training)


class _Block(nnx.Module):
    def __init__(self, num_inputs: int, num_outputs: int, stride: int, rngs: nnx.Rngs):
        self.first = _NormalisedConvolution(num_inputs, num_outputs, 3, stride, rngs)
        self.second = _NormalisedConvolution(num_outputs, num_outputs, 3, 1, rngs)
        same = stride == 1 and num_inputs == num_outputs
        self.shortcut = None if same else _NormalisedConvolution(num_inputs, num_outputs, 1, stride, rngs)

    def __call__(self, images: Float[Array, "n h w i"], training: bool) -> Float[Array, "n x y o"]:
        residual = self.second(jax.nn.relu(self.first(images, training)), training)
        return jax.nn.relu(residual + (images if self.shortcut is None else self.shortcut(images, training)))


class _ResNet18(nnx.Module):
    def __init__(self, num_channels: int, width: int, num_outputs: int, rngs: nnx.Rngs):
        self.stem = _NormalisedConvolution(num_channels, width, 3, 1, rngs)
        blocks, num_inputs = [], width
        for stage in range(4):
            num_stage = width * 2**stage
            for stride in (1 if stage == 0 else 2, 1):
                blocks.append(_Block(num_inputs, num_stage, stride, rngs))
                num_inputs = num_stage
        self.blocks = nnx.List(blocks)
        self.last = nnx.Linear(num_inputs, num_outputs, rngs=rngs)
        draw_kernels(self, rngs.params(), fan="out")

    def stages(self, inputs: Float[Array, "n h w c"], training: bool) -> dict[str, Float[Array, "n x y W"]]:
        hidden, features = jax.nn.relu(self.stem(inputs, training)), {}
        for number, block in enumerate(self.blocks):
            hidden = block(hidden, training)
            features[f"stage_{number // 2}"] = hidden  # overwritten by its second block
        return features

    def trunk(self, inputs):
        return self.stages(inputs, training=False)["stage_3"].mean(axis=(1, 2))

    def head(self, hidden, rng_key: RngKey | None):
        return hidden

    def readout(self, embeddings):
        return self.last(embeddings)

    def features(self, inputs):
        return self.stages(inputs, training=False)

    def training_pass(self, rng_key: RngKey, inputs):
        features = self.stages(inputs, training=True)
        return self.last(features["stage_3"].mean(axis=(1, 2))), features
