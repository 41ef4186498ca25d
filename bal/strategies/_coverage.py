"""Strategies of distances between features: batches that differ, or that stand for the pool.

The features are the embeddings of the last hidden layer, or sketched gradients where the posterior offers them.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

from bal import selection
from bal.selection import Selection
from bal.strategies._strategy import CATEGORICAL, Features, Strategy
from bal.types import RngKey
from bal.view import PoolView


def k_center(*, batch_size: int, features: Features = "embedding") -> Strategy:
    """The points that labelled and chosen ones cover worst: the core-set; see :func:`bal.selection.k_center`."""
    return _around_labelled(selection.k_center, "center_embeddings", batch_size, features)


def max_dist(*, batch_size: int, features: Features = "embedding") -> Strategy:
    """The points farthest from labelled and chosen ones, at first the largest; see :func:`bal.selection.max_dist`."""
    return _around_labelled(selection.max_dist, "center_features", batch_size, features)


def lcmd(*, batch_size: int, features: Features = "embedding") -> Strategy:
    """The farthest point of the cluster that is covered worst, again and again; see :func:`bal.selection.lcmd`."""
    return _around_labelled(selection.lcmd, "center_features", batch_size, features)


def typiclust(*, batch_size: int, features: Features = "embedding") -> Strategy:
    """Typical points of clusters without a label, also before there is any; see :func:`bal.selection.typiclust`."""
    return _around_labelled(selection.typiclust, "center_embeddings", batch_size, features)


def k_means(*, batch_size: int, features: Features = "embedding") -> Strategy:
    """The point nearest to the centre of each of ``batch_size`` clusters; see :func:`bal.selection.k_means`."""

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        return selection.k_means(rng_key, view.map(view.features[features]), view.available, batch_size=batch_size)

    return Strategy(batch_size, select, takes=None, needs=(features,))


def prob_cover(*, batch_size: int, radius: float | Array | None = None, features: Features = "embedding") -> Strategy:
    """The balls that cover most points, also before there is any label; see :func:`bal.selection.prob_cover`.

    Args:
      batch_size: points to choose.
      radius: of the balls, in the unit of the features. None takes in each round the largest one at which 95 % of the
        balls are pure, with as many clusters as classes (which only categorical predictions have); see
        :func:`bal.selection.purity_radius`.
      features: what distances are measured between.
    """

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        key_radius, key_choice = jax.random.split(rng_key)
        points, chosen_radius = view.map(view.features[features]), radius
        if chosen_radius is None:
            one = jax.eval_shape(lambda: view.predict(view.take(jnp.zeros(1, jnp.int32))))
            chosen_radius = selection.purity_radius(key_radius, points, view.available, num_clusters=one.shape[-1])
        return selection.prob_cover(
            key_choice,
            points,
            view.available,
            batch_size=batch_size,
            radius=chosen_radius,
            center_embeddings=view.stream(view.features[features], view.labelled.inputs),
            center_weights=view.labelled.weights,
        )

    return Strategy(batch_size, select, takes=CATEGORICAL if radius is None else None, needs=(features,))


def _around_labelled(rule: Callable[..., Selection], centers: str, batch_size: int, features: Features) -> Strategy:
    """A rule of features that takes those of the labelled set under the given name, and their ``center_weights``."""

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        feature = view.features[features]
        labelled = {centers: view.stream(feature, view.labelled.inputs), "center_weights": view.labelled.weights}
        return rule(rng_key, view.map(feature), view.available, batch_size=batch_size, **labelled)

    return Strategy(batch_size, select, takes=None, needs=(features,))
