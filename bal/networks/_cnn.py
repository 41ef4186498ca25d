"""The two small convolutional networks of the Bayesian active-learning literature."""

import jax
from flax import nnx
from jaxtyping import Array, Float

from bal.networks._convolution import convolve, convolve_for_training, max_pool
from bal.networks._dropout import DropoutLinear, dropout_mask
from bal.networks._from_module import network_from_module
from bal.networks._network import Network
from bal.types import RngKey
from bal.validation import check_choice, check_count

VARIANTS = ("gal", "batchbald")


def cnn(*, num_outputs: int, variant: str = "gal") -> Network:
    """The CNN of Gal et al. (2017), or that of BatchBALD, for images [n, height, width, channels].

    ``"gal"``: conv 32 4x4, conv 32 4x4, max-pool 2, dropout .25, dense 128, dropout .5, dense (Gal et al. 2017).
    ``"batchbald"``: conv 32 5x5, channel dropout .5, max-pool 2, conv 64 5x5, channel dropout .5, max-pool 2,
    dense 128, dropout .5, dense (Kirsch et al. 2019). ReLU throughout.

    Args:
      num_outputs: width of the output.
      variant: "gal" or "batchbald".

    Raises:
      ValueError: unknown variant, or (from ``init``) images that are too small or not [n, height, width, channels].

    Example:
      >>> network = cnn(num_outputs=10, variant="gal")
      >>> variables = jax.eval_shape(network.init, jax.random.key(0), jax.numpy.zeros((1, 28, 28, 1)))
      >>> variables.params["dense"]["linear"]["kernel"].shape
      (3872, 128)

    References:
      Gal et al. 2017, Deep Bayesian active learning with image data, arXiv:1703.02910
      Kirsch et al. 2019, BatchBALD, arXiv:1906.08158
    """
    check_count("num_outputs", num_outputs)
    check_choice("variant", variant, VARIANTS)
    module, smallest = (_GalCNN, 8) if variant == "gal" else (_BatchBaldCNN, 16)

    def create(shape: tuple[int, ...], rngs: nnx.Rngs):
        if len(shape) != 3 or min(shape[:2]) < smallest:
            raise ValueError(
                f"expected images [n, height, width, channels] of at least {smallest}x{smallest} for "
                f"variant={variant!r}, got inputs of shape [n, {', '.join(map(str, shape))}]"
            )
        return module(shape, num_outputs, rngs)

    return network_from_module(create, template_shape=(28, 28, 1), convolutional=True)


class _Convolution(nnx.Module):
    def __init__(self, num_inputs: int, num_outputs: int, width: int, rngs: nnx.Rngs):
        initial = nnx.Conv(num_inputs, num_outputs, kernel_size=(width, width), rngs=rngs)
        self.kernel, self.bias = initial.kernel, initial.bias

    def __call__(self, images: Float[Array, "n h w i"]) -> Float[Array, "n x y o"]:
        return convolve(images, self.kernel[...]) + self.bias[...][None, None, None]

    def sample(self, images: Float[Array, "n h w i"], mask: Float[Array, " i"]) -> Float[Array, "n x y o"]:
        """A channel mask shared by all images is applied to the kernel, see DropoutLinear."""
        return convolve(images, mask[None, None, :, None] * self.kernel[...]) + self.bias[...][None, None, None]

    def train_step(self, images: Float[Array, "n h w i"]) -> Float[Array, "n x y o"]:
        return convolve_for_training(images, self.kernel[...]) + self.bias[...][None, None, None]


