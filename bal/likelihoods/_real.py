"""Functions shared by likelihoods with Gaussian predictions."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from bal import metrics
from bal.likelihoods._checks import check_labels, check_shape
from bal.likelihoods._likelihood import Check, Tally
from bal.types import Gaussian

ERROR_QUANTILES = {"error_q95": 0.95, "error_q99": 0.99}


def reduce(predictions: Gaussian) -> Gaussian:
    """The Gaussian with the mean and variance of the mixture: its variance is the mean noise plus that of the means."""
    mean, variance = predictions
    return Gaussian(mean.mean(axis=0), variance.mean(axis=0) + mean.var(axis=0))


def nll(predictive: Gaussian, labels: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Negative log-density of each label, in nats."""
    return metrics.negative_log_density(predictive.mean, predictive.variance, labels)


def checked(name: str, *, num_outputs: int) -> Check:
    """The check of real labels [n] against outputs [n, num_outputs]."""

    def check(labels, outputs=None, predictive=None) -> None:
        check_labels(labels, name, real=True, ndim=1)
        if outputs is not None:
            check_shape(outputs, (labels.shape[0], num_outputs), name)
        if predictive is not None:
            check_shape(predictive.mean, labels.shape, name, "predicted means")

    return check


def tally(predictive: Gaussian, labels: Float[Array, " n"], weights: Float[Array, " n"]) -> Tally:
    """Sums for the metrics that are means; predicted means and labels for the others."""
    mean, variance = predictive
    means = {
        "squared_error": (mean - labels) ** 2,
        "mae": jnp.abs(mean - labels),
        "nll": nll(predictive, labels),
        "crps": metrics.crps(mean, variance, labels),
        "coverage_90": metrics.in_interval(mean, variance, labels).astype(mean.dtype),
    }
    sums = {
        "means": {name: metrics.weighted_sum(values, weights) for name, values in means.items()},
        "weight": weights.sum(),
    }
    return Tally(sums, {"mean": mean, "labels": labels, "weights": weights})


def figures_in(unit: float | Array) -> Callable[[Tally], dict[str, Array]]:
    """Metrics in the original unit of the labels, before they were divided by ``unit``."""

    def figures(tally: Tally) -> dict[str, Array]:
        means = {name: total / tally.sums["weight"] for name, total in tally.sums["means"].items()}
        named = {
            "rmse": unit * jnp.sqrt(means["squared_error"]),
            "mae": unit * means["mae"],
            # A density has the inverse unit of the labels.
            "nll": means["nll"] + jnp.log(unit),
            "crps": unit * means["crps"],
            "coverage_90": means["coverage_90"],
        }
        if not tally.points:
            return named
        mean, labels, weights = (tally.points[name] for name in ("mean", "labels", "weights"))
        errors = jnp.abs(mean - labels)
        quantiles = {name: metrics.weighted_quantile(errors, weights, q) for name, q in ERROR_QUANTILES.items()}
        named |= {name: unit * quantile for name, quantile in quantiles.items()}
        return {**named, "r2": metrics.r2(mean, labels, weights)}

    return figures
