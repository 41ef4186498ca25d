"""Which points together? Scores, joint predictions, embeddings or kernels in, a :class:`Selection` out.

Plain functions of arrays. No rule chooses an unavailable point or one point twice; ties are broken by the key.
"""

from bal.selection._selection import Selection
from bal.selection.clustering._cluster_margin import cluster_margin
from bal.selection.clustering._k_means import k_means
from bal.selection.clustering._prob_cover import prob_cover
from bal.selection.clustering._purity import purity_radius
from bal.selection.clustering._typiclust import typiclust
from bal.selection.distance._badge import badge, gradient_factors
from bal.selection.distance._k_center import k_center
from bal.selection.distance._k_means_plus_plus import k_means_plus_plus
from bal.selection.distance._lcmd import lcmd
from bal.selection.distance._max_dist import max_dist
from bal.selection.geometry._features import condition, ensemble_features
from bal.selection.geometry._kernels import LINEAR, OUTER, Kernel, covariance_kernel, matrix_kernel
from bal.selection.information._acs_fw import acs_fw, log_likelihood_features
from bal.selection.information._bait import bait
from bal.selection.information._batch_bald import batch_bald
from bal.selection.information._batch_epig import batch_epig
from bal.selection.information._joint_information import JointInformation, joint_information
from bal.selection.information._max_det import max_det
from bal.selection.scores._class_balanced import class_balanced
from bal.selection.scores._class_stratified import class_stratified
from bal.selection.scores._top_k import gumbel_top_k, top_k, uniform

RULES = {
    "acs_fw": acs_fw,
    "badge": badge,
    "bait": bait,
    "batch_bald": batch_bald,
    "batch_epig": batch_epig,
    "class_balanced": class_balanced,
    "class_stratified": class_stratified,
    "cluster_margin": cluster_margin,
    "gumbel_top_k": gumbel_top_k,
    "k_center": k_center,
    "k_means": k_means,
    "k_means_plus_plus": k_means_plus_plus,
    "lcmd": lcmd,
    "max_det": max_det,
    "max_dist": max_dist,
    "prob_cover": prob_cover,
    "top_k": top_k,
    "typiclust": typiclust,
    "uniform": uniform,
}

__all__ = [
    "JointInformation",
    "Kernel",
    "LINEAR",
    "OUTER",
    "RULES",
    "Selection",
    "acs_fw",
    "badge",
    "bait",
    "batch_bald",
    "batch_epig",
    "class_balanced",
    "class_stratified",
    "cluster_margin",
    "condition",
    "covariance_kernel",
    "ensemble_features",
    "gradient_factors",
    "gumbel_top_k",
    "joint_information",
    "k_center",
    "k_means",
    "k_means_plus_plus",
    "lcmd",
    "log_likelihood_features",
    "matrix_kernel",
    "max_det",
    "max_dist",
    "prob_cover",
    "purity_radius",
    "top_k",
    "typiclust",
    "uniform",
]
