"""Glue between posteriors and selection: what to ask of the posterior, and which rule to apply to the answer."""

from collections.abc import Callable
from typing import NamedTuple

import jax
from jaxtyping import Array, Bool, Float

from bal import acquisition, selection
from bal.selection import Selection
from bal.types import Gaussian, RngKey
from bal.view import PoolView


class Strategy(NamedTuple):
    """How to choose a batch."""

    batch_size: int
    select: Callable[[RngKey, PoolView], Selection]
    needs: tuple[str, ...] = ()  # posterior features that it uses
    privileged: bool = False  # True only for controls that read labels nobody has yet


Rule = Callable[[RngKey, Float[Array, " N"], Bool[Array, " N"]], Selection]


def score_strategy(score: Callable[[Array], Array], rule: Rule, *, batch_size: int) -> Strategy:
    """A score of categorical predictions, streamed over the pool, and a rule that looks at one score a point.

    Args:
      score: log_probs [S, n, C] -> [n].
      rule: (rng_key, scores [N], available [N]) -> Selection.
      batch_size: points that the rule chooses.

    Raises:
      ValueError: (when traced) the predictions are not categorical.
    """

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        def score_chunk(inputs: Array) -> Array:
            predictions = view.predict(inputs)
            if isinstance(predictions, Gaussian):
                raise ValueError("expected categorical predictions for this strategy, got Gaussian ones")
            return score(predictions)

        return rule(rng_key, view.map(score_chunk), view.available)

    return Strategy(batch_size, select)


def random(*, batch_size: int) -> Strategy:
    """Any points: the baseline. The posterior is not asked."""

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        return selection.uniform(rng_key, view.available, batch_size=batch_size)

    return Strategy(batch_size, select)


def _best(score: Callable[[Array], Array], batch_size: int) -> Strategy:
    return score_strategy(score, jax.tree_util.Partial(selection.top_k, batch_size=batch_size), batch_size=batch_size)


def _sampled(kind: str, beta: float | Array, batch_size: int) -> Strategy:
    rule = jax.tree_util.Partial(selection.gumbel_top_k, batch_size=batch_size, kind=kind, beta=beta)
    return score_strategy(acquisition.bald, rule, batch_size=batch_size)


def max_entropy(*, batch_size: int) -> Strategy:
    """The points of the largest entropy of the mean prediction; see :func:`bal.acquisition.max_entropy`."""
    return _best(acquisition.max_entropy, batch_size)


def least_confidence(*, batch_size: int) -> Strategy:
    """The points whose most probable class is least probable; see :func:`bal.acquisition.least_confidence`."""
    return _best(acquisition.least_confidence, batch_size)


def margin(*, batch_size: int) -> Strategy:
    """The points with the smallest gap between two classes; see :func:`bal.acquisition.margin`."""
    return _best(acquisition.margin, batch_size)


def variation_ratio(*, batch_size: int) -> Strategy:
    """The points on whose class posterior samples vote least alike; see :func:`bal.acquisition.variation_ratio`."""
    return _best(acquisition.variation_ratio, batch_size)


def mean_std(*, batch_size: int) -> Strategy:
    """The points with the largest spread of probabilities; see :func:`bal.acquisition.mean_std`."""
    return _best(acquisition.mean_std, batch_size)


def bald(*, batch_size: int) -> Strategy:
    """The points whose labels say most about the model, each by itself; see :func:`bal.acquisition.bald`."""
    return _best(acquisition.bald, batch_size)


def power_bald(*, batch_size: int, beta: float | Array = 8.0) -> Strategy:
    """Points sampled in proportion to BALD to the power ``beta``; see :func:`bal.selection.gumbel_top_k`.

    The default is the best of those published for batches of 10 (Kirsch et al. 2023, Repeated-MNIST).
    """
    return _sampled("power", beta, batch_size)


def softmax_bald(*, batch_size: int, beta: float | Array = 8.0) -> Strategy:
    """Points sampled in proportion to exp(``beta`` BALD); see :func:`bal.selection.gumbel_top_k`."""
    return _sampled("softmax", beta, batch_size)


def softrank_bald(*, batch_size: int, beta: float | Array = 1.0) -> Strategy:
    """Points sampled in proportion to the rank of BALD to the power -``beta``; see :func:`bal.selection.gumbel_top_k`.

    Ranks separate strongly: above 1, batches repeat themselves (Kirsch et al. 2023).
    """
    return _sampled("softrank", beta, batch_size)


STRATEGIES: dict[str, Callable[..., Strategy]] = {
    "random": random,
    "bald": bald,
    "least_confidence": least_confidence,
    "margin": margin,
    "max_entropy": max_entropy,
    "mean_std": mean_std,
    "power_bald": power_bald,
    "softmax_bald": softmax_bald,
    "softrank_bald": softrank_bald,
    "variation_ratio": variation_ratio,
}
