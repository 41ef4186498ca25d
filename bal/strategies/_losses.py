"""Strategies based on losses: the loss that the model predicts, or the true loss as a control."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from bal import selection
from bal.selection import Selection
from bal.strategies._strategy import Strategy
from bal.streaming import take_points
from bal.types import RngKey
from bal.view import PoolView


def learning_loss(*, batch_size: int) -> Strategy:
    """The points with the largest predicted loss; see :func:`bal.posteriors.learning_loss`.

    The paper scores a random subset of the pool (``pool_subset_size``), so that the points of a batch differ.

    Example:
      >>> strategy = learning_loss(batch_size=5)

    References:
      Yoo and Kweon 2019, Learning loss for active learning, arXiv:1905.03677
    """

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        scores = view.map(view.features["predicted_loss"])[:, 0]
        return selection.top_k(rng_key, scores, view.available, batch_size=batch_size)

    return Strategy(batch_size, select, takes=None, needs=("predicted_loss",))


def true_loss(*, batch_size: int) -> Strategy:
    """A control that reads the pool's labels: the points with the largest loss of the mean prediction, in nats.

    Example:
      >>> true_loss(batch_size=5).privileged
      True
    """

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        if view.labels is None or view.loss is None:
            raise ValueError("expected a view with the labels of the pool for true_loss, got one without")
        labels, loss = view.labels, view.loss

        def score(places: Array) -> Float[Array, " n"]:
            return loss(view.take(places), take_points(labels, places))

        scores = view.stream(score, jnp.arange(view.size))
        return selection.top_k(rng_key, scores, view.available, batch_size=batch_size)

    return Strategy(batch_size, select, takes=None, privileged=True)
