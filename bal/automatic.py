"""Automatic labels in the loop: kept apart from a person's labels, chosen anew in each round, never in the budget."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from bal.autolabel import Calibration, Rule, assess, check_calibration, check_max_automatic, choose
from bal.streaming import num_points, take_points
from bal.types import Batch, Dataset, PyTree, RngKey
from bal.view import PoolView, in_pool


class Automatic(NamedTuple):
    """How the loop assigns labels automatically, for :func:`bal.build`."""

    rule: Rule
    max_automatic: int  # largest number of labels in a round, the most certain first
    weight: float | Float[Array, ""] = (
        1.0  # in the fit, where a person's label has 1; with 0 the model does not learn from them
    )


class AutomaticState(NamedTuple):
    """The automatic labels that the next round is fitted on. No person has labelled these points."""

    indices: Int[Array, " A"]  # N where the buffer is empty
    labels: Int[Array, " A"]
    uncertainty: Float[Array, " A"]


class AutomaticInfo(NamedTuple):
    """The report on a round's automatic labels.

    Their correctness is known only if the data set holds the pool's labels; otherwise it is None.
    """

    num_automatic: Int[Array, ""]
    coverage: Float[Array, ""]  # share of the points that are neither labelled by a person nor asked for now
    threshold: Float[Array, ""]
    is_satisfied: Bool[Array, ""]  # False where no threshold satisfies the rule
    num_calibration: Int[Array, ""]  # labels given by a person for the rule, not counted in num_labelled
    precision: Float[Array, ""] | None  # share of correct ones; nan if there are none
    wrong_by_class: Int[Array, " C"] | None  # wrong ones by their true class


def no_automatic_labels(automatic: Automatic | None, dataset: Dataset, pool_subset_size: int | None) -> PyTree:
    """The empty buffer, or () without automatic labelling.

    Raises:
      ValueError: ``max_automatic`` below 1 or above the number of points, or fewer calibration points than the rule
        needs.
    """
    if automatic is None:
        return ()
    size, room = num_points(dataset.pool_inputs), automatic.max_automatic
    check_max_automatic(room, pool_subset_size or size)
    check_calibration(automatic.rule, None if dataset.calibration is None else len(dataset.calibration.weights))
    return AutomaticState(
        indices=jnp.full(room, size, jnp.int32),
        labels=jnp.zeros(room, jnp.int32),
        # Of a definite dtype, as after a round: else the second round would be another program.
        uncertainty=jnp.full(room, jnp.inf, jnp.result_type(float)),
    )


def add_automatic(labelled: Batch, automatic: Automatic | None, state: PyTree, pool_inputs: PyTree) -> Batch:
    """The training set of a round: a person's labels, followed by the automatic ones with their weight."""
    if automatic is None:
        return labelled
    weights = jnp.where(state.indices < num_points(pool_inputs), automatic.weight, 0.0)
    inputs = take_points(pool_inputs, state.indices)
    more = Batch(inputs, state.labels.astype(labelled.labels.dtype), weights.astype(labelled.weights.dtype))
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), labelled, more)


def without(state: PyTree, available: Bool[Array, " N"]) -> PyTree:
    """The automatic labels of points that are still available; a person has labelled or skipped the others."""
    if not isinstance(state, AutomaticState):
        return ()
    kept = available.at[state.indices].get(mode="fill", fill_value=False)
    return state._replace(
        indices=jnp.where(kept, state.indices, available.shape[0]),
        uncertainty=jnp.where(kept, state.uncertainty, jnp.inf),
    )


def assess_along(view: PoolView, automatic: Automatic | None) -> tuple[PoolView, Callable[[], PyTree]]:
    """A view whose first pass over the pool assesses the points too, so that the pool is predicted once a round.

    Args:
      view: what the strategy will see.
      automatic: the rule; if None, the view is returned unchanged.

    Returns:
      The view for the strategy, and a function to call afterwards that returns the uncertainty [n] and class [n] of
      each point. It makes a pass itself if the strategy made none.
    """
    if automatic is None:
        return view, lambda: ()
    rule = automatic.rule
    assessed: list[PyTree] = []
    # The prediction for the current chunk. Keeping its inputs too ensures that no other object gets their identity.
    latest: list[tuple[PyTree, PyTree]] = []

    def predict_once(inputs: PyTree) -> PyTree:
        for seen, predictions in latest:
            if all(a is b for a, b in zip(jax.tree.leaves(seen), jax.tree.leaves(inputs), strict=True)):
                return predictions
        return view.predict(inputs)

    def map_pool(fn: Callable[[PyTree], PyTree]) -> PyTree:
        if assessed:
            return view.map(fn)

        def both(inputs: PyTree) -> tuple[PyTree, PyTree]:
            predictions = view.predict(inputs)
            latest[:] = [(inputs, predictions)]
            values = fn(inputs)
            latest.clear()
            return values, assess(rule, predictions)

        values, seen = view.map(both)
        assessed.append(seen)
        return values

    def finish() -> PyTree:
        return assessed[0] if assessed else view.map(lambda inputs: assess(rule, view.predict(inputs)))

    return view._replace(map=map_pool, predict=predict_once), finish


def label_automatically(
    rng_key: RngKey,
    automatic: Automatic | None,
    rounds_done: Int[Array, ""],
    dataset: Dataset,
    view: PoolView,
    assessed: PyTree,
    asked: Int[Array, " B"],
) -> tuple[PyTree, AutomaticInfo | None]:
    """Choose the automatic labels of a round among the points that are neither labelled by a person nor asked for.

    Args:
      rng_key: that of the strategy; the key that breaks ties is derived from it.
      automatic: the rule and the largest number of labels; None does nothing.
      rounds_done: for thresholds that change.
      dataset: holds the calibration points. The pool's labels are read for the info only.
      view: what the strategy saw.
      assessed: uncertainty and class of its points, see :func:`assess_along`.
      asked: places in the view of the points that a person is asked to label.
    """
    if automatic is None:
        return (), None
    rule = automatic.rule
    uncertainty, classes = assessed
    calibration = None
    if dataset.calibration is not None:
        inputs, labels, weights = dataset.calibration
        of_calibration = view.stream(lambda chunk: assess(rule, view.predict(chunk)), inputs)
        calibration = Calibration(of_calibration[0], of_calibration[1] != labels, weights)
    candidates = view.available.at[asked].set(False, mode="drop")
    threshold = rule.threshold(rounds_done, uncertainty, candidates, calibration)
    key_ties = jax.random.fold_in(rng_key, 1)
    chosen = choose(key_ties, uncertainty, candidates, threshold, max_automatic=automatic.max_automatic)

    given = chosen.indices < view.size
    state = AutomaticState(
        indices=in_pool(view, chosen.indices, num_points(dataset.pool_inputs)),
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
    num_classes = jax.eval_shape(lambda: view.predict(view.take(jnp.zeros(1, jnp.int32)))).shape[-1]
    return state, info._replace(
        precision=1 - wrong.sum() / num_automatic,
        wrong_by_class=jnp.zeros(num_classes, jnp.int32).at[truth].add(wrong.astype(jnp.int32)),
    )
