"""Strategies for Gaussian predictions, from the posterior's closed-form covariance if it has one, else from draws."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

from bal import acquisition, selection
from bal.acquisition import AggregateFn, check_aggregate
from bal.acquisition import aggregate as sum_up
from bal.selection import Selection
from bal.strategies._strategy import GAUSSIAN, OF_REAL_LABELS, Strategy, predict
from bal.types import Gaussian, PyTree, RngKey
from bal.view import PoolView


def epistemic_variance(*, batch_size: int, aggregate: str | AggregateFn = "mean") -> Strategy:
    """The points whose predicted mean is most uncertain; see :func:`bal.acquisition.epistemic_variance`.

    Example:
      >>> strategy = epistemic_variance(batch_size=5)
    """
    return _of_variances(acquisition.epistemic_variance, lambda variance, noise: variance, batch_size, aggregate)


def gaussian_bald(*, batch_size: int, aggregate: str | AggregateFn = "mean") -> Strategy:
    """The points whose labels are most informative about the function; see :func:`bal.acquisition.gaussian_bald`.

    Example:
      >>> strategy = gaussian_bald(batch_size=5)
    """
    return _of_variances(acquisition.gaussian_bald, acquisition.covariance_bald, batch_size, aggregate)


def gaussian_epig(*, batch_size: int) -> Strategy:
    """The points whose labels are most informative about the targets; see :func:`bal.acquisition.gaussian_epig`.

    Example:
      >>> strategy = gaussian_epig(batch_size=5)
    """

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        targets = predict(view, view.target_inputs)
        if view.covariance is not None:
            target_variance = _variances(view.covariance, view.target_inputs) + targets.variance.mean(axis=0)

        def score(inputs: PyTree) -> Array:
            predictions = view.predict(inputs)
            if view.covariance is None:
                return acquisition.gaussian_epig(predictions, targets, view.target_weights)
            return acquisition.covariance_epig(
                view.covariance(inputs, view.target_inputs),
                _variances(view.covariance, inputs) + predictions.variance.mean(axis=0),
                target_variance,
                view.target_weights,
            )

        return selection.top_k(rng_key, view.map(score), view.available, batch_size=batch_size)

    return Strategy(batch_size, select, takes=GAUSSIAN, num_draws=2)


def _of_variances(
    of_draws: Callable[[Gaussian], Array],
    closed: Callable[[Array, Array], Array],
    batch_size: int,
    aggregate: str | AggregateFn,
) -> Strategy:
    """The best points by a score of draws, or of latent and noise variance if the covariance has a closed form."""
    check_aggregate(aggregate)

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        def score(inputs: PyTree) -> Array:
            predictions = view.predict(inputs)
            if view.covariance is None:
                return sum_up(of_draws(predictions), predictions, aggregate)
            return closed(_variances(view.covariance, inputs), predictions.variance.mean(axis=0))

        return selection.top_k(rng_key, view.map(score), view.available, batch_size=batch_size)

    return Strategy(batch_size, select, takes=OF_REAL_LABELS, num_draws=2)


def _variances(covariance: Callable[[Array, Array], Array], inputs: PyTree) -> Float[Array, " n"]:
    # Rounding can make a variance close to 0 negative.
    return jnp.maximum(selection.covariance_kernel(covariance).diagonal(inputs), 0.0)
