"""Conjugate Gaussian regression: the posterior in closed form, on inputs or on frozen features."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.factorisation import cho_solve, cholesky, solve_triangular
from bal.likelihoods import check_batch, gaussian
from bal.posteriors._fit_info import FitInfo
from bal.posteriors._posterior import Posterior, check_num_samples
from bal.posteriors.closed_form._flat_inputs import flat_inputs
from bal.precision import full_precision
from bal.types import Batch, Gaussian, PyTree, RngKey
from bal.validation import check_positive


class LinearState(NamedTuple):
    """A Gaussian over the weights."""

    mean: Float[Array, " D"]
    precision_factor: Float[Array, "D D"]  # lower Cholesky factor of the inverse covariance
    noise: dict[str, Array]  # parameters of the Gaussian likelihood


def bayesian_linear(
    feature_fn: Callable[[PyTree], Array] | None = None,
    *,
    noise: float | Float[Array, ""],
    prior_scale: float | Float[Array, ""] = 1.0,
) -> Posterior:
    r"""Linear regression with a Gaussian prior over the weights and known noise, in closed form.

    .. math::
      y = \phi(x)^\top w + \epsilon, \quad w \sim N(0, s^2 I), \quad \epsilon \sim N(0, \sigma^2); \qquad
      \Sigma^{-1} = s^{-2} I + \sigma^{-2} \Phi^\top \Phi, \quad \mu = \sigma^{-2} \Sigma \Phi^\top y

    A row of weight w counts as w observations. ``fit`` depends on the batch only, not on the state. With the embedding
    of a trained network as features it is the neural-linear model.

    Args:
      feature_fn: inputs [n, ...] -> features [n, D], which are not learned; None: a constant 1 and the flat inputs.
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
    if feature_fn is not None and not callable(feature_fn):
        raise ValueError(f"expected feature_fn to be a function of inputs, got {feature_fn!r}")
    features = affine_features if feature_fn is None else feature_fn
    likelihood = gaussian()

    def init(rng_key: RngKey, batch: Batch) -> LinearState:
        """The prior over the weights."""
        check_batch(likelihood, batch)
        shape = jax.eval_shape(features, batch.inputs).shape
        num_points = batch.weights.shape[0]
        if len(shape) != 2 or shape[0] != num_points:
            raise ValueError(f"expected feature_fn to return [n, D] for n = {num_points} points, got {list(shape)}")
        log_variance = jnp.asarray(2 * jnp.log(noise), jnp.float32)
        factor = cholesky(jnp.eye(shape[1]) / prior_scale**2)
        return LinearState(jnp.zeros(shape[1]), factor, {"log_variance": log_variance})

    @full_precision
    def fit(rng_key: RngKey, state: LinearState, batch: Batch, validation: Batch | None = None):
        """The posterior over the weights, in closed form."""
        # Padding may hold anything, also infinities: it is replaced, not multiplied by 0.
        labelled = batch.weights > 0
        design = jnp.where(labelled[:, None], features(batch.inputs), 0.0)
        labels = jnp.where(labelled, batch.labels, 0.0)
        precisions = batch.weights * jnp.exp(-state.noise["log_variance"])
        identity = jnp.eye(design.shape[1])
        factor = cholesky(identity / prior_scale**2 + design.T @ (precisions[:, None] * design))
        mean = cho_solve(factor, design.T @ (precisions * labels))
        return LinearState(mean, factor, state.noise), FitInfo()

    @full_precision
    def sample(rng_key: RngKey, state: LinearState, num_samples: int | None) -> Float[Array, "S D"]:
        """Weights."""
        num_samples = check_num_samples(num_samples, None, "bayesian_linear")
        normals = jax.random.normal(rng_key, (state.mean.shape[0], num_samples))
        return state.mean[None] + solve_triangular(state.precision_factor.T, normals, lower=False).T

    @full_precision
    def predict(state: LinearState, draws: Float[Array, "S D"], inputs: PyTree) -> Gaussian:
        """Values under each draw of the weights, with the variance of the noise."""
        outputs = draws @ features(inputs).T
        return likelihood.predictive(state.noise, outputs[..., None])

    def whitened(state: LinearState, inputs: PyTree) -> Float[Array, "D n"]:
        """Columns whose inner products are posterior covariances."""
        return solve_triangular(state.precision_factor, features(inputs).T, lower=True)

    @full_precision
    def covariance(state: LinearState, inputs_a: PyTree, inputs_b: PyTree) -> Float[Array, "a b"]:
        """Posterior covariance of the function."""
        return whitened(state, inputs_a).T @ whitened(state, inputs_b)

    @full_precision
    def moments(state: LinearState, inputs: PyTree) -> Gaussian:
        """Mean and variance of a new label, noise included."""
        epistemic = (whitened(state, inputs) ** 2).sum(axis=0)
        return Gaussian(features(inputs) @ state.mean, epistemic + jnp.exp(state.noise["log_variance"]))

    def embedding(state: LinearState, inputs: PyTree) -> Float[Array, "n D"]:
        """The features that the regression is on, which are also the gradient of the function by its weights."""
        return features(inputs)

    return Posterior(
        init=init,
        fit=fit,
        sample=sample,
        predict=predict,
        features={"embedding": embedding, "gradient": embedding},
        covariance=covariance,
        likelihood=likelihood,
        moments=moments,
    )


def affine_features(inputs: PyTree) -> Float[Array, "n D"]:
    """A constant 1, whose weight is the intercept, and the flat inputs."""
    flat = flat_inputs(inputs)
    return jnp.concatenate([jnp.ones((flat.shape[0], 1), flat.dtype), flat], axis=-1)
