"""What a strategy sees in a round: the pool, the known labels, and the posterior as plain functions of inputs."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Bool, Float, Int

from bal.pool import PoolState
from bal.selection import uniform
from bal.streaming import num_points, take_points
from bal.types import Batch, Dataset, Gaussian, PyTree, RngKey


@runtime_checkable
class TakeFn(Protocol):
    """Rows of the pool."""

    def __call__(self, indices: Int[Array, " n"]) -> PyTree:
        """Inputs [n, ...] of the points at these places of the view; the absent index, ``view.size``, gives zeros."""


@runtime_checkable
class MapFn(Protocol):
    """A pass over the pool."""

    def __call__(self, fn: Callable[[PyTree], PyTree]) -> PyTree:
        """Apply ``fn``, inputs [n, ...] -> leaves [n, ...], to all points in chunks; leaves [view.size, ...]."""


@runtime_checkable
class StreamFn(Protocol):
    """A pass over points other than the pool."""

    def __call__(self, fn: Callable[[PyTree], PyTree], inputs: PyTree) -> PyTree:
        """Like ``map``, over the given points: targets, labelled points, or indices for ``take``."""


@runtime_checkable
class PredictionsFn(Protocol):
    """The posterior's draws as functions."""

    def __call__(self, inputs: PyTree) -> PyTree:
        """Predictions [S, n, ...] at inputs [n, ...]: the same S functions wherever they are evaluated."""


class PoolView(NamedTuple):
    """What a strategy sees in a round. A pytree: its functions are ``jax.tree_util.Partial``.

    A point has a place in the view, 0 to ``size - 1``. A strategy chooses places; ``pool_indices`` maps them to points
    of the pool. The view holds the known labels (``labelled``); only privileged strategies see the pool's other labels.
    """

    pool_indices: Int[Array, " n"]  # N if fewer points are available than the subset has places
    available: Bool[Array, " n"]
    take: TakeFn
    map: MapFn
    stream: StreamFn
    labelled: Batch
    labelled_indices: Int[Array, " K"]  # of the pool
    target_inputs: PyTree  # leaves [M, ...]
    target_weights: Float[Array, " M"]
    predict: PredictionsFn
    information: Callable[[PyTree], Array]  # predictions -> Fisher information of a label about the outputs [n]
    noise: Callable[[PyTree], Array] | None  # predictions -> variance of a label's noise [n], for real labels
    features: dict[str, Callable[[PyTree], Array]]  # name -> inputs [n, ...] -> [n, D]
    covariance: Callable[[PyTree, PyTree], Array] | None  # (inputs_a, inputs_b) -> [a, b], if it has a closed form
    labels: PyTree | None = None  # leaves [n, ...] of the pool, for privileged strategies only
    loss: Callable[[PyTree, PyTree], Array] | None = None  # (inputs, labels) -> nats [n], for the same ones
    # Places of the labelled points, ``size`` where a label may not be asked for again; None: all labels are final.
    again: Int[Array, " K"] | None = None

    @property
    def size(self) -> int:
        """Points that the view shows, a static number; also the absent index."""
        return self.available.shape[0]


def pool_view(
    rng_key: RngKey,
    dataset: Dataset,
    pool: PoolState,
    labelled: Batch,
    *,
    predict: PredictionsFn,
    information: Callable[[PyTree], Array],
    noise: Callable[[PyTree], Array] | None,
    features: dict[str, Callable[[PyTree], Array]],
    covariance: Callable[[PyTree, PyTree], Array] | None,
    stream: StreamFn,
    pool_subset_size: int | None = None,
    num_targets: int = 100,
    privileged_loss: Callable[[PyTree, PyTree], Array] | None = None,
    again: Int[Array, " K"] | None = None,
) -> PoolView:
    """The view of one round: of the whole pool, or of a random subset of the available points.

    If the data set has no targets, they are drawn from the original pool, never from the test set. The view holds the
    pool's labels only if the loss that needs them is given.
    """
    key_subset, key_targets = jax.random.split(rng_key)
    size = num_points(dataset.pool_inputs)
    inputs, available, pool_indices = dataset.pool_inputs, pool.available, jnp.arange(size, dtype=jnp.int32)
    labels = None if privileged_loss is None else dataset.pool_labels
    if pool_subset_size is not None:
        pool_indices = uniform(key_subset, available, batch_size=pool_subset_size).indices
        inputs, labels = take_points(inputs, pool_indices), take_points(labels, pool_indices)
        available = available.at[pool_indices].get(mode="fill", fill_value=False)
    target_inputs, target_weights = dataset.target_inputs, dataset.target_weights
    if target_inputs is None:
        chosen = jax.random.permutation(key_targets, size)[:num_targets]
        target_inputs = take_points(dataset.pool_inputs, chosen)
    if target_weights is None:
        target_weights = jnp.ones(num_points(target_inputs))
    return PoolView(
        pool_indices=pool_indices,
        available=available,
        take=Partial(take_points, inputs),
        map=Partial(partial(_map_points, stream), inputs),
        stream=Partial(stream),
        labelled=labelled,
        labelled_indices=pool.indices,
        target_inputs=target_inputs,
        target_weights=target_weights,
        predict=predict,
        information=information,
        noise=noise,
        features=features,
        covariance=covariance,
        labels=labels,
        loss=privileged_loss,
        again=None if pool_subset_size is not None else again,  # labelled points have no place in a subset
    )


def among(view: PoolView, places: Int[Array, " M"]) -> PoolView:
    """The view of some of the points; the absent place, ``view.size``, is a point that is not available."""
    inputs = view.take(places)
    return view._replace(
        # An absent index may be any that no pool reaches.
        pool_indices=in_pool(view, places, jnp.iinfo(jnp.int32).max),
        available=view.available.at[places].get(mode="fill", fill_value=False),
        take=Partial(take_points, inputs),
        map=Partial(_map_points, view.stream, inputs),
        labels=None if view.labels is None else take_points(view.labels, places),
        again=None,
    )


def in_pool(view: PoolView, places: Int[Array, " B"], absent: int) -> Int[Array, " B"]:
    """Pool indices of places in the view; the absent place becomes ``absent``, the size of the whole pool."""
    return view.pool_indices.at[places].get(mode="fill", fill_value=absent)


def mean_noise(predictions: Gaussian) -> Float[Array, " n"]:
    """Variance of a label's noise (aleatoric), averaged over the draws, in squared units of the labels."""
    return predictions.variance.mean(axis=0)


def _map_points(stream: StreamFn, inputs: PyTree, fn: Callable[[PyTree], PyTree]) -> PyTree:
    return stream(fn, inputs)
