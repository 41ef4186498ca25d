"""The rule that guarantees an error rate, with a threshold found on calibration points."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal.acquisition import max_entropy
from bal.autolabel._rule import Calibration, Rule, Uncertainty
from bal.validation import check_fraction

NUM_THRESHOLDS = 50
MAX_STARTS = 10


def risk_controlled(
    max_error: float | Float[Array, ""],
    *,
    confidence: float | Float[Array, ""] = 0.95,
    uncertainty: Uncertainty = max_entropy,
) -> Rule:
    r"""Label as many points as possible with at most a given error rate, or none.

    Promise: given the model and the candidates, with probability of at least ``confidence`` over the draw of the
    calibration points, the threshold t has

    .. math:: R(t) = P(\hat y \neq y \mid u < t) \le \mathrm{max\_error}

    for points of the distribution that the calibration points come from. The calibration points must be independent of
    everything that made the model (no training, no early stopping) and of the candidates. In the loop this holds in the
    first round, and where the model does not learn from automatic labels (weight 0). In later rounds, labels that an
    earlier threshold chose carry information about the calibration points into the model.

    R is an expectation: the error rate among the labels of a finite pool varies around it. After active selection, the
    rest of the pool does not follow that distribution exactly, and ``max_automatic`` takes only the most certain of the
    points below t: measure the effect of both.

    Method (Learn then Test): the thresholds tried are quantiles of the candidates' uncertainty, so they do not depend
    on the calibration points. Of the m calibration points below t, Bin(m, R(t)) are wrong. The Clopper-Pearson test
    rejects R(t) > max_error where k errors or fewer would have a probability of at most some level,

    .. math:: P(\mathrm{Bin}(m, \mathrm{max\_error}) \le k) \le \mathrm{level}

    From the most certain points to all of them, the fallback procedure (Wiens 2003) passes the level of each successful
    test on to the next. It starts where 0 errors would pass and, with more points, at up to nine later places; all
    starts share ``1 - confidence``. The largest threshold that passes is returned.

    Args:
      max_error: largest acceptable share of wrong labels, such as 0.01.
      confidence: probability that the promise holds.
      uncertainty: score of predictions that orders the points, such as ``bal.acquisition.bald``.

    Returns:
      The rule.

    Raises:
      ValueError: a number that is not strictly between 0 and 1.

    Example:
      >>> risk_controlled(0.01).num_calibration  # with none of them wrong
      299

    References:
      Angelopoulos et al. 2021, Learn then test, arXiv:2110.01052; Geifman and El-Yaniv 2017, Selective classification
      for deep neural networks, arXiv:1705.08500; Wiens 2003, A fixed sequence Bonferroni procedure for testing multiple
      endpoints
    """
    check_fraction(max_error=max_error, confidence=confidence)

    def threshold(rounds_done, uncertainty, candidates, calibration: Calibration | None):
        if calibration is None:
            raise ValueError(
                "expected calibration points for risk_controlled, got None: use bal.autolabel.calibrate, or in the "
                "loop bal.datasets.hold_out_calibration"
            )
        counted = calibration.weights > 0
        shares, levels = _plan(counted.sum(), max_error, 1 - jnp.asarray(confidence))
        thresholds = _quantiles(uncertainty, candidates, shares)
        below = counted[None] & (calibration.uncertainty[None] < thresholds[:, None])
        p_values = binomial_cdf((below & calibration.wrong[None]).sum(axis=1), below.sum(axis=1), max_error)
        return jnp.where(_fallback(p_values, levels), thresholds, -jnp.inf).max()

    known = isinstance(max_error, float) and isinstance(confidence, float)
    return Rule(uncertainty, threshold, math.ceil(_fewest(max_error, 1 - confidence)) if known else 1)


def binomial_cdf(num_wrong: Array, num_points: Array, error_rate: float | Float[Array, ""]) -> Float[Array, "*n"]:
    r"""Probability of at most k errors among m points, :math:`P(\mathrm{Bin}(m, \alpha) \le k)`.

    Example:
      >>> bool(jnp.isclose(binomial_cdf(jnp.array(0), jnp.array(2), 0.5), 0.25))
      True
    """
    rest = (num_points - num_wrong).astype(jnp.float32)
    probability = jax.scipy.special.betainc(jnp.maximum(rest, 1.0), num_wrong + 1.0, 1.0 - error_rate)
    return jnp.where(rest > 0, probability, 1.0)


def _fewest(max_error, level):
    """Smallest number of points for which the test passes if none is wrong: (1 - max_error)**m = level."""
    log, log1p = (math.log, math.log1p) if isinstance(max_error, float) else (jnp.log, jnp.log1p)
    return log(level) / log1p(-max_error)


def _plan(num_points: Array, max_error, level: Array) -> tuple[Float[Array, " G"], Float[Array, " G"]]:
    """The shares of the candidates at which thresholds lie, and the level that starts at each.

    Every start uses up part of the level. In simulations, coverage was best with one start for every two times
    :func:`_fewest` points. The first start leaves a margin of two standard deviations, since the number of calibration
    points below a quantile of the candidates varies.
    """
    rate = -jnp.log1p(-jnp.asarray(max_error))
    num_starts = jnp.clip(num_points * rate / -jnp.log(level) // 2, 1, MAX_STARTS)
    fewest = jnp.log(num_starts / level) / rate
    share = fewest / jnp.maximum(num_points, 1)
    share = jnp.minimum(share + 2 * jnp.sqrt(share * jnp.maximum(1 - share, 0) / jnp.maximum(num_points, 1)), 1.0)
    steps = jnp.arange(NUM_THRESHOLDS)
    shares = share + (1 - share) * steps / (NUM_THRESHOLDS - 1)
    # Equally spaced starts: where the number of the interval changes.
    stretch = steps * num_starts // NUM_THRESHOLDS
    is_start = jnp.concatenate([jnp.ones(1, bool), stretch[1:] > stretch[:-1]])
    return shares, jnp.where(is_start, level / num_starts, 0.0)


def _quantiles(
    uncertainty: Float[Array, " N"], candidates: Bool[Array, " N"], shares: Float[Array, " G"]
) -> Float[Array, " G"]:
    """Thresholds with at least these shares of the points strictly below them; +inf if these are all candidates.

    Points that are not candidates count as the most uncertain, since that is usually why a person was asked. So a share
    of the pool is about the same share of the calibration points, which include uncertain ones.
    """
    usable = candidates & ~jnp.isnan(uncertainty)
    ordered = jnp.sort(jnp.where(usable, uncertainty, jnp.inf))
    ordered = jnp.concatenate([ordered, jnp.full(1, jnp.inf, ordered.dtype)])
    num_points = uncertainty.shape[0]
    last = jnp.clip(jnp.ceil(shares * num_points).astype(jnp.int32) - 1, 0, num_points - 1)
    # The next different value, so that equal points fall on one side.
    return ordered[jnp.searchsorted(ordered[:-1], ordered[last], side="right")]


def _fallback(p_values: Float[Array, " G"], levels: Float[Array, " G"]) -> Bool[Array, " G"]:
    """Which hypotheses are rejected, in order; the level of a rejected one passes to the next."""

    def test(carried, hypothesis):
        p_value, level = hypothesis
        level = level + carried
        is_rejected = p_value <= level
        return jnp.where(is_rejected, level, 0.0), is_rejected

    return jax.lax.scan(test, jnp.zeros((), levels.dtype), (p_values, levels))[1]
