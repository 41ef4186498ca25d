"""What a strategy is, and the questions that several strategies ask of a view."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal.selection import Selection
from bal.types import Gaussian, PyTree, RngKey
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
        scores = view.map(lambda inputs: score(categorical(view.predict(inputs))))
        return rule(rng_key, scores, view.available)

    return Strategy(batch_size, select)


def categorical(predictions: PyTree) -> Float[Array, "S n C"]:
    """The predictions, if they are log-probabilities of classes."""
    if isinstance(predictions, Gaussian):
        raise ValueError("expected categorical predictions for this strategy, got Gaussian ones")
    return predictions


def gaussian(predictions: PyTree) -> Gaussian:
    """The predictions, if they are Gaussian."""
    if not isinstance(predictions, Gaussian):
        raise ValueError("expected Gaussian predictions for this strategy, got categorical ones")
    return predictions


def predict(view: PoolView, inputs: Array) -> PyTree:
    """Predictions [S, n, ...] of points that are few enough to be held; a network's intermediates are not."""

    def points_first(chunk):
        return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 1, 0), view.predict(chunk))

    return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 1, 0), view.map(points_first, inputs))


def embed(view: PoolView, inputs: Array | None = None) -> Float[Array, "n D"]:
    """Embeddings of the pool, or of other points."""
    return view.map(view.features["embedding"], inputs)
