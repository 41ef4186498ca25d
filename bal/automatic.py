"""Automatic labels in the loop: kept apart from a person's, chosen afresh in each round, never in the budget."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from bal.autolabel import Calibration, Rule, assess, check_calibration, check_max_automatic, choose
from bal.types import Batch, Dataset, PyTree, RngKey
from bal.view import PoolView, indices_in_pool


class Automatic(NamedTuple):
    """How the loop labels by itself, for :func:`bal.build`."""

    rule: Rule
    max_automatic: int  # labels in a round at most, the most certain first
    weight: float | Float[Array, ""] = (
        1.0  # in the fit, beside 1 of a person's label; 0 labels without learning from it
    )


class AutomaticState(NamedTuple):
    """The automatic labels that the next round is fitted on. No person has labelled these points."""

    indices: Int[Array, " A"]  # N where the buffer is empty
    labels: Int[Array, " A"]
    uncertainty: Float[Array, " A"]


class AutomaticInfo(NamedTuple):
    """What a person wants to see of a round's automatic labels.

    How right they are is known where the data set holds the pool's labels, and None elsewhere.
    """

    num_automatic: Int[Array, ""]
    coverage: Float[Array, ""]  # share of the points that nobody has labelled or is asked about now
    threshold: Float[Array, ""]
    is_satisfied: Bool[Array, ""]  # False where no threshold satisfies the rule
    num_calibration: Int[Array, ""]  # labels beside num_labelled that a person gave for the rule
    precision: Float[Array, ""] | None  # share of right ones; nan where there are none
    wrong_by_class: Int[Array, " C"] | None  # wrong ones by their true class


def no_automatic_labels(automatic: Automatic | None, dataset: Dataset, pool_subset_size: int | None) -> PyTree:
    """The empty buffer, () where labels are not given automatically.

    Raises:
      ValueError: labels that are not classes, room for no label or for more than there are points, or fewer calibration
        points than the rule needs.
    """
    if automatic is None:
        return ()
    labels = dataset.pool_labels if dataset.pool_labels is not None else dataset.test_labels
    if labels is not None and (not jnp.issubdtype(labels.dtype, jnp.integer) or labels.ndim != 1):
        raise ValueError(
            f"expected integer labels [n] for automatic labelling, got {labels.dtype} of shape {list(labels.shape)}"
        )
    num_points, size = dataset.pool_inputs.shape[0], automatic.max_automatic
    check_max_automatic(size, pool_subset_size or num_points)
    check_calibration(automatic.rule, None if dataset.calibration is None else len(dataset.calibration.labels))
    return AutomaticState(
        indices=jnp.full(size, num_points, jnp.int32),
        labels=jnp.zeros(size, jnp.int32),
        uncertainty=jnp.full(size, jnp.inf),
    )


def add_automatic(labelled: Batch, automatic: Automatic | None, state: PyTree, pool_inputs: Array) -> Batch:
    """What a round is fitted on: a person's labels, and behind them the automatic ones with their weight."""
    if automatic is None:
        return labelled
    weights = jnp.where(state.indices < pool_inputs.shape[0], automatic.weight, 0.0)
    inputs = pool_inputs.at[state.indices].get(mode="fill", fill_value=0)
    more = Batch(inputs, state.labels.astype(labelled.labels.dtype), weights.astype(labelled.weights.dtype))
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), labelled, more)


def without(state: PyTree, available: Bool[Array, " N"]) -> PyTree:
    """The automatic labels of points that are still available: about the others a person has spoken."""
    if not isinstance(state, AutomaticState):
        return ()
    num_points = available.shape[0]
    kept = available.at[state.indices].get(mode="fill", fill_value=False)
    return state._replace(
        indices=jnp.where(kept, state.indices, num_points), uncertainty=jnp.where(kept, state.uncertainty, jnp.inf)
    )


def label_automatically(
    rng_key: RngKey,
    automatic: Automatic | None,
    rounds_done: Int[Array, ""],
    dataset: Dataset,
    view: PoolView,
    asked: Int[Array, " B"],
    subset: Int[Array, " n"] | None,
) -> tuple[PyTree, AutomaticInfo | None]:
    """Choose the automatic labels of a round among the points that nobody has labelled or is asked about.

    Args:
      rng_key: that of the strategy; another one is derived, which breaks ties.
      automatic: the rule, and room for how many; nothing is done where None.
      rounds_done: for thresholds that change.
      dataset: calibration points. The pool's labels are read for the info only.
      view: what the strategy saw; its predictions are streamed.
      asked: indices into the view of the points that a person is asked about.
      subset: pool indices of the view's points where it shows a part of the pool; the others are left.
    """
    if automatic is None:
        return (), None
    rule = automatic.rule

    def assess_chunk(inputs: Array) -> tuple[Array, Array]:
        return assess(rule, view.predict(inputs))

    uncertainty, classes = view.map(assess_chunk)
    calibration = None
    if dataset.calibration is not None:
        inputs, labels, weights = dataset.calibration
        calibration_uncertainty, calibration_classes = view.map(assess_chunk, inputs)
        calibration = Calibration(calibration_uncertainty, calibration_classes != labels, weights)
    candidates = view.available.at[asked].set(False, mode="drop")
    threshold = rule.threshold(rounds_done, uncertainty, candidates, calibration)
    key_ties = jax.random.fold_in(rng_key, 1)
    chosen = choose(key_ties, uncertainty, candidates, threshold, max_automatic=automatic.max_automatic)

    num_points = dataset.pool_inputs.shape[0]
    given = chosen.indices < view.inputs.shape[0]
    state = AutomaticState(
        indices=indices_in_pool(chosen.indices, subset, num_points),
        labels=classes.at[chosen.indices].get(mode="fill", fill_value=0).astype(jnp.int32),
        uncertainty=-chosen.scores,
    )
    num_automatic = given.sum()
    info = AutomaticInfo(
        num_automatic=num_automatic,
        coverage=num_automatic / jnp.maximum(candidates.sum(), 1),
        threshold=threshold,
        is_satisfied=threshold > -jnp.inf,
        num_calibration=jnp.int32(0) if calibration is None else (calibration.weights > 0).sum(),
        precision=None,
        wrong_by_class=None,
    )
    if dataset.pool_labels is None:
        return state, info
    truth = dataset.pool_labels.at[state.indices].get(mode="fill", fill_value=0)
    wrong = given & (truth != state.labels)
    num_classes = jax.eval_shape(view.predict, view.inputs[:1]).shape[-1]
    return state, info._replace(
        precision=1 - wrong.sum() / num_automatic,
        wrong_by_class=jnp.zeros(num_classes, jnp.int32).at[truth].add(wrong.astype(jnp.int32)),
    )
