"""The penalty matrix: at how many label counts does one strategy beat another?"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bal.studies.statistics._checks import check_paired, finite
from bal.studies.statistics._intervals import mean_and_interval


def penalty_matrix(
    data_sets: Sequence[Mapping[str, pd.DataFrame]], *, higher_is_better: bool = True, level: float = 0.95
) -> pd.DataFrame:
    r"""Over data sets, the share of label counts at which the row's strategy is significantly better than the column's.

    .. math:: P_{ij} = \sum_d \frac 1 {L_d} \sum_{l=1}^{L_d} 1[i \text{ beats } j \text{ on } d \text{ at } l]

    A strategy beats another where Student's interval of the paired differences lies on its side of 0. A row counts
    victories, a column defeats: the strategy with the smallest column mean is beaten least. The tests are not corrected
    for their number, so two equal strategies have an entry of about (1 - level) / 2 for each data set.

    Args:
      data_sets: of each, the curves by strategy, as :func:`curves` returns them; the same strategies on each. The paper
        takes label counts that double; select these rows for the same figure.
      higher_is_better: whether a larger value of the metric is the better one.
      level: of the interval; the paper's is .95, with five runs.

    Returns:
      A row and a column for each strategy, entries between 0 and the number of data sets.

    Raises:
      ValueError: no data set, fewer than two runs, values that are not finite, or strategies, seeds or label counts
        that differ within a data set.

    Example:
      >>> random = pd.DataFrame({0: [0.5, 0.6], 1: [0.5, 0.7], 2: [0.4, 0.6]}, index=[20, 30])
      >>> bald = random + np.array([[0.0, 0.0, 0.0], [0.1, 0.11, 0.12]])
      >>> penalty_matrix([{"random": random, "bald": bald}]).loc["bald", "random"]
      np.float64(0.5)

    References:
      Ash et al. 2020, Deep batch active learning by diverse, uncertain gradient lower bounds, arXiv:1906.03671
    """
    if not data_sets or not data_sets[0]:
        raise ValueError("expected the curves of at least one strategy on at least one data set, got none")
    names = list(data_sets[0])
    matrix = np.zeros([len(names), len(names)])
    for by_strategy in data_sets:
        if list(by_strategy) != names:
            raise ValueError(f"expected the same strategies on each data set, got {names} and {list(by_strategy)}")
    for by_strategy in data_sets:
        for runs in by_strategy.values():
            check_paired(runs, by_strategy[names[0]])
        values = finite("the curves", np.stack(list(by_strategy.values())), ndim=3)  # [strategies, label counts, runs]
        if values.shape[-1] < 2:
            raise ValueError("expected at least two paired runs, got one")
        goodness = values if higher_is_better else -values
        mean, half = mean_and_interval(goodness[:, None] - goodness, level=level)  # [row, column, label counts]
        matrix += np.mean(mean > half, axis=-1)
    return pd.DataFrame(matrix, index=names, columns=names)
