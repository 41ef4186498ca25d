"""Strategies based on distances between features: diverse batches, or batches that represent the pool.

The features are the embeddings of the last hidden layer, or sketched gradients if the posterior provides them.
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
    """A core-set: each point is the one farthest from labelled and chosen ones; see :func:`bal.selection.k_center`.

    Example:
      >>> k_center(batch_size=5).needs
      ('embedding',)
    """
    return _around_labelled(selection.k_center, "center_embeddings", batch_size, features)


def max_dist(*, batch_size: int, features: Features = "embedding") -> Strategy:
    """Points far from labelled and chosen ones, starting at the largest norm; see :func:`bal.selection.max_dist`.

    Example:
      >>> strategy = max_dist(batch_size=5)
    """
    return _around_labelled(selection.max_dist, "center_features", batch_size, features)


def lcmd(*, batch_size: int, features: Features = "embedding") -> Strategy:
    """Repeatedly the farthest point of the worst-covered cluster (LCMD); see :func:`bal.selection.lcmd`.

    Example:
      >>> lcmd(batch_size=5, features="gradient").needs
      ('gradient',)
    """
    return _around_labelled(selection.lcmd, "center_features", batch_size, features)


def k_means_plus_plus(*, batch_size: int, features: Features = "embedding") -> Strategy:
    """A sample of points far from labelled and chosen ones; see :func:`bal.selection.k_means_plus_plus`.

    Example:
      >>> strategy = k_means_plus_plus(batch_size=5)
    """
    return _around_labelled(selection.k_means_plus_plus, "center_features", batch_size, features)


def typiclust(*, batch_size: int, features: Features = "embedding") -> Strategy:
    """Typical points of clusters without a label; works without any labels; see :func:`bal.selection.typiclust`.

    Example:
      >>> strategy = typiclust(batch_size=5)
    """
    return _around_labelled(selection.typiclust, "center_embeddings", batch_size, features)


def k_means(*, batch_size: int, features: Features = "embedding") -> Strategy:
    """The points nearest to the centres of ``batch_size`` clusters; see :func:`bal.selection.k_means`.

    Example:
      >>> strategy = k_means(batch_size=5)
    """

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        return selection.k_means(rng_key, view.map(view.features[features]), view.available, batch_size=batch_size)

    return Strategy(batch_size, select, takes=None, needs=(features,))


def prob_cover(*, batch_size: int, radius: float | Array | None = None, features: Features = "embedding") -> Strategy:
    """Centres of balls that cover most points; works without any labels; see :func:`bal.selection.prob_cover`.

    Args:
      batch_size: points to choose.
      radius: of the balls, in the unit of the features. None finds, in each round, the largest one at which 95 % of the
        balls are pure, with as many clusters as classes (for categorical predictions only); see
        :func:`bal.selection.purity_radius`.
      features: between which distances are measured.

    Example:
      >>> strategy = prob_cover(batch_size=5)
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
    """A rule on features that takes those of the labelled set by the given name, and their ``center_weights``."""

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        feature = view.features[features]
        labelled = {centers: view.stream(feature, view.labelled.inputs), "center_weights": view.labelled.weights}
        return rule(rng_key, view.map(feature), view.available, batch_size=batch_size, **labelled)

    return Strategy(batch_size, select, takes=None, needs=(features,))
