"""Covariance functions of Gaussian processes, each with random functions of that covariance."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.types import PyTree, RngKey


class KernelParams(NamedTuple):
    """Hyperparameters, as logarithms, so that an optimiser may move them to any real number."""

    log_lengthscale: Float[Array, ""]  # in the unit of the inputs; the linear kernel does not use it
    log_variance: Float[Array, ""]  # of the function, in the squared unit of the labels


class CovarianceFunction(NamedTuple):
    """A covariance function of flat inputs [n, D], and draws from the zero-mean process that has it."""

    covariance: Callable[[KernelParams, Array, Array], Float[Array, "a b"]]
    variance: Callable[[KernelParams, Array], Float[Array, " n"]]  # the diagonal, without rounding
    draw: Callable[..., PyTree]  # (rng_key, params, *, num_inputs, num_features) -> one random function
    evaluate: Callable[[PyTree, Array], Float[Array, " n"]]  # (random function, inputs) -> its values
    # (rng_key, params, inputs, *, num_features) -> [n, F]: the gradient of a random function by its normal weights, so
    # that inner products are, on average over keys, the covariance
    features: Callable[..., Float[Array, "n F"]]


class FourierFunction(NamedTuple):
    """A random sum of cosines."""

    frequencies: Float[Array, "F D"]
    phases: Float[Array, " F"]
    amplitudes: Float[Array, " F"]


def _stationary(correlation: Callable[[Array], Array], degrees_of_freedom: int | None) -> CovarianceFunction:
    r"""A kernel :math:`v\, \rho(\|a - b\|^2 / \ell^2)` whose spectral density is a normal or a Student t.

    The random function is :math:`f(x) = \sqrt{2 v / F} \sum_i w_i \cos(\omega_i^\top x + b_i)` with its own
    frequencies, so that over draws its covariance is exactly that of the kernel for any number of features F; only its
    distribution approximates a Gaussian (Rahimi and Recht 2007).
    """

    def covariance(params: KernelParams, a: Float[Array, "a D"], b: Float[Array, "b D"]) -> Float[Array, "a b"]:
        # Centred first: the expansion of the square loses digits far from the origin.
        centre = b.mean(axis=0, keepdims=True)
        a, b = (a - centre) / jnp.exp(params.log_lengthscale), (b - centre) / jnp.exp(params.log_lengthscale)
        squared = (a**2).sum(axis=-1)[:, None] + (b**2).sum(axis=-1)[None] - 2 * a @ b.T
        return jnp.exp(params.log_variance) * correlation(jnp.maximum(squared, 0.0))

    def draw(rng_key: RngKey, params: KernelParams, *, num_inputs: int, num_features: int) -> FourierFunction:
        key_normal, key_scale, key_phase, key_amplitude = jax.random.split(rng_key, 4)
        frequencies = jax.random.normal(key_normal, (num_features, num_inputs))
        if degrees_of_freedom is not None:
            chi_square = jax.random.chisquare(key_scale, degrees_of_freedom, shape=(num_features, 1))
            frequencies = frequencies / jnp.sqrt(chi_square / degrees_of_freedom)
        scale = jnp.sqrt(2 * jnp.exp(params.log_variance) / num_features)
        return FourierFunction(
            frequencies / jnp.exp(params.log_lengthscale),
            jax.random.uniform(key_phase, (num_features,), maxval=2 * jnp.pi),
            scale * jax.random.normal(key_amplitude, (num_features,)),
        )

    def evaluate(function: FourierFunction, inputs: Float[Array, "n D"]) -> Float[Array, " n"]:
        return jnp.cos(inputs @ function.frequencies.T + function.phases[None]) @ function.amplitudes

    def features(rng_key: RngKey, params: KernelParams, inputs: Float[Array, "n D"], *, num_features: int) -> Array:
        function = draw(rng_key, params, num_inputs=inputs.shape[1], num_features=num_features)
        scale = jnp.sqrt(2 * jnp.exp(params.log_variance) / num_features)
        return scale * jnp.cos(inputs @ function.frequencies.T + function.phases[None])

    def variance(params: KernelParams, a: Float[Array, "a D"]) -> Float[Array, " a"]:
        return jnp.full(a.shape[0], jnp.exp(params.log_variance))

    return CovarianceFunction(covariance, variance, draw, evaluate, features)


def _distance(squared: Array) -> Array:
    # The square root has no finite gradient at 0, where these kernels are smooth and theirs is 0.
    return jnp.sqrt(jnp.maximum(squared, 1e-12))


def _matern32(squared: Array) -> Array:
    distance = jnp.sqrt(3) * _distance(squared)
    return (1 + distance) * jnp.exp(-distance)


def _matern52(squared: Array) -> Array:
    distance = jnp.sqrt(5) * _distance(squared)
    return (1 + distance + 5 * squared / 3) * jnp.exp(-distance)


def _linear() -> CovarianceFunction:
    r"""The kernel :math:`v (1 + a^\top b)` of an affine function whose weights have variance v. Its draws are exact."""

    def draw(rng_key: RngKey, params: KernelParams, *, num_inputs: int, num_features: int) -> Float[Array, " D1"]:
        return jnp.exp(0.5 * params.log_variance) * jax.random.normal(rng_key, (num_inputs + 1,))

    def features(rng_key: RngKey, params: KernelParams, inputs: Float[Array, "n D"], *, num_features: int) -> Array:
        return jnp.exp(0.5 * params.log_variance) * jnp.pad(inputs, ((0, 0), (1, 0)), constant_values=1.0)

    return CovarianceFunction(
        covariance=lambda params, a, b: jnp.exp(params.log_variance) * (1 + a @ b.T),
        variance=lambda params, a: jnp.exp(params.log_variance) * (1 + (a**2).sum(axis=-1)),
        draw=draw,
        evaluate=lambda weights, inputs: weights[0] + inputs @ weights[1:],
        features=features,
    )


KERNELS = {
    "linear": _linear(),
    # The spectral density of a Matern kernel of smoothness nu is a Student t with 2 nu degrees of freedom.
    "matern32": _stationary(_matern32, 3),
    "matern52": _stationary(_matern52, 5),
    "rbf": _stationary(lambda squared: jnp.exp(-0.5 * squared), None),
}
