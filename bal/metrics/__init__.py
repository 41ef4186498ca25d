"""How good are the predictions? Plain functions of arrays; all work under ``jit`` and ``vmap``.

Metrics of single predictions return a number a point, to be averaged by :func:`weighted_mean`. The others take weights
(a point of weight 0 is ignored) and return one number. Most evaluate the predictive distribution of all posterior
samples together. Metrics of the joint predictive need the samples themselves, since the mean loses the dependence
between predictions of several points.
"""

from bal.metrics._agreement import cohen_kappa
from bal.metrics._categorical import (
    accuracy,
    auc,
    brier,
    brier_score,
    calibration_gaps,
    class_counts,
    dice,
    ece,
    iou,
    is_correct,
    negative_log_prob,
)
from bal.metrics._detection import IOU_THRESHOLDS, box_average_precision
from bal.metrics._gaussian import crps, in_interval, negative_log_density
from bal.metrics._joint import dyadic_sets, joint_nll, ood_auroc
from bal.metrics._ranking import average_precision, binary_auc, recall_at_budget, spearman
from bal.metrics._regression import r2, rmse, weighted_quantile
from bal.metrics._sparsification import ause
from bal.metrics._weighted import weighted_mean, weighted_sum

__all__ = [
    "IOU_THRESHOLDS",
    "accuracy",
    "auc",
    "ause",
    "average_precision",
    "binary_auc",
    "box_average_precision",
    "brier",
    "brier_score",
    "calibration_gaps",
    "class_counts",
    "cohen_kappa",
    "crps",
    "dice",
    "dyadic_sets",
    "ece",
    "in_interval",
    "iou",
    "is_correct",
    "joint_nll",
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
