"""Wilcoxon's signed-rank test of paired differences, and Holm's correction for several tests."""

import numpy as np

from bal.studies.statistics._checks import finite, in_units
from bal.validation import check_nonnegative


def signed_rank_p_value(differences: np.ndarray, *, resolution: float | None = None) -> float:
    r"""Two-sided p-value of Wilcoxon's signed-rank test that paired differences are symmetric around 0.

    .. math:: W = \sum_{d_i > 0} \mathrm{rank} |d_i|

    Equal sizes share their mean rank; zeros are left out. The distribution of W is exact for any number of runs, also
    with ties: all signs are equally likely, given the sizes. With five runs no p-value is below 1/16.

    Args:
      differences: of paired runs, [n].
      resolution: differences are rounded to multiples of this; by default to 1e-10 of the largest, since values that
        are equal in exact arithmetic may differ by rounding, and would have ranks of their own.

    Returns:
      A probability; 1 if all differences are 0.

    Raises:
      ValueError: differences that are not finite numbers, or none.

    Example:
      >>> signed_rank_p_value(np.array([0.01, 0.02, 0.03, 0.05, 0.08]))
      0.0625

    References:
      Wilcoxon 1945, Individual comparisons by ranking methods
    """
    differences = finite("the differences", differences, ndim=1)
    if resolution is not None:
        check_nonnegative(resolution=resolution)
    rounded = in_units(differences, np.abs(differences).max() * 1e-10 if resolution is None else resolution)
    rounded = rounded[rounded != 0]
    if len(rounded) == 0:
        return 1.0
    # Twice the mean ranks are whole numbers.
    _, place, count = np.unique(np.abs(rounded), return_inverse=True, return_counts=True)
    doubled = (2 * np.cumsum(count) - count + 1)[place]
    probabilities = np.zeros(doubled.sum() + 1)
    probabilities[0] = 1
    for rank in doubled:
        probabilities[rank:] = (probabilities[rank:] + probabilities[:-rank]) / 2
        probabilities[:rank] /= 2
    positive = doubled[rounded > 0].sum()
    smaller = min(positive, doubled.sum() - positive)
    return float(min(2 * probabilities[: smaller + 1].sum(), 1.0))


def holm(p_values: np.ndarray) -> np.ndarray:
    r"""P-values adjusted for their number: below a level, they keep the chance of any false positive below it.

    .. math:: \tilde p_{(i)} = \max_{j \le i} \, \min(1, (m - j + 1) \, p_{(j)})

    Args:
      p_values: of m tests, [m].

    Returns:
      Adjusted p-values in the same order, [m].

    Raises:
      ValueError: values that are not probabilities, or none.

    Example:
      >>> holm(np.array([0.01, 0.04, 0.03])).round(4).tolist()
      [0.03, 0.06, 0.06]

    References:
      Holm 1979, A simple sequentially rejective multiple test procedure
    """
    p_values = finite("the p-values", p_values, ndim=1)
    if not ((p_values >= 0) & (p_values <= 1)).all():
        raise ValueError("expected p-values between 0 and 1, got others")
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1)
    return adjusted
