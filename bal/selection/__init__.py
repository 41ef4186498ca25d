"""Which points together? Scores, joint predictions, embeddings or kernels in, a :class:`Selection` out.

Plain functions of arrays. No rule chooses an unavailable point or one point twice; ties are broken by the key.
"""

from bal.selection._selection import Selection
from bal.selection._top_k import gumbel_top_k, top_k, uniform

RULES = {"gumbel_top_k": gumbel_top_k, "top_k": top_k, "uniform": uniform}

__all__ = ["RULES", "Selection", "gumbel_top_k", "top_k", "uniform"]
