"""Strategies with one score a point: the best points, or a sample weighted by score.

Those with ``aggregate`` take images with a label for each position too: it sums up the scores of the positions, see
:func:`bal.acquisition.aggregate`.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array

from bal import acquisition, selection
from bal.acquisition import AggregateFn
from bal.information import log_mean_exp
from bal.selection import Selection
from bal.strategies._strategy import CATEGORICAL, Strategy, predict, score_strategy
from bal.types import PyTree, RngKey
from bal.view import PoolView


def random(*, batch_size: int) -> Strategy:
    """The baseline: random points, whatever the posterior.

    Example:
      >>> strategy = random(batch_size=5)
    """

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        return selection.uniform(rng_key, view.available, batch_size=batch_size)

    return Strategy(batch_size, select, takes=None)


def _best(
    score: Callable[[Array], Array], batch_size: int, aggregate: str | AggregateFn, *, num_draws: int = 1
) -> Strategy:
    rule = partial(selection.top_k, batch_size=batch_size)
    return score_strategy(score, rule, batch_size=batch_size, aggregate=aggregate, num_draws=num_draws)


def _best_for_targets(score: Callable[[Array, Array, Array | None], Array], batch_size: int) -> Strategy:
    def select(rng_key: RngKey, view: PoolView) -> Selection:
        targets = predict(view, view.target_inputs)

        def score_chunk(inputs: PyTree) -> Array:
            return score(view.predict(inputs), targets, view.target_weights)

        return selection.top_k(rng_key, view.map(score_chunk), view.available, batch_size=batch_size)

    return Strategy(batch_size, select, num_draws=2)


def _sampled(kind: str, beta: float | Array, batch_size: int, aggregate: str | AggregateFn) -> Strategy:
    rule = partial(selection.gumbel_top_k, batch_size=batch_size, kind=kind, beta=beta)
    return score_strategy(acquisition.bald, rule, batch_size=batch_size, aggregate=aggregate, num_draws=2)


def max_entropy(*, batch_size: int, aggregate: str | AggregateFn = "mean") -> Strategy:
    """The points with the largest entropy of the mean prediction; see :func:`bal.acquisition.max_entropy`.

    Example:
      >>> strategy = max_entropy(batch_size=5, aggregate="max")
    """
    return _best(acquisition.max_entropy, batch_size, aggregate)


def least_confidence(*, batch_size: int, aggregate: str | AggregateFn = "mean") -> Strategy:
    """The points whose most probable class is least probable; see :func:`bal.acquisition.least_confidence`.

    Example:
      >>> strategy = least_confidence(batch_size=5)
    """
    return _best(acquisition.least_confidence, batch_size, aggregate)


def margin(*, batch_size: int, aggregate: str | AggregateFn = "mean") -> Strategy:
    """The points with the smallest gap between two classes; see :func:`bal.acquisition.margin`.

    Example:
      >>> strategy = margin(batch_size=5)
    """
    return _best(acquisition.margin, batch_size, aggregate)


def variation_ratio(*, batch_size: int, aggregate: str | AggregateFn = "mean") -> Strategy:
    """The points with the fewest votes for the modal class; see :func:`bal.acquisition.variation_ratio`.

    Example:
      >>> strategy = variation_ratio(batch_size=5)
    """
    return _best(acquisition.variation_ratio, batch_size, aggregate, num_draws=2)


def mean_std(*, batch_size: int, aggregate: str | AggregateFn = "mean") -> Strategy:
    """The points with the largest mean standard deviation of probabilities; see :func:`bal.acquisition.mean_std`.

    Example:
      >>> strategy = mean_std(batch_size=5)
    """
    return _best(acquisition.mean_std, batch_size, aggregate, num_draws=2)


def bald(*, batch_size: int, aggregate: str | AggregateFn = "mean") -> Strategy:
    """The points whose labels are individually most informative about the model; see :func:`bal.acquisition.bald`.

    Example:
      >>> strategy = bald(batch_size=5)
    """
    return _best(acquisition.bald, batch_size, aggregate, num_draws=2)


def vote_entropy(*, batch_size: int, aggregate: str | AggregateFn = "mean") -> Strategy:
    """The points with the largest entropy of the posterior samples' votes; see :func:`bal.acquisition.vote_entropy`.

    Example:
      >>> strategy = vote_entropy(batch_size=5)
    """
    return _best(acquisition.vote_entropy, batch_size, aggregate, num_draws=2)


def active_search(*, batch_size: int, positive: int = 1) -> Strategy:
    """The points that most probably are of one class: a search for them, not for what teaches the model most.

    It is the best choice where only the next labels count, in the sense of points found (Garnett et al. 2012).

    Args:
      batch_size: points to choose.
      positive: the class that is searched for; of labels of several, as in multi-label problems, there is none.

    Example:
      >>> strategy = active_search(batch_size=5, positive=1)
    """

    def score(log_probs: Array) -> Array:
        mean = log_mean_exp(log_probs)
        # Log-odds do not round to 1, as probabilities would for all points that are certain.
        others = jnp.where(jnp.arange(mean.shape[-1]) == positive, -jnp.inf, mean)
        return mean[..., positive] - jax.nn.logsumexp(others, axis=-1)

    return score_strategy(
        score, partial(selection.top_k, batch_size=batch_size), batch_size=batch_size, takes=CATEGORICAL
    )


def epig(*, batch_size: int) -> Strategy:
    """The points whose labels are individually most informative about the targets; see :func:`bal.acquisition.epig`.

    Example:
      >>> strategy = epig(batch_size=5)
    """
    return _best_for_targets(acquisition.epig, batch_size)


def expected_error_reduction(*, batch_size: int) -> Strategy:
    """The points whose labels individually promise the lowest error rate at the targets.

    See :func:`bal.acquisition.expected_error_reduction`.

    Example:
      >>> strategy = expected_error_reduction(batch_size=5)
    """
    return _best_for_targets(acquisition.expected_error_reduction, batch_size)


def power_bald(*, batch_size: int, beta: float | Array = 8.0, aggregate: str | AggregateFn = "mean") -> Strategy:
    """Points sampled in proportion to BALD to the power ``beta``; see :func:`bal.selection.gumbel_top_k`.

    The default is the best published value for batches of 10 (Kirsch et al. 2023, Repeated-MNIST).

    Example:
      >>> strategy = power_bald(batch_size=5, beta=4.0)
    """
    return _sampled("power", beta, batch_size, aggregate)


def softmax_bald(*, batch_size: int, beta: float | Array = 8.0, aggregate: str | AggregateFn = "mean") -> Strategy:
    """Points sampled in proportion to exp(``beta`` BALD); see :func:`bal.selection.gumbel_top_k`.

    Example:
      >>> strategy = softmax_bald(batch_size=5)
    """
    return _sampled("softmax", beta, batch_size, aggregate)


def softrank_bald(*, batch_size: int, beta: float | Array = 1.0, aggregate: str | AggregateFn = "mean") -> Strategy:
    """Points sampled in proportion to the rank of BALD to the power -``beta``; see :func:`bal.selection.gumbel_top_k`.

    Ranks separate strongly: with ``beta`` above 1, batches contain repeated points (Kirsch et al. 2023).

    Example:
      >>> strategy = softrank_bald(batch_size=5)
    """
    return _sampled("softrank", beta, batch_size, aggregate)
