"""How likely it is that a run of one strategy beats a run of another."""

import numpy as np

from bal.studies.statistics._checks import finite, in_units, resolution_of
from bal.studies.statistics._intervals import RESAMPLES, Interval, in_parts, quantile_levels
from bal.validation import check_count


def probability_of_improvement(
    scores: np.ndarray,
    baseline: np.ndarray,
    *,
    higher_is_better: bool = True,
    level: float = 0.95,
    num_resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    r"""Probability that a run of a strategy is better than one of the baseline on the same data set.

    .. math:: \frac 1 D \sum_d \frac 1 {n^2} \sum_{i,j} 1[x_{di} > y_{dj}] + \tfrac 1 2 1[x_{di} = y_{dj}]

    It says how often a strategy is better, not by how much.

    Args:
      scores: one value for each data set and run of the strategy, [D, n], or of one data set, [n].
      baseline: those of the baseline with the same seeds, of the same shape.
      higher_is_better: whether a larger score is the better one.
      level: probability that the interval contains the true value.
      num_resamples: sets of runs that the stratified bootstrap draws; the two runs of a seed stay together.
      seed: of these draws.

    Returns:
      A probability and its interval, which is NaN if there is only one run. Where every run of one is better than every
      run of the other, all resamples agree, and the interval has no width.

    Raises:
      ValueError: scores that are not finite, or of different shapes.

    Example:
      >>> round(probability_of_improvement(np.array([0.7, 0.8, 0.9]), np.array([0.6, 0.7, 0.6])).estimate, 3)
      0.944

    References:
      Agarwal et al. 2021, Deep reinforcement learning at the edge of the statistical precipice, arXiv:2108.13264
    """
    ours = finite("the scores", np.atleast_2d(scores), ndim=2)
    theirs = finite("the scores of the baseline", np.atleast_2d(baseline), ndim=2)
    if ours.shape != theirs.shape:
        raise ValueError(f"expected scores of paired runs, got shapes {list(ours.shape)} and {list(theirs.shape)}")
    check_count("num_resamples", num_resamples)
    sign = 1 if higher_is_better else -1
    both = np.stack([ours, theirs])
    ours, theirs = in_units(both, resolution_of(both))
    wins = (np.sign(sign * (ours[:, :, None] - theirs[:, None, :])) + 1) / 2  # [D, n, n]
    num_sets, num_runs = ours.shape
    estimate = float(wins.mean())
    levels = quantile_levels(num_sets, num_runs, level)
    if num_runs == 1:
        return Interval(estimate, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    parts = []
    for size in in_parts(num_resamples, ours.size):
        shares = rng.multinomial(num_runs, np.full(num_runs, 1 / num_runs), size=(size, num_sets)) / num_runs
        parts.append(np.einsum("bdi,dij,bdj->bd", shares, wins, shares, optimize=True).mean(axis=-1))
    low, high = np.quantile(np.concatenate(parts), levels)
    return Interval(estimate, float(low), float(high))
