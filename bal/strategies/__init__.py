"""Strategies combine posteriors and selection: what to compute from the posterior, and which rule to apply to it.

Each strategy is a factory with the argument ``batch_size``. A strategy for classes rejects Gaussian predictions and
vice versa; strategies that use embeddings alone take both.
"""

from collections.abc import Callable

from bal.strategies._anchors import among_anchors
from bal.strategies._candidates import among_known_neighbours, among_neighbours, two_stages
from bal.strategies._cluster_margin import cluster_margin
from bal.strategies._coverage import (
    k_center,
    k_means,
    k_means_plus_plus,
    lcmd,
    max_dist,
    prob_cover,
    typiclust,
)
from bal.strategies._dense import clasp_pe, foreground_random
from bal.strategies._density import feature_density
from bal.strategies._detection import detection_uncertainty, difficulty_weighted
from bal.strategies._gaussian import epistemic_variance, gaussian_bald, gaussian_epig
from bal.strategies._joint import acs_fw, batch_bald, batch_epig, class_balanced
from bal.strategies._last_layer import badge, bait, max_det
from bal.strategies._losses import learning_loss, true_loss
from bal.strategies._relabelling import relabelling
from bal.strategies._scores import (
    active_search,
    bald,
    epig,
    expected_error_reduction,
    least_confidence,
    margin,
    max_entropy,
    mean_std,
    power_bald,
    random,
    softmax_bald,
    softrank_bald,
    variation_ratio,
    vote_entropy,
)
from bal.strategies._strategy import Strategy, score_strategy

STRATEGIES: dict[str, Callable[..., Strategy]] = {
    "acs_fw": acs_fw,
    "active_search": active_search,
    "badge": badge,
    "bait": bait,
    "bald": bald,
    "batch_bald": batch_bald,
    "batch_epig": batch_epig,
    "clasp_pe": clasp_pe,
    "class_balanced": class_balanced,
    "cluster_margin": cluster_margin,
    "detection_uncertainty": detection_uncertainty,
    "difficulty_weighted": difficulty_weighted,
    "epig": epig,
    "epistemic_variance": epistemic_variance,
    "expected_error_reduction": expected_error_reduction,
    "feature_density": feature_density,
    "foreground_random": foreground_random,
    "gaussian_bald": gaussian_bald,
    "gaussian_epig": gaussian_epig,
    "k_center": k_center,
    "k_means": k_means,
    "k_means_plus_plus": k_means_plus_plus,
    "lcmd": lcmd,
    "learning_loss": learning_loss,
    "least_confidence": least_confidence,
    "margin": margin,
    "max_det": max_det,
    "max_dist": max_dist,
    "max_entropy": max_entropy,
    "mean_std": mean_std,
    "power_bald": power_bald,
    "prob_cover": prob_cover,
    "random": random,
    "softmax_bald": softmax_bald,
    "softrank_bald": softrank_bald,
    "true_loss": true_loss,
    "typiclust": typiclust,
    "variation_ratio": variation_ratio,
    "vote_entropy": vote_entropy,
}

__all__ = [
    "STRATEGIES",
    "Strategy",
    "acs_fw",
    "active_search",
    "among_anchors",
    "among_known_neighbours",
    "among_neighbours",
    "badge",
    "bait",
    "bald",
    "batch_bald",
    "batch_epig",
    "clasp_pe",
    "class_balanced",
    "cluster_margin",
    "detection_uncertainty",
    "difficulty_weighted",
    "epig",
    "epistemic_variance",
    "expected_error_reduction",
    "feature_density",
    "foreground_random",
    "gaussian_bald",
    "gaussian_epig",
    "k_center",
    "k_means",
    "k_means_plus_plus",
    "lcmd",
    "learning_loss",
    "least_confidence",
    "margin",
    "max_det",
    "max_dist",
    "max_entropy",
    "mean_std",
    "power_bald",
    "prob_cover",
    "random",
    "relabelling",
    "score_strategy",
    "softmax_bald",
    "softrank_bald",
    "true_loss",
    "two_stages",
    "typiclust",
    "variation_ratio",
    "vote_entropy",
]
