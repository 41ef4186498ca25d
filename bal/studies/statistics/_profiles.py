"""Performance profiles: which share of runs is better than a value, for every value."""

import numpy as np
import pandas as pd

from bal.studies.statistics._checks import finite
from bal.studies.statistics._intervals import bootstrap_interval, mean_of_all


def performance_profile(
    scores: np.ndarray,
    thresholds: np.ndarray,
    *,
    higher_is_better: bool = True,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    r"""Share of the runs of a strategy, over all data sets, whose score is better than each threshold.

    .. math:: \frac 1 {D n} \sum_{d,i} 1[x_{di} > \tau]

    Where the profile of one strategy lies above that of another everywhere, it is the better one by every quantile.

    Args:
      scores: one value for each data set and run, [D, n], or of one data set, [n].
      thresholds: values tau of the score, [T].
      higher_is_better: whether a larger score is the better one.
      level: of the pointwise intervals of the stratified bootstrap.
      seed: of the bootstrap.

    Returns:
      A row for each threshold with the columns ``share``, ``low`` and ``high``.

    Raises:
      ValueError: scores or thresholds that are not finite, or none.

    Example:
      >>> performance_profile(np.array([0.7, 0.8, 0.9, 0.9]), np.array([0.75, 0.85]))["share"].to_dict()
      {0.75: 0.75, 0.85: 0.5}

    References:
      Agarwal et al. 2021, Deep reinforcement learning at the edge of the statistical precipice, arXiv:2108.13264
    """
    scores = finite("the scores", np.atleast_2d(scores), ndim=2)
    thresholds = finite("the thresholds", thresholds, ndim=1)
    rows = [
        bootstrap_interval(
            (scores > tau if higher_is_better else scores < tau).astype(float),
            mean_of_all,
            level=level,
            seed=seed,
        )
        for tau in thresholds
    ]
    return pd.DataFrame(rows, index=pd.Index(thresholds, name="threshold")).rename(columns={"estimate": "share"})
