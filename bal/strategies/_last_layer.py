"""Strategies of the last layer: what its gradients or its posterior say about a batch."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal import selection
from bal.information import log_mean_exp
from bal.selection import Selection
from bal.strategies._strategy import Strategy, categorical, embed
from bal.types import Gaussian, RngKey
from bal.view import PoolView


def badge(*, batch_size: int) -> Strategy:
    """A sample of points whose gradients are large and different; see :func:`bal.selection.badge`."""

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        def describe(inputs: Array) -> tuple[Array, Array]:
            return log_mean_exp(categorical(view.predict(inputs))), view.features["embedding"](inputs)

        log_probs, embeddings = view.map(describe)
        return selection.badge(rng_key, log_probs, embeddings, view.available, batch_size=batch_size)

    return Strategy(batch_size, select, needs=("embedding",))


def bait(*, batch_size: int) -> Strategy:
    """The batch that makes the predictions over the whole pool precise; see :func:`bal.selection.bait`.

    A Fisher embedding is the embedding over the noise's standard deviation, or, for classes, times that of the label.
    """

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        def fisher(inputs: Array) -> Array:
            predictions = view.predict(inputs)
            if isinstance(predictions, Gaussian):
                information = 1 / predictions.variance.mean(axis=0)
            else:
                # The trace of diag(p) - p p'; rounding must not make it negative.
                information = jnp.maximum(1 - jnp.square(jnp.exp(log_mean_exp(predictions))).sum(axis=-1), 0.0)
            return view.features["embedding"](inputs) * jnp.sqrt(information)[:, None]

        return selection.bait(
            rng_key,
            view.map(fisher),
            view.available,
            batch_size=batch_size,
            labelled_features=view.map(fisher, view.labelled.inputs),
            labelled_weights=view.labelled.weights,
        )

    return Strategy(batch_size, select, needs=("embedding",))


def max_det(*, batch_size: int, noise: float | Array = 0.1) -> Strategy:
    """The batch that says most about a Gaussian latent function; see :func:`bal.selection.max_det`.

    The function is the posterior's own where its covariance is closed. Elsewhere it is linear in the embeddings, which
    are scaled to a mean square of 1 over the pool, with weights of a standard normal prior and the labelled set as
    observations.

    Args:
      batch_size: points to choose.
      noise: variance of an observation. Gaussian predictions of a closed covariance have their own.

    Raises:
      ValueError: (when traced) a posterior with neither a closed covariance nor embeddings.
    """

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        if view.covariance is not None:
            return selection.max_det(
                rng_key,
                view.inputs,
                view.available,
                batch_size=batch_size,
                noise=_noise(view, noise),
                kernel=selection.covariance_kernel(view.covariance),
            )
        if "embedding" not in view.features:
            raise ValueError("expected a posterior with a closed covariance or the feature 'embedding', got neither")
        embeddings = embed(view)
        mean_square = _mean(jnp.square(embeddings).sum(axis=1), view)
        scale = jnp.sqrt(jnp.where(mean_square > 0, mean_square, 1.0))
        features = selection.condition(
            embeddings / scale,
            embed(view, view.labelled.inputs) / scale,
            noise=noise,
            labelled_weights=view.labelled.weights,
        )
        return selection.max_det(rng_key, features, view.available, batch_size=batch_size, noise=noise)

    return Strategy(batch_size, select)


def _noise(view: PoolView, noise: float | Array) -> float | Array:
    """The noise of Gaussian predictions, on average over the available points; of others the one that is given."""
    first = jax.eval_shape(view.predict, view.inputs[:1])
    if not isinstance(first, Gaussian):
        return noise
    return _mean(view.map(lambda inputs: view.predict(inputs).variance.mean(axis=0)), view)


def _mean(values: Float[Array, " N"], view: PoolView) -> Float[Array, ""]:
    counted = view.available & jnp.isfinite(values)
    return jnp.where(counted, values, 0.0).sum() / jnp.maximum(counted.sum(), 1)
