"""The rule that promises an error rate: labelled points decide how far down the order of certainty labels are right."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal.acquisition import max_entropy
from bal.autolabel._rule import Calibration, Rule, Uncertainty

NUM_THRESHOLDS = 50
MAX_STARTS = 10


def risk_controlled(
    max_error: float | Float[Array, ""],
    *,
    confidence: float | Float[Array, ""] = 0.95,
    uncertainty: Uncertainty = max_entropy,
) -> Rule:
    r"""Label as many points as can be labelled with at most a given share of errors, or none.

    Promise: given the model and the candidates, with probability of at least ``confidence`` over the draw of the
    calibration points, the threshold t has

    .. math:: R(t) = P(\hat y \neq y \mid u < t) \le \mathrm{max\_error}

    for points of the distribution that the calibration points come from. It rests on calibration points that are
    independent of everything that made the model (no training, no early stopping) and of the candidates. In the loop
    that is so where the model does not learn from automatic labels (weight 0), and in the first round; later, labels
    that an earlier threshold chose carry something of the calibration points into the model.

    It is a statement about R: among the labels given to a finite pool the share of errors scatters around it. What is
    left of a pool after active selection is not quite that distribution, and the most certain of the points below t
    (``max_automatic``) are not all of them: measure both.

    How (Learn then Test): the thresholds tried are quantiles of the candidates' uncertainty, so they are fixed for the
    calibration points. Of the m calibration points below t, Bin(m, R(t)) are wrong. That R(t) > max_error is rejected
    where the Clopper-Pearson test says so: k wrong ones or fewer would have had a probability of at most some level,

    .. math:: P(\mathrm{Bin}(m, \mathrm{max\_error}) \le k) \le \mathrm{level}

    From the most certain points to all, the fallback procedure (Wiens 2003) hands the level of a test that passed on to
    the next. It starts where 0 errors would pass and, the more points there are, at up to nine later places too, among
    which ``1 - confidence`` is shared. The largest threshold that passes is returned.

    Args:
      max_error: wished-for share of wrong labels, such as 0.01.
      confidence: probability with which the promise is kept.
      uncertainty: score of predictions by which points are ordered, such as ``bal.acquisition.bald``.

    Raises:
      ValueError: a number that is not between 0 and 1.

    Example:
      >>> risk_controlled(0.01).num_calibration  # so many, and none of them wrong
      299

    References:
      Angelopoulos et al. 2021, Learn then test, arXiv:2110.01052; Geifman and El-Yaniv 2017, Selective classification
      for deep neural networks, arXiv:1705.08500; Wiens 2003, A fixed sequence Bonferroni procedure for testing multiple
      endpoints
    """
    for name, value in (("max_error", max_error), ("confidence", confidence)):
        if isinstance(value, int | float) and not 0 < value < 1:
            raise ValueError(f"expected {name} between 0 and 1, got {value}")

    def threshold(rounds_done, uncertainty, candidates, calibration: Calibration | None):
        if calibration is None:
            raise ValueError("expected calibration points for risk_controlled, got None")
        counted = calibration.weights > 0
        shares, levels = _plan(counted.sum(), max_error, 1 - jnp.asarray(confidence))
        thresholds = _quantiles(uncertainty, candidates, shares)
        below = counted[None] & (calibration.uncertainty[None] < thresholds[:, None])
        p_values = binomial_cdf((below & calibration.wrong[None]).sum(axis=1), below.sum(axis=1), max_error)
        return jnp.where(_fallback(p_values, levels), thresholds, -jnp.inf).max()

    known = isinstance(max_error, float) and isinstance(confidence, float)
    return Rule(uncertainty, threshold, math.ceil(_fewest(max_error, 1 - confidence)) if known else 1)


def binomial_cdf(num_wrong: Array, num_points: Array, error_rate: float | Float[Array, ""]) -> Float[Array, "*n"]:
    r"""Probability of so few errors or fewer among so many points, :math:`P(\mathrm{Bin}(m, \alpha) \le k)`.

    Example:
      >>> bool(jnp.isclose(binomial_cdf(jnp.array(0), jnp.array(2), 0.5), 0.25))
      True
    """
    rest = (num_points - num_wrong).astype(jnp.float32)
    probability = jax.scipy.special.betainc(jnp.maximum(rest, 1.0), num_wrong + 1.0, 1.0 - error_rate)
    return jnp.where(rest > 0, probability, 1.0)


def _fewest(max_error, level):
    """Points of which none may be wrong for the test to pass: (1 - max_error)**m = level."""
    log, log1p = (math.log, math.log1p) if isinstance(max_error, float) else (jnp.log, jnp.log1p)
    return log(level) / log1p(-max_error)


def _plan(num_points: Array, max_error, level: Array) -> tuple[Float[Array, " G"], Float[Array, " G"]]:
    """The shares of the candidates at which thresholds lie, and the level that each brings with it.

    Starts cost level: one for each twice the fewest points lost least coverage in simulation, from problems with few
    points, where one start is best, to those with many. The first leaves two standard deviations of room, since the
    number of calibration points below a quantile of the candidates scatters.
    """
    rate = -jnp.log1p(-jnp.asarray(max_error))
    num_starts = jnp.clip(num_points * rate / -jnp.log(level) // 2, 1, MAX_STARTS)
    fewest = jnp.log(num_starts / level) / rate
    share = fewest / jnp.maximum(num_points, 1)
    share = jnp.minimum(share + 2 * jnp.sqrt(share * jnp.maximum(1 - share, 0) / jnp.maximum(num_points, 1)), 1.0)
    steps = jnp.arange(NUM_THRESHOLDS)
    shares = share + (1 - share) * steps / (NUM_THRESHOLDS - 1)
    # Starts at equal distances: where the number of the stretch changes.
    stretch = steps * num_starts // NUM_THRESHOLDS
    is_start = jnp.concatenate([jnp.ones(1, bool), stretch[1:] > stretch[:-1]])
    return shares, jnp.where(is_start, level / num_starts, 0.0)


def _quantiles(
    uncertainty: Float[Array, " N"], candidates: Bool[Array, " N"], shares: Float[Array, " G"]
) -> Float[Array, " G"]:
    """Thresholds with at least such a share of the points strictly below; +inf where that is all candidates.

    Points that are no candidates count as the most uncertain: a person was asked about them mostly because they were.
    So a share of the pool is about that share of the calibration points, of which nobody took the uncertain ones away.
    """
    usable = candidates & ~jnp.isnan(uncertainty)
    ordered = jnp.sort(jnp.where(usable, uncertainty, jnp.inf))
    ordered = jnp.concatenate([ordered, jnp.full(1, jnp.inf, ordered.dtype)])
    num_points = uncertainty.shape[0]
    last = jnp.clip(jnp.ceil(shares * num_points).astype(jnp.int32) - 1, 0, num_points - 1)
    # The next value that is different, so that equal points fall on one side.
    return ordered[jnp.searchsorted(ordered[:-1], ordered[last], side="right")]


def _fallback(p_values: Float[Array, " G"], levels: Float[Array, " G"]) -> Bool[Array, " G"]:
    """Which hypotheses are rejected, in order; the level of a rejected one is handed on to the next."""

    def test(carried, hypothesis):
        p_value, level = hypothesis
        level = level + carried
        is_rejected = p_value <= level
        return jnp.where(is_rejected, level, 0.0), is_rejected

    return jax.lax.scan(test, jnp.zeros((), levels.dtype), (p_values, levels))[1]
