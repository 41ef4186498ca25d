"""Which points together? Scores, joint predictions, embeddings or kernels in, a :class:`Selection` out.

Plain functions of arrays. No rule chooses an unavailable point or one point twice; ties are broken by the key.
"""

from bal.selection._batch_bald import batch_bald
from bal.selection._batch_epig import batch_epig
from bal.selection._joint_information import JointInformation, joint_information
from bal.selection._selection import Selection
from bal.selection._top_k import gumbel_top_k, top_k, uniform

RULES = {
    "batch_bald": batch_bald,
    "batch_epig": batch_epig,
    "gumbel_top_k": gumbel_top_k,
    "top_k": top_k,
    "uniform": uniform,
}

__all__ = [
    "RULES",
    "JointInformation",
    "Selection",
    "batch_bald",
    "batch_epig",
    "gumbel_top_k",
    "joint_information",
    "top_k",
    "uniform",
]
