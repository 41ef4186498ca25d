"""How much each source of randomness contributes to the spread of results."""

from collections.abc import Sequence
from itertools import chain, combinations

import numpy as np
import pandas as pd

from bal.studies.statistics._checks import finite


def variance_shares(values: np.ndarray, sources: Sequence[str]) -> pd.DataFrame:
    r"""Variance of a result by source of randomness, and by what sources do only together.

    A run has a key for each source (:class:`bal.Keys`). Run every combination of a few keys of each source; the model

    .. math:: x_{ij} = \mu + a_i + b_j + c_{ij}

    (and so on for more sources) has independent terms, whose variances follow from the mean squares of an analysis of
    variance with random effects. What is left of chance within a combination counts as the effect of all sources
    together.

    Args:
      values: the result of each combination, such as areas: an axis for each source, at least two keys long.
      sources: their names, in the order of the axes.

    Returns:
      A row for each source and each combination of sources, with ``variance`` in the square of the unit of the values,
      and ``share`` of the total. The estimates are unbiased, and so is their sum, the variance of a run with new keys
      for all sources. Few keys may give estimates below 0, whose share is 0: then the shares add up to more than 1.

    Raises:
      ValueError: values that are not finite, fewer than two keys of a source, or other names than axes.

    Example:
      >>> variance_shares(np.array([[0.1, 0.1], [0.3, 0.3]]), ["initial", "network"])["share"].to_dict()
      {'initial': 1.0, 'network': 0.0, 'initial x network': 0.0}

    References:
      Searle, Casella and McCulloch 1992, Variance components, chapter 4
    """
    num_axes = len(sources)
    if num_axes == 0 or len(set(sources)) < num_axes:
        raise ValueError(f"expected different names of sources, got {list(sources)}")
    values = finite("the values", values, ndim=num_axes)
    if min(values.shape) < 2:
        raise ValueError(f"expected at least two keys of each source, got values of shape {list(values.shape)}")
    subsets = list(chain.from_iterable(combinations(range(num_axes), size) for size in range(1, num_axes + 1)))
    effects: dict[tuple[int, ...], np.ndarray] = {(): np.asarray(values.mean(keepdims=True))}
    variances: dict[tuple[int, ...], float] = {}
    for subset in subsets:
        others = tuple(axis for axis in range(num_axes) if axis not in subset)
        within = [smaller for smaller in effects if set(smaller) < set(subset)]
        effects[subset] = values.mean(axis=others, keepdims=True) - sum(effects[smaller] for smaller in within)
    for subset in reversed(subsets):
        size = {axis: values.shape[axis] for axis in range(num_axes)}
        repeats = np.prod([size[axis] for axis in size if axis not in subset])
        freedom = np.prod([size[axis] - 1 for axis in subset])
        mean_square = repeats * (effects[subset] ** 2).sum() / freedom
        # Its expectation holds the variances of all terms that contain these sources.
        above = sum(
            np.prod([size[axis] for axis in size if axis not in larger]) * variance
            for larger, variance in variances.items()
            if set(subset) < set(larger)
        )
        variances[subset] = float((mean_square - above) / repeats)
    names = [" x ".join(sources[axis] for axis in subset) for subset in subsets]
    estimates = np.array([variances[subset] for subset in subsets])
    total = estimates.sum()
    # Set to 0 before the sum, negative estimates would make it too large.
    shares = np.maximum(estimates, 0) / total if total > 0 else np.zeros_like(estimates)
    return pd.DataFrame({"variance": estimates, "share": shares}, index=pd.Index(names, name="source"))
