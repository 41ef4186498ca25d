"""What the network's outputs mean: the loss that fits them, the distribution they stand for, how well it does."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal import metrics
from bal.information import log_mean_exp
from bal.types import Gaussian, PyTree, RngKey


class Likelihood(NamedTuple):
    """Pure functions that turn outputs into losses, predictive distributions and metrics.

    Predictions may be any pytree whose leaves start with the axis S, so that dense tasks fit too.
    """

    predicts: str
    information: Callable[[PyTree], Array]
    init: Callable[[RngKey], PyTree]  # -> params: learned noise lives here, () if none
    loss: Callable[[PyTree, Array, Array], Float[Array, " n"]]  # (params, outputs, labels) -> nats, one an example
    predictive: Callable[[PyTree, Array], PyTree]  # (params, outputs) -> predictions of one draw
    reduce: Callable[[PyTree], PyTree]  # predictions [S, ...] -> the predictive distribution of all draws
    nll: Callable[[PyTree, Array], Float[Array, " n"]]  # (predictive, labels) -> nats, one a point: how wrong it was
    metrics: Callable[[PyTree, Array, Array], dict[str, Array]]  # (predictive, labels, weights) -> scalars
    check_labels: Callable[[Any], None]  # raises ValueError where labels have a dtype or rank that cannot be


def categorical() -> Likelihood:
    """One of C classes a point. Outputs [n, C] are unnormalised log-probabilities, labels [n] are integers.

    Predictions are log-probabilities [S, n, C]; ``reduce`` averages the probabilities.

    Example:
      >>> likelihood = categorical()
      >>> float(likelihood.loss((), jnp.zeros((1, 2)), jnp.array([0]))[0]) == float(jnp.log(2))
      True
    """

    def loss(params, outputs, labels):
        log_probs = jax.nn.log_softmax(outputs)
        return -jnp.take_along_axis(log_probs, labels[:, None], axis=-1)[:, 0]

    def evaluate(log_probs, labels, weights):
        named = {name: getattr(metrics, name) for name in ("accuracy", "nll", "brier", "ece", "auc")}
        return {name: metric(log_probs, labels, weights) for name, metric in named.items()}

    def check_labels(labels):
        if not jnp.issubdtype(labels.dtype, jnp.integer) or labels.ndim != 1:
            raise ValueError(
                f"expected labels of an integer dtype and shape [n] for a categorical likelihood, "
                f"got {labels.dtype} of shape {list(labels.shape)}"
            )

    return Likelihood(
        predicts="categorical",
        information=lambda log_probs: jnp.maximum(1 - jnp.square(jnp.exp(log_mean_exp(log_probs))).sum(axis=-1), 0.0),
        init=lambda rng_key: (),
        loss=loss,
        predictive=lambda params, outputs: jax.nn.log_softmax(outputs),
        reduce=log_mean_exp,
        nll=metrics.losses,
        metrics=evaluate,
        check_labels=check_labels,
    )


def gaussian(*, initial_noise: float = 1.0) -> Likelihood:
    """A real number a point with Gaussian noise of one learned variance. Outputs [n, 1], labels [n].

    Predictions are :class:`bal.types.Gaussian` with leaves [S, n]; ``reduce`` matches the first two moments of the
    mixture, so its ``nll`` is that of the matched Gaussian.

    Args:
      initial_noise: standard deviation of the noise before fitting, in the unit of the labels.

    Raises:
      ValueError: ``initial_noise`` is not positive.
    """
    if initial_noise <= 0:
        raise ValueError(f"expected initial_noise above 0, got {initial_noise}")

    def predictive(params, outputs):
        mean = outputs[..., 0]
        return Gaussian(mean, jnp.full_like(mean, jnp.exp(params["log_variance"])))

    def loss(params, outputs, labels):
        prediction = predictive(params, outputs)
        return -jax.scipy.stats.norm.logpdf(labels, prediction.mean, jnp.sqrt(prediction.variance))

    def reduce(predictions):
        mean, variance = predictions
        return Gaussian(mean.mean(axis=0), variance.mean(axis=0) + mean.var(axis=0))

    def evaluate(predictive, labels, weights):
        return {
            "rmse": metrics.rmse(predictive, labels, weights),
            "nll": metrics.nll(predictive, labels, weights),
        }

    def check_labels(labels):
        if not jnp.issubdtype(labels.dtype, jnp.floating) or labels.ndim != 1:
            raise ValueError(
                f"expected labels of a floating dtype and shape [n] for a Gaussian likelihood, "
                f"got {labels.dtype} of shape {list(labels.shape)}"
            )

    return Likelihood(
        predicts="gaussian",
        information=lambda predictions: 1 / predictions.variance.mean(axis=0),
        init=lambda rng_key: {"log_variance": jnp.full((), 2 * jnp.log(initial_noise))},
        loss=loss,
        predictive=predictive,
        reduce=reduce,
        nll=metrics.losses,
        metrics=evaluate,
        check_labels=check_labels,
    )
