"""Which points together? Scores, joint predictions, embeddings or kernels in, a :class:`Selection` out.

Plain functions of arrays. No rule chooses an unavailable point or one point twice; ties are broken by the key.
"""

from bal.selection._acs_fw import acs_fw, log_likelihood_features
from bal.selection._badge import badge, gradient_factors
from bal.selection._bait import bait
from bal.selection._batch_bald import batch_bald
from bal.selection._batch_epig import batch_epig
from bal.selection._class_balanced import class_balanced
from bal.selection._features import condition, ensemble_features
from bal.selection._joint_information import JointInformation, joint_information
from bal.selection._k_center import k_center
from bal.selection._k_means import k_means
from bal.selection._kernels import LINEAR, OUTER, Kernel, covariance_kernel, matrix_kernel
from bal.selection._lcmd import lcmd
from bal.selection._max_det import max_det
from bal.selection._max_dist import max_dist
from bal.selection._prob_cover import prob_cover
from bal.selection._purity import purity_radius
from bal.selection._selection import Selection
from bal.selection._top_k import gumbel_top_k, top_k, uniform
from bal.selection._typiclust import typiclust

RULES = {
    "acs_fw": acs_fw,
    "badge": badge,
    "bait": bait,
    "batch_bald": batch_bald,
    "batch_epig": batch_epig,
    "class_balanced": class_balanced,
    "gumbel_top_k": gumbel_top_k,
    "k_center": k_center,
    "k_means": k_means,
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
    "condition",
    "covariance_kernel",
    "ensemble_features",
    "gradient_factors",
    "gumbel_top_k",
    "joint_information",
    "k_center",
    "k_means",
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
