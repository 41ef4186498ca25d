"""What a run watches, so that its report says where each stopping criterion would have stopped it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from bal.acquisition import bald, max_entropy
from bal.information import log_mean_exp
from bal.metrics import cohen_kappa
from bal.pool import PoolState
from bal.stopping import (
    PredictedAccuracy,
    f_change,
    f_change_bound,
    first_stop,
    guess_probabilities,
    information_per_label,
    overall_uncertainty,
    predicted_accuracy,
    stabilising_predictions,
    stays_below,
)
from bal.streaming import num_points, take_points
from bal.types import Dataset, PyTree, RngKey
from bal.validation import check_count
from bal.view import PoolView


class Stop(NamedTuple):
    """What a run watches, see :func:`bal.build`; its info says when each criterion would have stopped it."""

    stop_set_size: int  # points of the pool, drawn once, on which successive models are compared
    positive: int = 1  # the class whose F measure counts


class StopState(NamedTuple):
    """The stop set, and what the last model predicts for it."""

    indices: Int[Array, " M"]  # pool indices
    classes: Int[Array, " M"]


class StopInfo(NamedTuple):
    """The numbers of a round from which stopping criteria decide. No label of the pool was read for them."""

    kappa: Float[Array, ""]  # Cohen's, of this model and the last one on the stop set; NaN in the first round
    f_change: Float[Array, ""]  # see bal.stopping.f_change; NaN in the first round
    f_change_bound: Float[Array, ""]  # NaN in the first round
    uncertainty: Float[Array, ""]  # mean entropy in nats of the points of the stop set without a label
    information: Float[Array, ""]  # mean BALD in nats of the points asked for
    accuracy: PredictedAccuracy  # of the points of the stop set without a label, as the model expects it


def check_stop(stop: Stop | None, predicts: str) -> None:
    """Raise if a run with this kind of predictions cannot watch this."""
    if stop is None:
        return
    check_count("stop_set_size", stop.stop_set_size)
    check_count("positive", stop.positive, least=0)
    if predicts != "categorical":
        raise ValueError(f"expected categorical predictions for stop, got {predicts} ones: leave it out")


def begin_watching(rng_key: RngKey, stop: Stop | None, dataset: Dataset) -> PyTree:
    """Draw the stop set; () without one.

    Raises:
      ValueError: a stop set larger than the pool.
    """
    if stop is None:
        return ()
    size = num_points(dataset.pool_inputs)
    if stop.stop_set_size > size:
        raise ValueError(f"expected stop_set_size of at most the {size} points of the pool, got {stop.stop_set_size}")
    # Rounds fold their number into this key, and none has this one.
    key = jax.random.fold_in(rng_key, np.iinfo(np.uint32).max)
    indices = jax.random.permutation(key, size)[: stop.stop_set_size].astype(jnp.int32)
    return StopState(indices, jnp.zeros_like(indices))


def watch(
    stop: Stop | None,
    state: PyTree,
    rounds_done: Int[Array, ""],
    pool: PoolState,
    dataset: Dataset,
    view: PoolView,
    places: Int[Array, " B"],
) -> tuple[PyTree, StopInfo | None]:
    """The numbers of a round, from one pass over the stop set and one over the batch.

    Args:
      stop: what to watch; None: nothing.
      state: of the round before.
      rounds_done: before this one.
      pool: which points are labelled.
      dataset: of the run.
      view: of this round.
      places: of the view, that the strategy asks for.

    Returns:
      The state for the next round, and the info; () and None if nothing is watched.
    """
    if stop is None:
        return (), None

    def of_points(inputs: PyTree) -> tuple[Array, Array, Array]:
        log_probs = view.predict(inputs)
        guess = log_mean_exp(log_probs).argmax(axis=-1).astype(jnp.int32)
        return guess, max_entropy(log_probs), guess_probabilities(log_probs).T

    inputs = take_points(dataset.pool_inputs, state.indices)
    classes, entropies, probabilities = view.stream(of_points, inputs)
    num_classes = jax.eval_shape(view.predict, inputs).shape[-1]
    first = rounds_done == 0
    from_second = lambda value: jnp.where(first, jnp.nan, value)
    left = pool.available[state.indices]
    scores = view.stream(lambda batch: bald(view.predict(batch)), view.take(places))
    info = StopInfo(
        kappa=from_second(cohen_kappa(state.classes, classes, num_classes=num_classes)),
        f_change=from_second(f_change(state.classes, classes, positive=stop.positive)),
        f_change_bound=from_second(f_change_bound(state.classes, classes, positive=stop.positive)),
        uncertainty=overall_uncertainty(entropies, left),
        information=information_per_label(jnp.where(places < view.size, scores, -jnp.inf)),
        accuracy=predicted_accuracy(probabilities.T, left.astype(jnp.float32)),
    )
    return state._replace(classes=classes), info


def stop_rounds(
    info: StopInfo,
    *,
    kappa: float | Array = 0.99,
    f_change: float | Array = 0.05,
    uncertainty: float | Array,
    information: float | Array,
    accuracy: float | Array,
    window: int = 3,
) -> dict[str, Int[Array, ""]]:
    """The round at which each criterion would have stopped a run; R, the number of rounds, where it would not.

    The labels that the run would have cost are ``info.num_labelled`` of that round. A function of arrays: thresholds
    may be traced, and runs under one ``vmap`` are another ``vmap`` here.

    Args:
      info: of all rounds, ``StepInfo.stopping`` of :func:`bal.run`.
      kappa: stop where the mean agreement of a window is at least this, see ``bal.stopping.stabilising_predictions``.
      f_change: stop where the predicted change of F and, for its own entry, its bound stay below this for a window.
      uncertainty: stop where the mean entropy of unlabelled points is below this, in nats.
      information: stop where a label of the next batch is expected to tell less than this, in nats: its price.
      accuracy: stop where the lower end of the predicted accuracy's interval is at least this.
      window: rounds for which agreement and changes of F must last.

    Raises:
      ValueError: a window below 1.

    Example:
      >>> falling = jnp.array([0.4, 0.2, 0.05, 0.01])  # one number a round
      >>> rising = 1 - falling
      >>> info = StopInfo(rising, falling, falling, falling, falling, PredictedAccuracy(rising, rising, rising))
      >>> rounds = stop_rounds(info, uncertainty=0.1, information=0.02, accuracy=0.9)
      >>> int(rounds["uncertainty"]), int(rounds["information"]), int(rounds["kappa"])
      (2, 3, 4)
    """
    stops = {
        "kappa": stabilising_predictions(info.kappa, threshold=kappa, window=window),
        "f_change": stays_below(info.f_change, f_change, window=window),
        "f_change_bound": stays_below(info.f_change_bound, f_change, window=window),
        "uncertainty": info.uncertainty < uncertainty,
        "information": info.information < information,
        "accuracy": info.accuracy.low >= accuracy,
    }
    return {name: first_stop(stopped) for name, stopped in stops.items()}
