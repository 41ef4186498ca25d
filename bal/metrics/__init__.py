"""How good are the predictions? Plain functions of arrays; all work under ``jit`` and ``vmap``.

Metrics of single predictions return a number a point, to be averaged by :func:`weighted_mean`. The others take weights
(a point of weight 0 is ignored) and return one number. Most evaluate the predictive distribution of all posterior
samples together. Metrics of the joint predictive need the samples themselves, since the mean loses the dependence
between predictions of several points.
"""

from bal.metrics._categorical import (
    accuracy,
    auc,
    brier,
    brier_score,
    calibration_gaps,
    class_counts,
    ece,
    is_correct,
    mean_iou,
    negative_log_prob,
)
from bal.metrics._gaussian import crps, in_interval, negative_log_density
from bal.metrics._joint import dyadic_sets, joint_nll, ood_auroc
from bal.metrics._ranking import average_precision, binary_auc, recall_at_budget, spearman
from bal.metrics._regression import r2, rmse, weighted_quantile
from bal.metrics._weighted import weighted_mean, weighted_sum

__all__ = [
    "accuracy",
    "auc",
    "average_precision",
    "binary_auc",
    "brier",
    "brier_score",
    "calibration_gaps",
    "class_counts",
    "crps",
    "dyadic_sets",
    "ece",
    "in_interval",
    "is_correct",
    "joint_nll",
    "mean_iou",
    "negative_log_density",
    "negative_log_prob",
    "ood_auroc",
    "r2",
    "recall_at_budget",
    "rmse",
    "spearman",
    "weighted_mean",
    "weighted_quantile",
    "weighted_sum",
]
