"""Strategies of distances between embeddings: batches that differ, or that stand for the pool."""

from collections.abc import Callable

import jax
from jaxtyping import Array

from bal import selection
from bal.selection import Selection
from bal.strategies._strategy import Strategy, categorical, embed
from bal.types import RngKey
from bal.view import PoolView


def k_center(*, batch_size: int) -> Strategy:
    """The points that labelled and chosen ones cover worst: the core-set; see :func:`bal.selection.k_center`."""
    return _around_labelled(selection.k_center, "center_embeddings", batch_size)


def max_dist(*, batch_size: int) -> Strategy:
    """The points farthest from labelled and chosen ones, at first the largest; see :func:`bal.selection.max_dist`."""
    return _around_labelled(selection.max_dist, "center_features", batch_size)


def lcmd(*, batch_size: int) -> Strategy:
    """The farthest point of the cluster that is covered worst, again and again; see :func:`bal.selection.lcmd`."""
    return _around_labelled(selection.lcmd, "center_features", batch_size)


def typiclust(*, batch_size: int) -> Strategy:
    """Typical points of clusters without a label, also before there is any; see :func:`bal.selection.typiclust`."""
    return _around_labelled(selection.typiclust, "center_embeddings", batch_size)


def k_means(*, batch_size: int) -> Strategy:
    """The point nearest to the centre of each of ``batch_size`` clusters; see :func:`bal.selection.k_means`."""

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        return selection.k_means(rng_key, embed(view), view.available, batch_size=batch_size)

    return Strategy(batch_size, select, needs=("embedding",))


def prob_cover(*, batch_size: int, radius: float | Array | None = None) -> Strategy:
    """The balls that cover most points, also before there is any label; see :func:`bal.selection.prob_cover`.

    Args:
      batch_size: points to choose.
      radius: of the balls, in the unit of the embeddings. None takes in each round the largest one at which 95 % of the
        balls are pure, with as many clusters as classes; see :func:`bal.selection.purity_radius`.

    Raises:
      ValueError: (when traced) no radius, and predictions that have no classes.
    """

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        key_radius, key_choice = jax.random.split(rng_key)
        embeddings = embed(view)
        chosen_radius = radius
        if chosen_radius is None:
            # Of this prediction only the shape is used; compiled, it is never made.
            num_classes = categorical(view.predict(view.inputs[:1])).shape[-1]
            chosen_radius = selection.purity_radius(key_radius, embeddings, view.available, num_clusters=num_classes)
        return selection.prob_cover(
            key_choice,
            embeddings,
            view.available,
            batch_size=batch_size,
            radius=chosen_radius,
            center_embeddings=embed(view, view.labelled.inputs),
            center_weights=view.labelled.weights,
        )

    return Strategy(batch_size, select, needs=("embedding",))


def _around_labelled(rule: Callable[..., Selection], centers: str, batch_size: int) -> Strategy:
    """A rule of embeddings that takes those of the labelled set under the given name, and their ``center_weights``."""

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        labelled = {centers: embed(view, view.labelled.inputs), "center_weights": view.labelled.weights}
        return rule(rng_key, embed(view), view.available, batch_size=batch_size, **labelled)

    return Strategy(batch_size, select, needs=("embedding",))
