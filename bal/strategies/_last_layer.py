"""Strategies based on the last layer: its gradients or its posterior."""

from collections.abc import Callable

import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float

from bal import selection
from bal.information import log_mean_exp
from bal.selection import Selection
from bal.strategies._strategy import Features, Strategy
from bal.types import PyTree, RngKey
from bal.view import PoolView, StreamFn, TakeFn


def badge(*, batch_size: int) -> Strategy:
    """A sample of points whose gradients are large and diverse; see :func:`bal.selection.badge`.

    Example:
      >>> strategy = badge(batch_size=5)
    """

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        def describe(inputs: PyTree) -> tuple[Array, Array]:
            return log_mean_exp(view.predict(inputs)), view.features["embedding"](inputs)

        log_probs, embeddings = view.map(describe)
        return selection.badge(rng_key, log_probs, embeddings, view.available, batch_size=batch_size)

    return Strategy(batch_size, select, needs=("embedding",))


def bait(*, batch_size: int, ridge: float | Array = 1.0, features: Features = "embedding") -> Strategy:
    """The batch that most reduces the variance of predictions over the whole pool; see :func:`bal.selection.bait`.

    A Fisher embedding is the embedding times the root of the Fisher information of a label about the outputs: divided
    by the noise's standard deviation for Gaussian predictions, multiplied by that of the label for classes.

    Args:
      batch_size: points to choose.
      ridge: precision of the prior over the weights, in the unit of the squared Fisher embeddings.
      features: "embedding" is for the weights of the last layer, "gradient" for all weights.

    Example:
      >>> strategy = bait(batch_size=5)
    """

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        def fisher(inputs: PyTree) -> Array:
            information = view.information(view.predict(inputs))
            return view.features[features](inputs) * jnp.sqrt(information)[:, None]

        return selection.bait(
            rng_key,
            view.map(fisher),
            view.available,
            batch_size=batch_size,
            ridge=ridge,
            labelled_features=view.stream(fisher, view.labelled.inputs),
            labelled_weights=view.labelled.weights,
        )

    return Strategy(batch_size, select, takes=("categorical", "gaussian"), needs=(features,))


def max_det(*, batch_size: int, noise: float | Array | None = None, features: Features | None = None) -> Strategy:
    """The batch that is most informative about a Gaussian latent function; see :func:`bal.selection.max_det`.

    If the posterior has a covariance in closed form, the function is its own. Otherwise it is linear in the features,
    scaled to a mean square of 1 over the pool, with standard normal weights and the labelled set as observations.

    Args:
      batch_size: points to choose.
      noise: variance of an observation. None: that of Gaussian predictions with a closed covariance, otherwise 0.1.
      features: in which the function is linear. None takes the closed covariance if the posterior has one, otherwise
        the embeddings.

    Raises:
      ValueError: (when traced) a posterior with neither a closed covariance nor these features.

    Example:
      >>> strategy = max_det(batch_size=5)
    """

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        if view.covariance is not None and features is None:
            kernel = selection.covariance_kernel(Partial(_between, view.covariance, view.take, view.stream))
            # Point by point, all points would be taken at once; a pass takes chunks of them.
            variances = view.map(selection.covariance_kernel(view.covariance).diagonal)
            kernel = kernel._replace(diagonal=Partial(_of_all, variances))
            return selection.max_det(
                rng_key,
                jnp.arange(view.size),
                view.available,
                batch_size=batch_size,
                noise=_noise(view) if noise is None else noise,
                kernel=kernel,
            )
        name = features or "embedding"
        if name not in view.features:
            raise ValueError(f"expected a posterior with a closed covariance or the feature {name!r}, got neither")
        variance = 0.1 if noise is None else noise
        points = view.map(view.features[name])
        mean_square = _mean(jnp.square(points).sum(axis=1), view)
        scale = jnp.sqrt(jnp.where(mean_square > 0, mean_square, 1.0))
        conditioned = selection.condition(
            points / scale,
            view.stream(view.features[name], view.labelled.inputs) / scale,
            noise=variance,
            labelled_weights=view.labelled.weights,
        )
        return selection.max_det(rng_key, conditioned, view.available, batch_size=batch_size, noise=variance)

    return Strategy(batch_size, select, takes=None, needs=() if features is None else (features,))


def _between(
    covariance: Callable[[PyTree, PyTree], Array], take: TakeFn, stream: StreamFn, places: Array, others: Array
) -> Float[Array, "a b"]:
    """Covariance of points given by their places in the view, streamed over the first argument."""
    columns = take(others)
    return stream(lambda chunk: covariance(take(chunk), columns), places)


def _of_all(variances: Float[Array, " N"], places: Array) -> Float[Array, " N"]:
    """The diagonal of the kernel, for which the rule asks once, of all places of the view."""
    return variances


def _noise(view: PoolView) -> float | Array:
    """The noise of real labels, averaged over the available points; 0.1 for other labels, which have none."""
    noise = view.noise
    return 0.1 if noise is None else _mean(view.map(lambda inputs: noise(view.predict(inputs))), view)


def _mean(values: Float[Array, " N"], view: PoolView) -> Float[Array, ""]:
    counted = view.available & jnp.isfinite(values)
    return jnp.where(counted, values, 0.0).sum() / jnp.maximum(counted.sum(), 1)
