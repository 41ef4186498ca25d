"""Networks of variational layers: every weight is Gaussian, so posterior samples share no computation."""

from collections.abc import Sequence

import jax
from flax import nnx

from bal.networks._convolution import max_pool
from bal.networks._from_module import network_from_module
from bal.networks._network import Network
from bal.networks._variational import ESTIMATORS, VariationalConv, VariationalDense
from bal.types import RngKey
from bal.validation import check_choice, check_count, check_counts


def variational_mlp(
    *, num_outputs: int, hidden_sizes: Sequence[int] = (128, 128), estimator: str = "local_reparameterisation"
) -> Network:
    """Fully connected ReLU layers with Gaussian weights over the flattened input, for ``mean_field``.

    Args:
      num_outputs: width of the output: the number of classes, or 1 for a regression.
      hidden_sizes: width of each hidden layer; none is a Bayesian linear model.
      estimator: "local_reparameterisation" or "flipout", see :class:`VariationalDense`.

    Raises:
      ValueError: a size below 1, or an unknown estimator.

    Example:
      >>> network = variational_mlp(num_outputs=3, hidden_sizes=(8,))
      >>> sorted(jax.eval_shape(network.init, jax.random.key(0), jax.numpy.zeros((1, 4))).params["last"])
      ['bias_log_deviation', 'bias_mean', 'kernel_log_deviation', 'kernel_mean']

    References:
      Blundell et al. 2015, Weight uncertainty in neural networks, arXiv:1505.05424
    """
    check_count("num_outputs", num_outputs)
    check_counts("hidden_sizes", hidden_sizes, empty=True)
    check_choice("estimator", estimator, ESTIMATORS)

    def create(shape: tuple[int, ...], rngs: nnx.Rngs) -> _VariationalMLP:
        num_inputs = 1
        for size in shape:
            num_inputs *= size
        return _VariationalMLP((num_inputs, *hidden_sizes), num_outputs, estimator, rngs)

    return network_from_module(create, template_shape=(1,))


def variational_cnn(*, num_outputs: int, estimator: str = "flipout") -> Network:
    """The layers of ``cnn(variant="gal")`` with Gaussian weights instead of dropout.

    Args:
      num_outputs: width of the output.
      estimator: "flipout" or "local_reparameterisation", see :class:`VariationalConv`.

    Raises:
      ValueError: an unknown estimator, or (from ``init``) images that are too small.

    Example:
      >>> network = variational_cnn(num_outputs=10)
    """
    check_count("num_outputs", num_outputs)
    check_choice("estimator", estimator, ESTIMATORS)

    def create(shape: tuple[int, ...], rngs: nnx.Rngs) -> _VariationalCNN:
        if len(shape) != 3 or min(shape[:2]) < 8:
            raise ValueError(
                "expected images [n, height, width, channels] of at least 8x8, "
                f"got inputs of shape [n, {', '.join(map(str, shape))}]"
            )
        return _VariationalCNN(shape, num_outputs, estimator, rngs)

    return network_from_module(create, template_shape=(28, 28, 1), convolutional=True)


def _keys(rng_key: RngKey | None, count: int):
    return [None] * count if rng_key is None else jax.random.split(rng_key, count)


class _VariationalMLP(nnx.Module):
    def __init__(self, sizes: tuple[int, ...], num_outputs: int, estimator: str, rngs: nnx.Rngs):
        pairs = zip(sizes, sizes[1:], strict=False)
        self.hidden = nnx.List([VariationalDense(a, b, estimator=estimator, rngs=rngs) for a, b in pairs])
        self.last = VariationalDense(sizes[-1], num_outputs, estimator=estimator, rngs=rngs)

    def trunk(self, inputs):
        return inputs.reshape(inputs.shape[0], -1)

    def head(self, hidden, rng_key: RngKey | None):
        for layer, key in zip(self.hidden, _keys(rng_key, len(self.hidden)), strict=True):
            hidden = jax.nn.relu(layer.sample(hidden, key))
        return hidden

    def readout(self, embeddings):
        return self.last.sample(embeddings, None)

    def training_pass(self, rng_key: RngKey, inputs):
        keys = jax.random.split(rng_key, len(self.hidden) + 1)
        hidden = self.trunk(inputs)
        for layer, key in zip(self.hidden, keys, strict=False):
            hidden = jax.nn.relu(layer.train_step(hidden, key))
        return self.last.train_step(hidden, keys[-1]), {}


class _VariationalCNN(nnx.Module):
    def __init__(self, shape: tuple[int, ...], num_outputs: int, estimator: str, rngs: nnx.Rngs):
        height, width, channels = shape
        num_features = (height - 6) // 2 * ((width - 6) // 2) * 32
        self.first = VariationalConv(channels, 32, (4, 4), estimator=estimator, rngs=rngs)
        self.second = VariationalConv(32, 32, (4, 4), estimator=estimator, rngs=rngs)
        self.dense = VariationalDense(num_features, 128, estimator=estimator, rngs=rngs)
        self.last = VariationalDense(128, num_outputs, estimator=estimator, rngs=rngs)

    def trunk(self, inputs):
        return inputs

    def head(self, hidden, rng_key: RngKey | None):
        keys = _keys(rng_key, 3)
        hidden = jax.nn.relu(self.second.sample(jax.nn.relu(self.first.sample(hidden, keys[0])), keys[1]))
        return jax.nn.relu(self.dense.sample(max_pool(hidden).reshape(hidden.shape[0], -1), keys[2]))

    def readout(self, embeddings):
        return self.last.sample(embeddings, None)

    def training_pass(self, rng_key: RngKey, inputs):
        keys = jax.random.split(rng_key, 4)
        hidden = jax.nn.relu(self.first.train_step(inputs, keys[0]))
        hidden = max_pool(jax.nn.relu(self.second.train_step(hidden, keys[1])))
        hidden = jax.nn.relu(self.dense.train_step(hidden.reshape(hidden.shape[0], -1), keys[2]))
        return self.last.train_step(hidden, keys[3]), {}
