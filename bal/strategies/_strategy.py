"""The record of a strategy, and functions of a view that several strategies share."""

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal.acquisition import AggregateFn, check_aggregate
from bal.acquisition import aggregate as sum_up
from bal.selection import Selection
from bal.types import PyTree, RngKey
from bal.view import PoolView

Features = Literal["embedding", "gradient"]  # between which distances are measured; see Posterior.features

CATEGORICAL = ("categorical",)
GAUSSIAN = ("gaussian",)
# Scores of one point also score each position of an image, and each label of several.
OF_CLASSES = ("categorical", "bernoulli", "dense categorical", "dense bernoulli")
OF_REAL_LABELS = ("gaussian", "dense gaussian")
BOXES = ("boxes",)


class SelectFn(Protocol):
    """How a batch is chosen."""

    def __call__(self, rng_key: RngKey, view: PoolView) -> Selection:
        """Choose ``batch_size`` available places of the view, returned as a :class:`bal.Selection`."""


class Strategy(NamedTuple):
    """How to choose a batch."""

    batch_size: int
    select: SelectFn
    takes: tuple[str, ...] | None = CATEGORICAL  # accepted kinds of predictions, see Likelihood.predicts; None: all
    needs: tuple[str, ...] = ()  # posterior features that it uses
    privileged: bool = False  # True only for controls that read labels of unlabelled points
    num_draws: int = 1  # posterior samples that it needs: 2 where it scores how much they disagree


def score_strategy(
    score: Callable[[PyTree], Array],
    rule: Callable[[RngKey, Float[Array, " N"], Bool[Array, " N"]], Selection],
    *,
    batch_size: int,
    takes: tuple[str, ...] | None = OF_CLASSES,
    aggregate: str | AggregateFn = "mean",
    num_draws: int = 1,
) -> Strategy:
    """A score of predictions, streamed over the pool, and a rule that uses one score a point.

    Args:
      score: predictions [S, n, ...] -> [n], or [n, *space] with a score for each position of an image: of categorical
        ones, log-probabilities [S, n, C] or [S, n, *space, C].
      rule: (rng_key, scores [N], available [N]) -> Selection.
      batch_size: points that the rule chooses.
      takes: kinds of predictions that the score accepts, see :class:`Strategy`.
      aggregate: how the scores of the positions of an image are summed up, see :func:`bal.acquisition.aggregate`.
      num_draws: 2 if the score of every point is 0 under a single posterior sample, which is then refused.

    Example:
      >>> from functools import partial
      >>> from bal import acquisition, selection
      >>> bald = score_strategy(acquisition.bald, partial(selection.top_k, batch_size=5), batch_size=5, num_draws=2)
    """

    check_aggregate(aggregate)

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        def score_points(inputs: PyTree) -> Float[Array, " n"]:
            predictions = view.predict(inputs)
            return sum_up(score(predictions), predictions, aggregate)

        return rule(rng_key, view.map(score_points), view.available)

    return Strategy(batch_size, select, takes, num_draws=num_draws)


def predict(view: PoolView, inputs: PyTree) -> PyTree:
    """Predictions [S, n, ...] of points that are few enough to keep; the network's intermediates are streamed."""
    return _draws_first(view.stream(_points_first(view), inputs))


def predict_pool(view: PoolView) -> PyTree:
    """Predictions [S, n, ...] of the whole pool, for strategies that need all of them at once."""
    return _draws_first(view.map(_points_first(view)))


def _points_first(view: PoolView) -> Callable[[PyTree], PyTree]:
    return lambda chunk: jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 1, 0), view.predict(chunk))


def _draws_first(predictions: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 1, 0), predictions)
