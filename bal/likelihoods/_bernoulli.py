"""Multi-label classification: several binary labels a point."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from bal import metrics
from bal.information import log_mean_exp
from bal.likelihoods._checks import check_classes, check_labels, check_shape
from bal.likelihoods._likelihood import Likelihood, Tally

NAME = "a Bernoulli likelihood"


def bernoulli() -> Likelihood:
    r"""L labels a point, each 0 or 1. Outputs [n, L] are log-odds, labels [n, L] are integers.

    Given the outputs the labels are independent, so the loss of a point, in nats, is the sum over its labels. The
    predictions are log-probabilities of 0 and of 1, [S, n, L, 2]: each label is a distribution over two classes along
    the last axis, as scores expect it. Neither probability is computed as 1 minus the other, which would round a small
    one to 0. ``reduce`` averages the probabilities of each label.

    Metrics are ``nll`` (nats a point), ``accuracy`` (share of the labels), ``brier`` (mean squared error of the
    probability of 1) and, as means over the labels, ``auc`` and ``average_precision``; dense predictions do not have
    the last two. The information is :math:`\sum_l p_l (1 - p_l)`.

    Example:
      >>> likelihood = bernoulli()
      >>> float(likelihood.loss((), jnp.zeros((1, 3)), jnp.array([[0, 1, 1]]))[0]) == float(3 * jnp.log(2))
      True
    """
    return Likelihood(
        predicts="bernoulli",
        init=lambda rng_key: (),
        loss=lambda params, outputs, labels: _nll(_predictive(params, outputs), labels),
        predictive=_predictive,
        reduce=log_mean_exp,
        nll=_nll,
        check=_check,
        tally=_tally,
        figures=_figures,
        information=_information,
        label_ndim=1,
    )


def _predictive(params: tuple, outputs: Float[Array, "*n L"]) -> Float[Array, "*n L 2"]:
    return jnp.stack([jax.nn.log_sigmoid(-outputs), jax.nn.log_sigmoid(outputs)], axis=-1)


def _nll(log_probs: Float[Array, "*n L 2"], labels: Int[Array, "*n L"]) -> Float[Array, "*n"]:
    return metrics.negative_log_prob(log_probs, labels).sum(axis=-1)


def _check(labels, outputs=None, predictive=None) -> None:
    check_labels(labels, NAME, real=False, ndim=2)
    if outputs is not None:
        check_shape(outputs, labels.shape, NAME)
    if predictive is not None:
        check_shape(predictive, (*labels.shape, 2), NAME, "predictions")
    check_classes(labels, 2, since="each label is 0 or 1")


def _tally(log_probs: Float[Array, "n L 2"], labels: Int[Array, "n L"], weights: Float[Array, " n"]) -> Tally:
    means = {
        "nll": _nll(log_probs, labels),
        "accuracy": metrics.is_correct(log_probs, labels).astype(log_probs.dtype).mean(axis=-1),
        # Half of the sum over both classes, whose errors are the same.
        "brier": metrics.brier_score(log_probs, labels).mean(axis=-1) / 2,
    }
    sums = {
        "means": {name: metrics.weighted_sum(values, weights) for name, values in means.items()},
        "weight": weights.sum(),
    }
    # Log-odds order the points as probabilities do, and do not round to 1.
    scores = log_probs[..., 1] - log_probs[..., 0]
    return Tally(sums, {"scores": scores, "labels": labels, "weights": weights})


def _figures(tally: Tally) -> dict[str, Array]:
    figures = {name: total / tally.sums["weight"] for name, total in tally.sums["means"].items()}
    if not tally.points:
        return figures
    points = tally.points

    def mean_over_labels(metric) -> Array:
        of_labels = jax.vmap(metric, in_axes=(1, 1, None))(points["scores"], points["labels"] == 1, points["weights"])
        # A label that all points or none have has no curve.
        return jnp.nanmean(of_labels)

    return {
        **figures,
        "auc": mean_over_labels(metrics.binary_auc),
        "average_precision": mean_over_labels(metrics.average_precision),
    }


def _information(log_probs: Float[Array, "S *n L 2"]) -> Float[Array, "*n"]:
    return jnp.exp(log_mean_exp(log_probs).sum(axis=-1)).sum(axis=-1)
