"""Classification: one of several classes a point."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from bal import metrics
from bal.information import log_mean_exp
from bal.likelihoods._checks import check_classes, check_labels, check_shape
from bal.likelihoods._likelihood import Likelihood, Tally

NAME = "a categorical likelihood"


def categorical() -> Likelihood:
    r"""One of C classes a point. Outputs [n, C] are unnormalised log-probabilities, labels [n] are integers.

    Predictions are log-probabilities [S, n, C]; ``reduce`` averages the probabilities. Metrics are ``accuracy``,
    ``nll`` (nats), ``brier``, ``ece`` and ``auc``, and ``average_precision`` of class 1 where there are two classes.
    Instead of the last two, which would keep C numbers a position, dense predictions have ``mean_iou``, ``mean_dice``
    and, of each class c, ``iou_c``, nan where it does not occur. The information is :math:`1 - \sum_c p_c^2`.

    Example:
      >>> likelihood = categorical()
      >>> float(likelihood.loss((), jnp.zeros((1, 2)), jnp.array([0]))[0]) == float(jnp.log(2))
      True
    """
    return Likelihood(
        predicts="categorical",
        init=lambda rng_key: (),
        loss=_loss,
        predictive=lambda params, outputs: jax.nn.log_softmax(outputs),
        reduce=log_mean_exp,
        nll=metrics.negative_log_prob,
        check=_check,
        tally=_tally,
        figures=_figures,
        information=_information,
    )


def _loss(params: tuple, outputs: Float[Array, "*n C"], labels: Int[Array, "*n"]) -> Float[Array, "*n"]:
    log_probs = jax.nn.log_softmax(outputs)
    return -jnp.take_along_axis(log_probs, labels[..., None], axis=-1)[..., 0]


def _check(labels, outputs=None, predictive=None) -> None:
    check_labels(labels, NAME, real=False, ndim=1)
    num_classes = None
    for what, shape in (("outputs", outputs), ("predictions", predictive)):
        if shape is not None:
            check_shape(shape, (labels.shape[0], None), NAME, what)
            num_classes = shape.shape[-1]
    check_classes(labels, num_classes)


def _tally(log_probs: Float[Array, "n C"], labels: Int[Array, " n"], weights: Float[Array, " n"]) -> Tally:
    means = {
        "accuracy": metrics.is_correct(log_probs, labels).astype(log_probs.dtype),
        "nll": metrics.negative_log_prob(log_probs, labels),
        "brier": metrics.brier_score(log_probs, labels),
    }
    sums = {
        "means": {name: metrics.weighted_sum(values, weights) for name, values in means.items()},
        "weight": weights.sum(),
        "gaps": metrics.calibration_gaps(log_probs, labels, weights),
        "classes": metrics.class_counts(log_probs, labels, weights),
    }
    return Tally(sums, {"log_probs": log_probs, "labels": labels, "weights": weights})


def _figures(tally: Tally) -> dict[str, Array]:
    sums = tally.sums
    figures = {name: total / sums["weight"] for name, total in sums["means"].items()}
    figures["ece"] = jnp.abs(sums["gaps"]).sum() / sums["weight"]
    if not tally.points:
        ious, dices = metrics.iou(sums["classes"]), metrics.dice(sums["classes"])
        of_classes = {f"iou_{number}": value for number, value in enumerate(ious)}
        return {**figures, "mean_iou": jnp.nanmean(ious), "mean_dice": jnp.nanmean(dices), **of_classes}
    log_probs, labels, weights = (tally.points[name] for name in ("log_probs", "labels", "weights"))
    figures["auc"] = metrics.auc(log_probs, labels, weights)
    if log_probs.shape[-1] == 2:
        # Log-odds order the points as probabilities do, and do not round to 1.
        figures["average_precision"] = metrics.average_precision(
            log_probs[:, 1] - log_probs[:, 0], labels == 1, weights
        )
    return figures


def _information(log_probs: Float[Array, "S *n C"]) -> Float[Array, "*n"]:
    # The trace of diag(p) - p p'; rounding must not make it negative.
    return jnp.maximum(1 - jnp.square(jnp.exp(log_mean_exp(log_probs))).sum(axis=-1), 0.0)
