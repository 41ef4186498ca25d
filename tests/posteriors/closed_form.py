"""The linear-Gaussian model, where the posterior is known: what approximate posteriors are tested against."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bal import likelihoods, networks
from bal.types import Batch, Gaussian

NOISE = 0.5


class Exact(NamedTuple):
    mean: np.ndarray  # [F] weights, then the bias
    covariance: np.ndarray  # [F, F]


def linear_network():
    """Inputs are the embeddings; the readout is one linear layer with a bias."""
    return networks.Network(
        init=lambda rng_key, inputs: networks.Variables(
            {"last": {"kernel": jnp.zeros((inputs.shape[1], 1)), "bias": jnp.zeros(1)}}
        ),
        trunk=lambda variables, inputs: inputs,
        head=lambda variables, hidden, rng_key: hidden,
        readout=_readout,
        train=lambda rng_key, variables, inputs: networks.Training(
            _readout(variables, inputs), variables.statistics, jnp.zeros(()), {}
        ),
    )


def known_noise():
    """A Gaussian likelihood whose noise is not learned."""
    gaussian = likelihoods.gaussian(initial_noise=NOISE)
    known = gaussian.init(jax.random.key(0))
    return gaussian._replace(
        init=lambda rng_key: (),
        loss=lambda params, outputs, labels: gaussian.loss(known, outputs, labels),
        predictive=lambda params, outputs: gaussian.predictive(known, outputs),
    )


def regression_batch(num_points=24, num_inputs=2, num_padding=0):
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(num_points + num_padding, num_inputs))
    inputs[:, 1:] += 0.5 * inputs[:, :1]
    labels = inputs @ np.arange(1, num_inputs + 1) - 0.5 + NOISE * rng.normal(size=num_points + num_padding)
    weights = (np.arange(num_points + num_padding) < num_points).astype(np.float32)
    return Batch(jnp.asarray(inputs, jnp.float32), jnp.asarray(labels, jnp.float32), jnp.asarray(weights))


def exact_posterior(batch, prior_precision=1.0):
    """Bayesian linear regression in float64."""
    kept = np.asarray(batch.weights) > 0
    features = np.concatenate([np.asarray(batch.inputs, np.float64), np.ones((len(kept), 1))], axis=1)[kept]
    precision = features.T @ features / NOISE**2 + prior_precision * np.eye(features.shape[1])
    covariance = np.linalg.inv(precision)
    return Exact(covariance @ features.T @ np.asarray(batch.labels, np.float64)[kept] / NOISE**2, covariance)


def predictive_moments(exact, inputs):
    """Mean and variance of a new label, the noise included."""
    features = np.concatenate([np.asarray(inputs, np.float64), np.ones((len(inputs), 1))], axis=1)
    return Gaussian(features @ exact.mean, np.einsum("nf,fg,ng->n", features, exact.covariance, features) + NOISE**2)


def as_params(exact):
    """The exact mean as parameters of the linear network."""
    weights = jnp.asarray(exact.mean, jnp.float32)
    return {"last": {"kernel": weights[:-1, None], "bias": weights[-1:]}}


def stacked_weights(params):
    """Draws of the linear network's parameters as an array [S, F]."""
    return np.concatenate([params["last"]["kernel"][..., 0], params["last"]["bias"]], axis=-1)


def _readout(variables, embeddings):
    return embeddings @ variables.params["last"]["kernel"] + variables.params["last"]["bias"][None]
