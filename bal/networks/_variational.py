"""Layers with Gaussian weights, and the divergence of these weights from their prior."""

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from bal.networks._convolution import convolve, convolve_for_training
from bal.networks._training_noise import training_noise
from bal.types import PyTree, RngKey
from bal.validation import check_choice

ESTIMATORS = ("local_reparameterisation", "flipout")
# A weight called "x" has two leaves: its mean, and the logarithm of its standard deviation. The divergence needs the
# logarithm anyway; the softplus of the papers would cost several times more, a large part of a step of a small network.
# Both the layers and the divergence write a variance as exp(2 rho), so that the compiler computes it once.
MEAN, LOG_DEVIATION = "_mean", "_log_deviation"
# Standard deviation of the weights before training, as a fraction of the spread of their means.
INITIAL_DEVIATION = 0.1


class _GaussianWeights(nnx.Module):
    """A kernel and a bias with independent Gaussian weights, for a matrix or a convolution."""

    def __init__(self, kernel_shape: tuple[int, ...], estimator: str, rngs: nnx.Rngs):
        check_choice("estimator", estimator, ESTIMATORS)
        self.estimator = estimator
        num_inputs, num_outputs = math.prod(kernel_shape[:-1]), kernel_shape[-1]
        spread = num_inputs**-0.5
        log_deviation = math.log(INITIAL_DEVIATION * spread)
        self.kernel_mean = nnx.Param(spread * jax.random.normal(rngs.params(), kernel_shape))
        self.kernel_log_deviation = nnx.Param(jnp.full(kernel_shape, log_deviation))
        self.bias_mean = nnx.Param(jnp.zeros(num_outputs))
        self.bias_log_deviation = nnx.Param(jnp.full(num_outputs, log_deviation))

    def sample(self, inputs: Array, rng_key: RngKey | None) -> Array:
        """Outputs under one set of weights that all points share; without a key, under the means.

        In training this would be naive sampling, whose gradient has the largest variance.
        """
        kernel, bias = self.kernel_mean[...], self.bias_mean[...]
        if rng_key is not None:
            key_kernel, key_bias = jax.random.split(rng_key)
            kernel = kernel + jnp.exp(self.kernel_log_deviation[...]) * jax.random.normal(key_kernel, kernel.shape)
            bias = bias + jnp.exp(self.bias_log_deviation[...]) * jax.random.normal(key_bias, bias.shape)
        outputs = _apply(inputs, kernel)
        return outputs + jnp.expand_dims(bias, tuple(range(outputs.ndim - 1)))

    def train_step(self, inputs: Array, rng_key: RngKey) -> Array:
        """Outputs with different weights for each example (for flipout only decorrelated, see the class)."""
        estimate = self._local if self.estimator == "local_reparameterisation" else self._flipout
        return estimate(inputs, rng_key)

    def _local(self, inputs: Array, rng_key: RngKey) -> Array:
        mean = _apply(inputs, self.kernel_mean[...], training=True)
        variance = _apply(inputs**2, jnp.exp(2 * self.kernel_log_deviation[...]), training=True)
        axes = tuple(range(mean.ndim - 1))
        mean = mean + jnp.expand_dims(self.bias_mean[...], axes)
        variance = variance + jnp.expand_dims(jnp.exp(2 * self.bias_log_deviation[...]), axes)
        return mean + jnp.sqrt(variance) * training_noise(rng_key, mean.shape)

    def _flipout(self, inputs: Array, rng_key: RngKey) -> Array:
        key_kernel, key_bias, key_in, key_out = jax.random.split(rng_key, 4)
        mean = _apply(inputs, self.kernel_mean[...], training=True)
        kernel, bias = jnp.exp(self.kernel_log_deviation[...]), jnp.exp(self.bias_log_deviation[...])
        kernel = kernel * training_noise(key_kernel, kernel.shape)
        bias = bias * training_noise(key_bias, bias.shape)
        # One sign for each example and channel, the same at all positions of an image.
        places = (1,) * (inputs.ndim - 2)
        signs_in = _signs(key_in, (inputs.shape[0], *places, inputs.shape[-1]))
        signs_out = _signs(key_out, (inputs.shape[0], *places, mean.shape[-1]))
        axes = tuple(range(mean.ndim - 1))
        perturbation = _apply(inputs * signs_in, kernel, training=True) + jnp.expand_dims(bias, axes)
        return mean + jnp.expand_dims(self.bias_mean[...], axes) + perturbation * signs_out


class VariationalDense(_GaussianWeights):
    r"""A linear layer with weights :math:`w \sim N(\mu, e^{2\rho})`, all independent.

    ``train_step`` has the same mean gradient as naive sampling, with less variance. ``"local_reparameterisation"`` is
    exact: it draws the outputs of each example, which are Gaussian, instead of the weights. ``"flipout"`` multiplies
    one draw of the weights by random signs that differ between examples, which decorrelates the examples.

    Args:
      num_inputs: width of the input.
      num_outputs: width of the output.
      estimator: "local_reparameterisation" or "flipout".
      rngs: source of the initial means.

    Raises:
      ValueError: unknown estimator.

    Example:
      >>> layer = VariationalDense(3, 2, rngs=nnx.Rngs(params=jax.random.key(0)))
      >>> layer.train_step(jnp.ones((5, 3)), jax.random.key(1)).shape
      (5, 2)

    References:
      Blundell et al. 2015, Weight uncertainty in neural networks, arXiv:1505.05424
      Kingma et al. 2015, Variational dropout and the local reparameterization trick, arXiv:1506.02557
      Wen et al. 2018, Flipout, arXiv:1803.04386
    """

    def __init__(
        self, num_inputs: int, num_outputs: int, *, estimator: str = "local_reparameterisation", rngs: nnx.Rngs
    ):
        super().__init__((num_inputs, num_outputs), estimator, rngs)


