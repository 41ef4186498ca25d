"""What a strategy sees of a round: the pool, what is known, and the posterior as plain functions of inputs."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jax.tree_util import Partial
from jaxtyping import Array, Bool, Float, Int

from bal.pool import PoolState
from bal.selection import Selection, uniform
from bal.streaming import stream
from bal.types import Batch, Dataset, PyTree, RngKey


class PoolView(NamedTuple):
    """What a strategy sees of a round. A pytree: its functions are ``jax.tree_util.Partial``.

    Labels of the pool are not in it, except those that are known, ``labelled``, and for privileged strategies.
    """

    inputs: Array  # [N, ...]
    available: Bool[Array, " N"]
    labelled: Batch
    target_inputs: Array  # [M, ...]
    target_weights: Float[Array, " M"]
    predict: Callable[[Array], PyTree]  # inputs [n, ...] -> predictions [S, n, ...], the same S functions everywhere
    features: dict[str, Callable[[Array], Array]]  # name -> inputs [n, ...] -> [n, D]
    covariance: Callable[[Array, Array], Array] | None  # (inputs_a, inputs_b) -> [a, b]
    map: Callable[..., PyTree]  # (inputs_chunk -> leaves [n, ...], inputs=None: the pool) -> leaves [N, ...]
    labels: Array | None = None  # [N, ...] of the pool, for privileged strategies only
    loss: Callable[[Array, Array], Array] | None = None  # (inputs [n, ...], labels [n, ...]) -> nats [n], with them


def pool_view(
    rng_key: RngKey,
    dataset: Dataset,
    pool: PoolState,
    labelled: Batch,
    predict: Callable[[Array], PyTree],
    *,
    features: dict[str, Callable[[Array], Array]],
    covariance: Callable[[Array, Array], Array] | None,
    pool_subset_size: int | None,
    num_targets: int,
    chunk_size: int | None,
    mesh: Mesh | None,
    privileged_loss: Callable[[Array, Array], Array] | None = None,
) -> tuple[PoolView, Int[Array, " n"] | None]:
    """The view of one round, and the pool indices of its points where it shows a random subset of the available ones.

    Targets that the data set does not give are drawn from the original pool; never from the test set. Labels of the
    pool are in the view only where the loss that needs them is given.
    """
    key_subset, key_targets = jax.random.split(rng_key)
    subset = None
    inputs, available = dataset.pool_inputs, pool.available
    labels = None if privileged_loss is None else dataset.pool_labels
    num_points = inputs.shape[0]
    if pool_subset_size is not None:
        subset = uniform(key_subset, available, batch_size=pool_subset_size).indices
        inputs = inputs.at[subset].get(mode="fill", fill_value=0)
        available = available.at[subset].get(mode="fill", fill_value=False)
        labels = None if labels is None else labels.at[subset].get(mode="fill", fill_value=0)
    target_inputs, target_weights = dataset.target_inputs, dataset.target_weights
    if target_inputs is None:
        target_inputs = dataset.pool_inputs[jax.random.permutation(key_targets, num_points)[:num_targets]]
    if target_weights is None:
        target_weights = jnp.ones(target_inputs.shape[0])
    view = PoolView(
        inputs=inputs,
        available=available,
        labelled=labelled,
        target_inputs=target_inputs,
        target_weights=target_weights,
        predict=predict,
        features=features,
        covariance=covariance,
        map=Partial(partial(_map_inputs, chunk_size=chunk_size, mesh=mesh), inputs),
        labels=labels,
        loss=privileged_loss,
    )
    return view, subset


def to_pool_indices(selection: Selection, subset: Int[Array, " n"] | None, dataset: Dataset) -> Selection:
    """Indices into the pool from indices into the view, which are the same where the view shows the whole pool."""
    return selection._replace(indices=indices_in_pool(selection.indices, subset, dataset.pool_inputs.shape[0]))


def indices_in_pool(indices: Int[Array, " B"], subset: Int[Array, " n"] | None, num_points: int) -> Int[Array, " B"]:
    """Pool indices from indices into a view; the absent index of the one becomes that of the other, ``num_points``."""
    return indices if subset is None else subset.at[indices].get(mode="fill", fill_value=num_points)


def _map_inputs(
    pool_inputs: Array,
    fn: Callable[[Array], PyTree],
    inputs: Array | None = None,
    *,
    chunk_size: int | None,
    mesh: Mesh | None,
) -> PyTree:
    return stream(fn, pool_inputs if inputs is None else inputs, chunk_size=chunk_size, mesh=mesh)
