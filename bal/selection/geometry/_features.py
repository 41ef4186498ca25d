"""Features that stand for a posterior: their linear kernel is its covariance."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.factorisation import cholesky, solve_triangular
from bal.precision import full_precision
from bal.selection._checks import as_floats, check_labelled
from bal.selection.geometry._points import blank
from bal.validation import check_positive


@full_precision
def condition(
    features: Float[Array, "N D"],
    labelled_features: Float[Array, "K D"],
    *,
    noise: float | Float[Array, ""],
    labelled_weights: Float[Array, " K"] | None = None,
) -> Float[Array, "N D"]:
    r"""Features whose linear kernel is the posterior covariance once the labelled points have been observed.

    .. math:: k(x, x') = \phi(x)^\top \left(I + \tfrac{1}{\sigma^2} \Phi^\top W \Phi\right)^{-1} \phi(x')

    Args:
      features: :math:`\phi` of the points, scaled so that the prior over the weights is standard normal.
      labelled_features: :math:`\Phi`.
      noise: variance :math:`\sigma^2` of an observation.
      labelled_weights: how often each was observed; 0 is padding, whose contents change nothing. None counts each once.

    Returns:
      Transformed features, in any rotation of the feature space.

    Raises:
      ValueError: features of different widths, a negative weight, or ``noise`` not above 0.

    Example:
      >>> posterior = condition(jnp.ones((1, 1)), jnp.ones((1, 1)), noise=1.0)
      >>> f"{posterior[0, 0] ** 2:.3f}"  # 1 / (1 + 1)
      '0.500'

    References:
      Holzmüller et al. 2023, A framework and benchmark for deep batch active learning for regression, arXiv:2203.09410
    """
    features = as_floats("features", features, "N", "D")
    check_labelled(features, labelled_features=labelled_features, labelled_weights=labelled_weights)
    check_positive(noise=noise)
    weights = jnp.ones_like(labelled_features[:, 0]) if labelled_weights is None else labelled_weights
    return _condition(features, labelled_features, weights, noise)


@jax.jit
def _condition(features, labelled_features, weights, noise):
    labelled = blank(labelled_features, weights > 0) * jnp.sqrt(weights)[:, None]
    precision = jnp.eye(features.shape[1], dtype=features.dtype) + labelled.T @ labelled / noise
    factor = cholesky(precision)
    return solve_triangular(factor, features.T, lower=True).T


def ensemble_features(predictions: Float[Array, "S N *C"]) -> Float[Array, "N D"]:
    r"""Features whose linear kernel is the covariance of predictions over posterior draws, summed over outputs.

    .. math:: k(x, x') = \frac1S \sum_s (f_s(x) - \bar f(x))^\top (f_s(x') - \bar f(x'))

    Args:
      predictions: outputs, means or log-probabilities (finite) under S draws or ensemble members.

    Returns:
      One row per point, D = S times the number of outputs.

    Example:
      >>> ensemble_features(jnp.array([[1.0], [3.0]])).tolist()  # variance 1
      [[-0.7071067690849304, 0.7071067690849304]]
    """
    centred = (predictions - predictions.mean(axis=0, keepdims=True)) / predictions.shape[0] ** 0.5
    return jnp.moveaxis(centred, 0, 1).reshape(predictions.shape[1], -1)
