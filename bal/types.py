"""The records that the rooms of the library exchange, and the letters that name their axes.

S posterior samples (draws), N pool points (n: a chunk of them), M target points, T test points, C classes,
B points asked for in a round, K label budget, D feature width. ``*n`` stands for points and, in dense tasks, their
space axes.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
from jaxtyping import Array, Float, Int, Key

RngKey = Key[Array, ""]
PyTree = Any  # a nested structure of arrays, such as a dict or a tuple of them


class Batch(NamedTuple):
    """Labelled points in a buffer of fixed size; rows of weight 0 are padding, and their content is ignored.

    Inputs and labels are pytrees of arrays whose first axis is the point.
    """

    inputs: PyTree  # leaves [K, ...]
    labels: PyTree  # leaves [K, ...]
    weights: Float[Array, " K"]


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Description:
    """Names and units of a data set. It is static: it travels with the data through ``jit`` and holds no array."""

    num_classes: int | None = None  # of integer labels
    label_names: tuple[str, ...] = ()  # of classes, in the order of their numbers
    input_names: tuple[str, ...] = ()  # of a table's columns, along the inputs' last axis; one-hot: "column=value"
    label_scale: float = 1.0  # standard deviation by which real labels were divided
    label_shift: float = 0.0  # mean that was subtracted from them


class Dataset(NamedTuple):
    """A pool to choose from and a test set to report on. It is passed to a run as an argument, never kept in a state.

    Inputs and labels are pytrees of arrays whose first axis is the point. If ``pool_labels`` is None, a person is the
    oracle: see :func:`bal.build`, ``ask`` and ``tell``.
    """

    pool_inputs: PyTree  # leaves [N, ...]
    pool_labels: PyTree | None  # leaves [N, ...]
    test_inputs: PyTree | None = None  # leaves [T, ...]
    test_labels: PyTree | None = None  # leaves [T, ...]
    validation: Batch | None = None  # read by early stopping only, and reported beside the number of labels
    target_inputs: PyTree | None = None  # leaves [M, ...]: where predictions will be needed (EPIG)
    target_weights: Float[Array, " M"] | None = None
    calibration: Batch | None = None  # read by automatic labelling only, and reported beside the number of labels
    about: Description = Description()


class Gaussian(NamedTuple):
    """A Gaussian predictive distribution for each point; with a leading axis S, one component for each draw."""

    mean: Float[Array, "*n"]
    variance: Float[Array, "*n"]


class BoxMap(NamedTuple):
    """Objects predicted in each cell of a grid over an image; with a leading axis S, under each draw."""

    log_odds: Float[Array, "*n h w C"]  # that an object of the class has its centre in the cell
    boxes: Float[Array, "*n h w 4"]  # y0, x0, y1, x1 in pixels, if there is one


class Detections(NamedTuple):
    """Objects found in images, K places an image; the place of a score of 0 is empty."""

    boxes: Float[Array, "n K 4"]  # y0, x0, y1, x1 in pixels
    classes: Int[Array, "n K"]
    scores: Float[Array, "n K"]


class Keys(NamedTuple):
    """One key for each source of randomness, so that a study can vary one source and hold the others."""

    initial: RngKey  # which points are labelled at the start
    network: RngKey  # initial parameters of the posterior
    batches: RngKey  # fitting: order of the data, training noise
    samples: RngKey  # posterior draws
    targets: RngKey  # target points, pool subsets
    selection: RngKey  # ties and sampling in the strategy
    oracle: RngKey  # answers of a simulated oracle


def split_keys(rng_key: RngKey) -> Keys:
    """Derive the keys of a whole run from one key.

    Example:
      >>> keys = split_keys(jax.random.key(0))
      >>> keys._fields
      ('initial', 'network', 'batches', 'samples', 'targets', 'selection', 'oracle')
    """
    return Keys(*jax.random.split(rng_key, len(Keys._fields)))
