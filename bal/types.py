"""The records that the rooms of the library exchange, and the letters that name their axes.

S posterior samples (draws), N pool points (n: a chunk of them), M target points, T test points, C classes,
B points asked for in a round, K label budget, D feature width. ``*n`` stands for points and, in dense tasks, their
space.
"""

from typing import Any, NamedTuple

import jax
from jaxtyping import Array, Float, Key

RngKey = Key[Array, ""]
PyTree = Any  # a nested structure of arrays whose shape the sender decides


class Batch(NamedTuple):
    """Labelled points in a buffer of fixed size; rows of weight 0 are padding, and what they hold changes nothing."""

    inputs: Array  # [K, ...]
    labels: Array  # [K, ...]
    weights: Float[Array, " K"]


class Dataset(NamedTuple):
    """A pool to choose from and a test set to report on. It is passed to a run as an argument, never kept in a state.

    Where ``pool_labels`` is None a person is the oracle: see :func:`bal.build`, ``ask`` and ``tell``.
    """

    pool_inputs: Array  # [N, ...]
    pool_labels: Array | None  # [N, ...]
    test_inputs: Array | None = None  # [T, ...]
    test_labels: Array | None = None  # [T, ...]
    validation: Batch | None = None  # read by early stopping only, and reported beside the number of labels
    target_inputs: Array | None = None  # [M, ...] where predictions will be wanted (EPIG)
    target_weights: Float[Array, " M"] | None = None
    calibration: Batch | None = None  # read by automatic labelling only, and reported beside the number of labels


class Gaussian(NamedTuple):
    """A Gaussian predictive distribution for each point; with a leading axis S, one component for each draw."""

    mean: Float[Array, "*n"]
    variance: Float[Array, "*n"]


class Keys(NamedTuple):
    """One key for each source of randomness, so that a study can vary one source and hold the others."""

    initial: RngKey  # which points are labelled at the start
    network: RngKey  # initial parameters of the posterior
    batches: RngKey  # fitting: order of the data, training noise
    samples: RngKey  # posterior draws
    targets: RngKey  # target points, pool subsets
    selection: RngKey  # ties and sampling in the strategy


def split_keys(rng_key: RngKey) -> Keys:
    """Derive the keys of a whole run from one key.

    Example:
      >>> keys = split_keys(jax.random.key(0))
      >>> keys._fields
      ('initial', 'network', 'batches', 'samples', 'targets', 'selection')
    """
    return Keys(*jax.random.split(rng_key, len(Keys._fields)))