class VariationalConv(_GaussianWeights):
    """A convolution (stride 1, no padding) with independent Gaussian weights; see :class:`VariationalDense`.

    Flipout is exact. Local reparameterisation is an approximation: it has the right distribution at each position, but
    draws positions independently although shared weights would correlate them.

    Args:
      num_inputs: channels of the input.
      num_outputs: channels of the output.
      kernel_size: height and width of the kernel.
      estimator: "flipout" or "local_reparameterisation".
      rngs: where initial means are drawn.

    Raises:
      ValueError: unknown estimator.
    """

    def __init__(
        self,
        num_inputs: int,
        num_outputs: int,
        kernel_size: tuple[int, int],
        *,
        estimator: str = "flipout",
        rngs: nnx.Rngs,
    ):
        super().__init__((*kernel_size, num_inputs, num_outputs), estimator, rngs)


def _apply(inputs: Array, kernel: Array, *, training: bool = False) -> Array:
    """A matrix product or a convolution, depending on the shape of the kernel."""
    if kernel.ndim == 2:
        return inputs @ kernel
    return convolve_for_training(inputs, kernel) if training else convolve(inputs, kernel)


def gaussian_weights(params: PyTree) -> list[tuple[Array, Array]]:
    """Mean and log standard deviation of each Gaussian weight in a network's parameters.

    Example:
      >>> params = {f"kernel{MEAN}": jnp.zeros(3), f"kernel{LOG_DEVIATION}": jnp.zeros(3)}
      >>> len(gaussian_weights(params))
      1
    """
    leaves = {_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(params)}
    pairs = {name: name.removesuffix(MEAN) + LOG_DEVIATION for name in leaves if name.endswith(MEAN)}
    return [(leaves[name], leaves[other]) for name, other in pairs.items() if other in leaves]


def draw_gaussian_weights(rng_key: RngKey, params: PyTree) -> PyTree:
    """Replace the mean of each Gaussian weight by one sample, and every other leaf by None.

    Example:
      >>> params = {f"kernel{MEAN}": jnp.zeros(3), f"kernel{LOG_DEVIATION}": jnp.zeros(3)}
      >>> draw_gaussian_weights(jax.random.key(0), params)[f"kernel{MEAN}"].shape
      (3,)
    """
    leaves = jax.tree_util.tree_leaves_with_path(params)
    named = {_name(path): leaf for path, leaf in leaves}

    def draw(number: int, name: str, mean: Array) -> Array | None:
        log_deviation = named.get(name.removesuffix(MEAN) + LOG_DEVIATION) if name.endswith(MEAN) else None
        if log_deviation is None:
            return None
        noise = jax.random.normal(jax.random.fold_in(rng_key, number), mean.shape)
        return mean + jnp.exp(log_deviation) * noise

    draws = [draw(number, _name(path), leaf) for number, (path, leaf) in enumerate(leaves)]
    return jax.tree.unflatten(jax.tree.structure(params), draws)


def divergence_from_prior(params: PyTree, prior_scale: float | Float[Array, ""]) -> Float[Array, ""]:
    r"""Kullback-Leibler divergence of all Gaussian weights from :math:`N(0, s^2)`, in closed form.

    .. math:: \sum_j \log \frac{s}{\sigma_j} + \frac{\sigma_j^2 + \mu_j^2}{2 s^2} - \frac12

    Args:
      params: parameters of a network with variational layers.
      prior_scale: s, the standard deviation of every weight under the prior.

    Returns:
      Nats; 0 if the weights follow the prior, or if none is Gaussian.

    Example:
      >>> params = {f"kernel{MEAN}": jnp.zeros(3), f"kernel{LOG_DEVIATION}": jnp.zeros(3)}
      >>> float(divergence_from_prior(params, 1.0))
      0.0
    """

    def divergence(mean: Array, log_deviation: Array) -> Array:
        second_moment = (jnp.exp(2 * log_deviation) + mean**2) / prior_scale**2
        return (0.5 * (second_moment - 1) - log_deviation + jnp.log(prior_scale)).sum()

    return sum((divergence(*weight) for weight in gaussian_weights(params)), start=jnp.zeros(()))


def _signs(rng_key: RngKey, shape: tuple[int, ...]) -> Float[Array, "..."]:
    """Plus or minus 1 with equal probability, 32 of them from one random word."""
    size = math.prod(shape)
    words = jax.random.bits(rng_key, (-(-size // 32), 1))
    bits = (words >> jnp.arange(32, dtype=jnp.uint32)[None]) & 1
    return 2.0 * bits.reshape(-1)[:size].reshape(shape) - 1.0


def _name(path) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")
