"""Posteriors that fit and compile in no time, for tests of what surrounds posteriors."""

import math

import jax
import jax.numpy as jnp

from bal.likelihoods import boxes, categorical, gaussian
from bal.posteriors import FitInfo, Posterior
from bal.types import Gaussian

NUM_CLASSES = 3
NOISE = 0.25  # variance of an observation of the linear function


def class_means() -> Posterior:
    """Nearest class mean; a draw moves the means a little."""

    def init(rng_key, batch):
        categorical().check(batch.labels, jax.ShapeDtypeStruct((len(batch.labels), NUM_CLASSES), jnp.float32))
        return jax.random.normal(rng_key, (NUM_CLASSES, batch.inputs.shape[-1]))

    def fit(rng_key, state, batch, validation=None):
        members = jax.nn.one_hot(batch.labels, NUM_CLASSES) * batch.weights[:, None]
        counts = members.sum(axis=0)[:, None]
        means = jnp.where(counts > 0, members.T @ batch.inputs / jnp.maximum(counts, 1), state)
        return means, _fit_info()

    def sample(rng_key, state, num_samples):
        return state[None] + 0.5 * jax.random.normal(rng_key, (num_samples, *state.shape))

    def predict(state, draws, inputs):
        distances = ((inputs[None, :, None] - draws[:, None]) ** 2).sum(axis=-1)
        return jax.nn.log_softmax(-distances)

    features = {"embedding": lambda state, inputs: inputs @ state.T, **FEATURES}
    return Posterior(init, fit, sample, predict, features, None, categorical())


def linear_regression(*, closed: bool) -> Posterior:
    """Bayesian linear regression with a standard normal prior; its covariance is told or kept to itself."""

    def init(rng_key, batch):
        gaussian().check(batch.labels)
        return jnp.zeros(batch.inputs.shape[-1]), jnp.eye(batch.inputs.shape[-1])

    def fit(rng_key, state, batch, validation=None):
        weighted = batch.inputs * batch.weights[:, None]
        precision = jnp.eye(batch.inputs.shape[-1]) + weighted.T @ batch.inputs / NOISE
        covariance = jnp.linalg.inv(precision)
        return (covariance @ (weighted.T @ batch.labels) / NOISE, covariance), _fit_info()

    def sample(rng_key, state, num_samples):
        mean, covariance = state
        noise = jax.random.normal(rng_key, (num_samples, *mean.shape))
        return mean[None] + noise @ jnp.linalg.cholesky(covariance).T

    def predict(state, draws, inputs):
        mean = draws @ inputs.T
        return Gaussian(mean, jnp.full_like(mean, NOISE))

    def covariance(state, inputs_a, inputs_b):
        return inputs_a @ state[1] @ inputs_b.T

    features = {"embedding": lambda state, inputs: inputs, **FEATURES}
    return Posterior(init, fit, sample, predict, features, covariance if closed else None, gaussian())


def linear_detector() -> Posterior:
    """Outputs for two classes in 2 x 2 cells, linear in the inputs; nothing is fitted."""
    return linear_outputs(boxes(), (2, 2, 6))


def linear_outputs(likelihood, shape: tuple[int, ...]) -> Posterior:
    """Outputs of a shape, linear in the inputs [n, ...], under any likelihood without parameters; nothing is fitted."""

    def flat(inputs):
        return inputs.reshape(inputs.shape[0], -1)

    def init(rng_key, batch):
        likelihood.check(batch.labels, jax.ShapeDtypeStruct((batch.inputs.shape[0], *shape), jnp.float32))
        return jax.random.normal(rng_key, (flat(batch.inputs).shape[-1], math.prod(shape)))

    def sample(rng_key, state, num_samples):
        return state[None] + 0.3 * jax.random.normal(rng_key, (num_samples, *state.shape))

    def predict(state, draws, inputs):
        outputs = (flat(inputs)[None] @ draws).reshape(draws.shape[0], -1, *shape)
        return likelihood.predictive((), outputs)

    features = {"embedding": lambda state, inputs: flat(inputs), "predicted_loss": _predicted_loss}
    return Posterior(
        init,
        lambda rng_key, state, batch, validation=None: (state, _fit_info()),
        sample,
        predict,
        features,
        None,
        likelihood,
    )


def _predicted_loss(state, inputs):
    return inputs[:, :1]


def _log_density(state, inputs):
    return -jnp.square(inputs).sum(axis=1, keepdims=True)


FEATURES = {"log_density": _log_density, "predicted_loss": _predicted_loss}


def _fit_info() -> FitInfo:
    return FitInfo(jnp.zeros(()), jnp.full((), jnp.nan), jnp.int32(0))
