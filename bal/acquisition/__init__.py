"""How useful is one point? Predictions in, one score for each point out; higher is more useful.

Plain functions of arrays: they take predictions from any source, need no key and see no label.
"""

from bal.acquisition._aggregate import AGGREGATES, AggregateFn, aggregate, check_aggregate, foreground, top_fraction
from bal.acquisition._combine import normalise, per_class, per_cost, product, weighted_sum
from bal.acquisition._committee import consensus_kl, vote_entropy
from bal.acquisition._detection import (
    BOX_SCORES,
    OBJECT_AGGREGATES,
    aggregate_objects,
    box_variance,
    check_object_aggregate,
    class_entropy,
    class_information,
    likely_objects,
)
from bal.acquisition._difficulty import difficulty_weights, object_difficulty
from bal.acquisition._disagreement import bald, mean_std, variation_ratio
from bal.acquisition._epig import epig, joint_epig
from bal.acquisition._error_reduction import expected_error_reduction
from bal.acquisition._gaussian import covariance_bald, epistemic_variance, gaussian_bald, total_variance
from bal.acquisition._gaussian_epig import covariance_epig, gaussian_epig
from bal.acquisition._predictive import least_confidence, margin, max_entropy

# Scores of log_probs [S, *N, C]: classes are the last axis; the axes in between are points and their positions.
SCORES = {
    "bald": bald,
    "consensus_kl": consensus_kl,
    "least_confidence": least_confidence,
    "margin": margin,
    "max_entropy": max_entropy,
    "mean_std": mean_std,
    "variation_ratio": variation_ratio,
    "vote_entropy": vote_entropy,
}

# Scores of log_probs [S, *N, C] and target_log_probs [S, *M, C].
TARGET_SCORES = {"epig": epig, "expected_error_reduction": expected_error_reduction, "joint_epig": joint_epig}

# Scores of a Gaussian with leaves [S, *N]; gaussian_epig takes another one with leaves [S, *M] for the targets.
GAUSSIAN_SCORES = {
    "epistemic_variance": epistemic_variance,
    "gaussian_bald": gaussian_bald,
    "gaussian_epig": gaussian_epig,
    "total_variance": total_variance,
}

__all__ = [
    "AGGREGATES",
    "AggregateFn",
    "BOX_SCORES",
    "GAUSSIAN_SCORES",
    "OBJECT_AGGREGATES",
    "SCORES",
    "TARGET_SCORES",
    "aggregate",
    "aggregate_objects",
    "bald",
    "box_variance",
    "check_aggregate",
    "check_object_aggregate",
    "class_entropy",
    "class_information",
    "consensus_kl",
    "covariance_bald",
    "covariance_epig",
    "difficulty_weights",
    "epig",
    "epistemic_variance",
    "expected_error_reduction",
    "foreground",
    "gaussian_bald",
    "gaussian_epig",
    "joint_epig",
    "least_confidence",
    "likely_objects",
    "margin",
    "max_entropy",
    "mean_std",
    "normalise",
    "object_difficulty",
    "per_class",
    "per_cost",
    "product",
    "top_fraction",
    "total_variance",
    "variation_ratio",
    "vote_entropy",
    "weighted_sum",
]