class _GalCNN(nnx.Module):
    def __init__(self, shape: tuple[int, ...], num_outputs: int, rngs: nnx.Rngs):
        height, width, channels = shape
        self.first = _Convolution(channels, 32, 4, rngs)
        self.second = _Convolution(32, 32, 4, rngs)
        self.dense = DropoutLinear((height - 6) // 2 * ((width - 6) // 2) * 32, 128, rngs)
        self.last = nnx.Linear(128, num_outputs, rngs=rngs)

    def trunk(self, inputs):
        hidden = jax.nn.relu(self.second(jax.nn.relu(self.first(inputs))))
        return max_pool(hidden).reshape(inputs.shape[0], -1)

    def head(self, hidden, rng_key: RngKey | None):
        if rng_key is None:
            return jax.nn.relu(self.dense.sample(hidden, None))
        key_dense, key_last = jax.random.split(rng_key)
        hidden = jax.nn.relu(self.dense.sample(hidden, dropout_mask(key_dense, hidden.shape[1:], 0.25)))
        return hidden * dropout_mask(key_last, hidden.shape[1:], 0.5)[None]

    def readout(self, embeddings):
        return self.last(embeddings)

    def features(self, inputs):
        first = jax.nn.relu(self.first(inputs))
        second = max_pool(jax.nn.relu(self.second(first)))
        dense = jax.nn.relu(self.dense.sample(second.reshape(inputs.shape[0], -1), None))
        return {"first": first, "second": second, "dense": dense}

    def training_pass(self, rng_key: RngKey, inputs):
        key_dense, key_last = jax.random.split(rng_key)
        first = jax.nn.relu(self.first.train_step(inputs))
        second = max_pool(jax.nn.relu(self.second.train_step(first)))
        flat = second.reshape(inputs.shape[0], -1)
        dense = jax.nn.relu(self.dense.linear(flat * dropout_mask(key_dense, flat.shape, 0.25)))
        features = {"first": first, "second": second, "dense": dense}
        return self.last(dense * dropout_mask(key_last, dense.shape, 0.5)), features


class _BatchBaldCNN(nnx.Module):
    """Channel masks are nonnegative, so they commute with pooling and ReLU, which come first, in the trunk."""

    def __init__(self, shape: tuple[int, ...], num_outputs: int, rngs: nnx.Rngs):
        height, width, channels = shape
        self.first = _Convolution(channels, 32, 5, rngs)
        self.second = _Convolution(32, 64, 5, rngs)
        num_features = ((height - 4) // 2 - 4) // 2 * (((width - 4) // 2 - 4) // 2) * 64
        self.dense = nnx.Linear(num_features, 128, rngs=rngs)
        self.last = nnx.Linear(128, num_outputs, rngs=rngs)

    def trunk(self, inputs):
        return jax.nn.relu(max_pool(self.first(inputs)))

    def head(self, hidden, rng_key: RngKey | None):
        if rng_key is None:
            features = jax.nn.relu(max_pool(self.second(hidden)))
            return jax.nn.relu(self.dense(features.reshape(hidden.shape[0], -1)))
        key_first, key_second, key_dense = jax.random.split(rng_key, 3)
        features = jax.nn.relu(max_pool(self.second.sample(hidden, dropout_mask(key_first, hidden.shape[-1:], 0.5))))
        features = features * dropout_mask(key_second, features.shape[-1:], 0.5)[None, None, None]
        embeddings = jax.nn.relu(self.dense(features.reshape(hidden.shape[0], -1)))
        return embeddings * dropout_mask(key_dense, embeddings.shape[1:], 0.5)[None]

    def readout(self, embeddings):
        return self.last(embeddings)

    def features(self, inputs):
        first = self.trunk(inputs)
        second = jax.nn.relu(max_pool(self.second(first)))
        dense = jax.nn.relu(self.dense(second.reshape(inputs.shape[0], -1)))
        return {"first": first, "second": second, "dense": dense}

    def training_pass(self, rng_key: RngKey, inputs):
        key_first, key_second, key_dense = jax.random.split(rng_key, 3)
        first = jax.nn.relu(max_pool(self.first.train_step(inputs)))
        second = self.second.train_step(first * self._channel_masks(key_first, first))
        second = jax.nn.relu(max_pool(second))
        dropped = second * self._channel_masks(key_second, second)
        dense = jax.nn.relu(self.dense(dropped.reshape(inputs.shape[0], -1)))
        features = {"first": first, "second": second, "dense": dense}
        return self.last(dense * dropout_mask(key_dense, dense.shape, 0.5)), features

    @staticmethod
    def _channel_masks(rng_key: RngKey, images):
        return dropout_mask(rng_key, (images.shape[0], 1, 1, images.shape[-1]), 0.5)
