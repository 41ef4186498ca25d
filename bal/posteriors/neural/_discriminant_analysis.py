"""Gaussian discriminant analysis: the density of features as a mixture of one Gaussian for each class."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.factorisation import cholesky, solve_triangular
from bal.precision import full_precision

# The covariance of a class is that of its labels and of as many labels more with the mean variance of all features.
PRIOR_LABELS = 1.0


class FeatureDensity(NamedTuple):
    """A mixture of Gaussians over features."""

    shares: Float[Array, " C"]  # of the labels that each class has; they sum to 1
    means: Float[Array, "C D"]
    factors: Float[Array, "C D D"]  # lower Cholesky factors of the covariances


def standard_density(num_classes: int, width: int) -> FeatureDensity:
    """Standard normal features, the same in every class: the density before there are labels."""
    factors = jnp.broadcast_to(jnp.eye(width), (num_classes, width, width))
    return FeatureDensity(jnp.full(num_classes, 1 / num_classes), jnp.zeros((num_classes, width)), factors)


@full_precision
def fit_density(features: Float[Array, "n D"], members: Float[Array, "n C"]) -> FeatureDensity:
    r"""The mixture with the share, mean and covariance of each class.

    .. math:: \mu_c = \frac1{n_c} \sum_i w_{ic} h_i, \qquad
              \Sigma_c = \frac1{n_c + 1} \Bigl(\sum_i w_{ic} (h_i - \mu_c)(h_i - \mu_c)^\top + v I\Bigr)

    with v the variance of a feature over all labels, averaged over the features. In the paper v is the smallest number
    that lets the factorisation succeed. With fewer labels of a class than features, which is the rule in active
    learning, the density would then be that of rounding errors.

    Args:
      features: h; rows of padding are ignored, whatever they hold.
      members: weight w of each row in each class; 0 in all of them for padding.
    """
    weights = members.sum(axis=1)
    # Padding may hold anything, also infinities: it is replaced, not multiplied by 0.
    features = jnp.where(weights[:, None] > 0, features, 0.0)
    counts = members.sum(axis=0)
    total = jnp.where(weights.any(), weights.sum(), 1.0)
    centred = features - (weights @ features / total)[None]
    variance = (weights @ jnp.square(centred)).mean() / total
    # A single label, or features that are all the same, have no scale.
    variance = PRIOR_LABELS * jnp.where(variance > 0, variance, 1.0)
    means = members.T @ features / jnp.where(counts > 0, counts, 1.0)[:, None]

    def factor_of(of_class):
        members_of_class, mean, count = of_class
        deviations = features - mean[None]
        scatter = deviations.T @ (members_of_class[:, None] * deviations)
        # With very many labels v falls below the rounding of the scatter, which may make an eigenvalue negative.
        least = jnp.maximum(variance, jnp.finfo(scatter.dtype).eps * jnp.trace(scatter))
        return cholesky((scatter + least * jnp.eye(scatter.shape[0])) / (count + PRIOR_LABELS))

    return FeatureDensity(counts / total, means, jax.lax.map(factor_of, (members.T, means, counts)))


@full_precision
def log_density(density: FeatureDensity, features: Float[Array, "n D"]) -> Float[Array, " n"]:
    """Logarithm of the mixture's density at each row, in nats."""

    def of_class(component):
        mean, factor = component
        whitened = solve_triangular(factor, (features - mean[None]).T, lower=True)
        log_normaliser = jnp.log(jnp.diagonal(factor)).sum() + 0.5 * features.shape[1] * jnp.log(2 * jnp.pi)
        return -0.5 * jnp.square(whitened).sum(axis=0) - log_normaliser

    of_classes = jax.lax.map(of_class, (density.means, density.factors))
    # A class without labels has share 0, whose logarithm leaves it out.
    return jax.nn.logsumexp(of_classes + jnp.log(density.shares)[:, None], axis=0)
