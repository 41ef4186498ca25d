"""Conjugate Gaussian regression: the posterior that is known exactly, on inputs or on frozen features."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from bal.likelihoods import check_batch, gaussian
from bal.posteriors._posterior import FitInfo, Posterior, check_num_samples, check_positive
from bal.precision import full_precision
from bal.types import Batch, Gaussian, RngKey


class LinearState(NamedTuple):
    """A Gaussian over the weights."""

    mean: Float[Array, " D"]
    precision_factor: Float[Array, "D D"]  # lower Cholesky factor of the inverse covariance
    noise: dict[str, Array]  # parameters of the Gaussian likelihood


def bayesian_linear(
    feature_fn: Callable[[Array], Array] | None = None,
    *,
    noise: float | Float[Array, ""],
    prior_scale: float | Float[Array, ""] = 1.0,
) -> Posterior:
    r"""Linear regression with a Gaussian prior over the weights and noise of known size, in closed form.

    .. math::
      y = \phi(x)^\top w + \epsilon, \quad w \sim N(0, s^2 I), \quad \epsilon \sim N(0, \sigma^2); \qquad
      \Sigma^{-1} = s^{-2} I + \sigma^{-2} \Phi^\top \Phi, \quad \mu = \sigma^{-2} \Sigma \Phi^\top y

    A row of weight w counts as w observations. ``fit`` depends on the batch only, not on the state it is given. With
    the embedding of a trained network as features it is the neural-linear model.

    Args:
      feature_fn: inputs [n, ...] -> features [n, D], frozen; None: the flattened inputs behind a constant 1.
      noise: standard deviation of the noise, in the unit of the labels.
      prior_scale: standard deviation of a weight under the prior, in the unit of labels over features.

    Returns:
      A posterior for real labels, with ``covariance`` and ``moments``; draws are weights [S, D].

    Raises:
      ValueError: a scale that is not positive, or (from ``init``) features that are not [n, D].

    Example:
      >>> batch = Batch(jnp.ones((1, 1)), jnp.ones(1), jnp.ones(1))
      >>> posterior = bayesian_linear(lambda inputs: inputs, noise=1.0)
      >>> state, _ = posterior.fit(jax.random.key(0), posterior.init(jax.random.key(0), batch), batch)
      >>> round(float(state.mean[0]), 3), round(float(posterior.moments(state, batch.inputs).variance[0]), 3)
      (0.5, 1.5)

    References:
      Bishop 2006, Pattern recognition and machine learning, section 3.3
      Riquelme et al. 2018, Deep Bayesian bandits showdown, arXiv:1802.09127 (neural-linear)
    """
    check_positive(noise=noise, prior_scale=prior_scale)
    features = affine_features if feature_fn is None else feature_fn
    likelihood = gaussian()

    def init(rng_key: RngKey, batch: Batch) -> LinearState:
        check_batch(likelihood, batch)
        shape = jax.eval_shape(features, batch.inputs).shape
        if len(shape) != 2 or shape[0] != batch.inputs.shape[0]:
            raise ValueError(
                f"expected feature_fn to return [n, D] for inputs {list(batch.inputs.shape)}, got {list(shape)}"
            )
        log_variance = jnp.asarray(2 * jnp.log(noise), jnp.float32)
        factor = jnp.linalg.cholesky(jnp.eye(shape[1]) / prior_scale**2)
        return LinearState(jnp.zeros(shape[1]), factor, {"log_variance": log_variance})

    @full_precision
    def fit(rng_key: RngKey, state: LinearState, batch: Batch, validation: Batch | None = None):
        # What padding holds may be anything, also infinite: it is replaced, not multiplied by 0.
        labelled = batch.weights > 0
        design = jnp.where(labelled[:, None], features(batch.inputs), 0.0)
        labels = jnp.where(labelled, batch.labels, 0.0)
        precisions = batch.weights * jnp.exp(-state.noise["log_variance"])
        identity = jnp.eye(design.shape[1])
        factor = jnp.linalg.cholesky(identity / prior_scale**2 + design.T @ (precisions[:, None] * design))
        mean = jax.scipy.linalg.cho_solve((factor, True), design.T @ (precisions * labels))
        return LinearState(mean, factor, state.noise), FitInfo(
            jnp.full((), jnp.nan), jnp.full((), jnp.nan), jnp.int32(0)
        )

    @full_precision
    def sample(rng_key: RngKey, state: LinearState, num_samples: int | None) -> Float[Array, "S D"]:
        num_samples = check_num_samples(num_samples, None, "bayesian_linear")
        normals = jax.random.normal(rng_key, (state.mean.shape[0], num_samples))
        return state.mean[None] + solve_triangular(state.precision_factor.T, normals, lower=False).T

    @full_precision
    def predict(state: LinearState, draws: Float[Array, "S D"], inputs: Array) -> Gaussian:
        outputs = draws @ features(inputs).T
        return likelihood.predictive(state.noise, outputs[..., None])

    def whitened(state: LinearState, inputs: Array) -> Float[Array, "D n"]:
        """Columns whose inner products are posterior covariances."""
        return solve_triangular(state.precision_factor, features(inputs).T, lower=True)

    @full_precision
    def covariance(state: LinearState, inputs_a: Array, inputs_b: Array) -> Float[Array, "a b"]:
        return whitened(state, inputs_a).T @ whitened(state, inputs_b)

    @full_precision
    def moments(state: LinearState, inputs: Array) -> Gaussian:
        epistemic = (whitened(state, inputs) ** 2).sum(axis=0)
        return Gaussian(features(inputs) @ state.mean, epistemic + jnp.exp(state.noise["log_variance"]))

    return Posterior(
        init=init,
        fit=fit,
        sample=sample,
        predict=predict,
        features={"embedding": lambda state, inputs: features(inputs)},
        covariance=covariance,
        likelihood=likelihood,
        moments=moments,
    )


def affine_features(inputs: Float[Array, "n ..."]) -> Float[Array, "n D"]:
    """The flattened inputs behind a constant 1, whose weight is the intercept."""
    flat = inputs.reshape(inputs.shape[0], -1)
    return jnp.concatenate([jnp.ones((flat.shape[0], 1), flat.dtype), flat], axis=-1)
