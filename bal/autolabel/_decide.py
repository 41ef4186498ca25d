"""Decide for each point: label it automatically, ask a person, or leave it."""

from enum import IntEnum
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from bal.autolabel._rule import Calibration, Rule, assess, check_calibration
from bal.selection import Selection, top_k
from bal.types import RngKey
from bal.validation import check_count, check_indices, is_concrete


class Kind(IntEnum):
    """What is done with a point."""

    LEAVE = 0
    ASK = 1
    AUTOMATIC = 2


class Decision(NamedTuple):
    """What is done with each point. ``labels`` holds the model's label of all points, valid where kind is automatic."""

    kind: Int[Array, " N"]  # values of Kind
    labels: Int[Array, " N"]
    uncertainty: Float[Array, " N"]
    threshold: Float[Array, ""]  # points strictly below it may be labelled; -inf: no threshold satisfies the rule
    is_satisfied: Bool[Array, ""]


def decide(
    rng_key: RngKey,
    log_probs: Float[Array, "S N C"],
    rule: Rule,
    *,
    available: Bool[Array, " N"],
    asked: Array | None = None,
    max_automatic: int | None = None,
    calibration: Calibration | None = None,
    rounds_done: int | Int[Array, ""] = 0,
) -> Decision:
    """Decide for each point, from the predictions of any model; for a large pool see :func:`decide_assessed`.

    Args:
      rng_key: breaks ties between equally certain points if ``max_automatic`` does not allow all of them.
      log_probs: normalised log-probabilities under S posterior samples; S = 1 for a single model.
      rule: which points may be labelled automatically.
      available: True where a point has no label yet; the others are left.
      asked: indices [B] of the points that a person will label, such as ``Selection.indices``; N is ignored, and None
        means no points.
      max_automatic: largest number of automatic labels, the most certain first; no limit where None.
      calibration: for ``risk_controlled``; see :func:`calibrate`.
      rounds_done: for a threshold that changes from round to round.

    Returns:
      The decision.

    Raises:
      ValueError: ``asked`` is a mask or holds an index outside 0 and N, ``max_automatic`` is not between 1 and N, the
        threshold is NaN, or the rule needs more calibration points.

    Example:
      >>> import jax
      >>> from bal.autolabel import confidence_above
      >>> log_probs = jnp.log(jnp.array([[[0.99, 0.01], [0.4, 0.6], [0.2, 0.8]]]))
      >>> everything, second = jnp.ones(3, bool), jnp.array([1])
      >>> decide(jax.random.key(0), log_probs, confidence_above(0.9), available=everything, asked=second).kind
      Array([2, 1, 0], dtype=int32)
    """
    uncertainty, labels = assess(rule, log_probs)
    return decide_assessed(
        rng_key,
        uncertainty,
        labels,
        rule,
        available=available,
        asked=asked,
        max_automatic=max_automatic,
        calibration=calibration,
        rounds_done=rounds_done,
    )


def decide_assessed(
    rng_key: RngKey,
    uncertainty: Float[Array, " N"],
    labels: Int[Array, " N2"],
    rule: Rule,
    *,
    available: Bool[Array, " N3"],
    asked: Array | None = None,
    max_automatic: int | None = None,
    calibration: Calibration | None = None,
    rounds_done: int | Int[Array, ""] = 0,
) -> Decision:
    """:func:`decide` from the results of :func:`assess`, for a pool that is never predicted whole.

    Args:
      rng_key: breaks ties.
      uncertainty: of each point, by the rule; lower is more certain.
      labels: the model's.
      rule: the one that assessed them.
      available: see :func:`decide`, also for the arguments below.
      asked: indices of the points that a person will label.
      max_automatic: largest number of automatic labels.
      calibration: for ``risk_controlled``.
      rounds_done: for a threshold that changes from round to round.

    Returns:
      The decision of :func:`decide`.

    Raises:
      ValueError: as :func:`decide`, or arrays without exactly one value a point.

    Example:
      >>> import jax, bal
      >>> rule = bal.autolabel.confidence_above(0.9)
      >>> predict = lambda inputs: jax.nn.log_softmax(jnp.stack([inputs, -inputs], axis=-1))[None]
      >>> assessed = bal.stream(lambda chunk: assess(rule, predict(chunk)), jnp.array([3.0, 0.1, -3.0]), chunk_size=2)
      >>> decide_assessed(jax.random.key(0), *assessed, rule, available=jnp.ones(3, bool)).kind
      Array([2, 0, 2], dtype=int32)
    """
    check_calibration(rule, None if calibration is None else calibration.wrong.shape[0])
    num_points = uncertainty.shape[0]
    # The signature writes N2 and N3, so that a mismatch raises these messages even where shapes are checked.
    for name, array in (("labels", labels), ("available", available)):
        if array.shape != (num_points,):
            raise ValueError(f"expected {name} of shape [{num_points}], as uncertainty, got {list(array.shape)}")
    max_automatic = num_points if max_automatic is None else max_automatic
    kind = jnp.full(num_points, int(Kind.LEAVE), jnp.int32)
    if asked is not None:
        check_indices("asked", asked, num_points)
        # In compiled code values cannot be checked: a negative index is ignored instead of wrapping around.
        kind = kind.at[jnp.where(asked < 0, num_points, asked)].set(int(Kind.ASK), mode="drop")
    candidates = available & (kind == Kind.LEAVE)
    threshold = rule.threshold(jnp.asarray(rounds_done), uncertainty, candidates, calibration)
    chosen = choose(rng_key, uncertainty, candidates, threshold, max_automatic=max_automatic)
    kind = kind.at[chosen.indices].set(int(Kind.AUTOMATIC), mode="drop")
    return Decision(kind, labels, uncertainty, threshold, threshold > -jnp.inf)


def choose(
    rng_key: RngKey,
    uncertainty: Float[Array, " N"],
    candidates: Bool[Array, " N"],
    threshold: Float[Array, ""],
    *,
    max_automatic: int,
) -> Selection:
    """Choose the candidates to label automatically, the most certain first; scores are the negative uncertainty.

    Args:
      rng_key: breaks ties.
      uncertainty: lower is more certain; NaN is never labelled.
      candidates: True where a point may be labelled automatically.
      threshold: chosen points lie strictly below it.
      max_automatic: the length of the result, and the largest number of points.

    Returns:
      The selection.

    Raises:
      ValueError: ``max_automatic`` is not between 1 and N, or the threshold is NaN.

    Example:
      >>> import jax
      >>> uncertainty, threshold = jnp.array([0.1, 0.9, 0.3]), jnp.float32(0.5)
      >>> choose(jax.random.key(0), uncertainty, jnp.ones(3, bool), threshold, max_automatic=3).indices.tolist()
      [0, 2, 3]
    """
    if is_concrete(threshold) and np.isnan(threshold).any():
        raise ValueError("expected the threshold of the rule to be a number, got nan")
    check_max_automatic(max_automatic, uncertainty.shape[0])
    return top_k(rng_key, -uncertainty, candidates & (uncertainty < threshold), batch_size=max_automatic)


def check_max_automatic(max_automatic: int, num_points: int) -> None:
    """Raise unless ``max_automatic`` is between 1 and the number of points.

    Example:
      >>> check_max_automatic(10, num_points=100)
    """
    if not 1 <= max_automatic <= num_points:
        raise ValueError(f"expected max_automatic between 1 and the number of points {num_points}, got {max_automatic}")
    check_count("max_automatic", max_automatic)


def summary(decision: Decision) -> str:
    """The decision in words, for a person.

    Example:
      >>> kind, nothing = jnp.array([2, 2, 1, 0]), jnp.zeros(4)
      >>> summary(Decision(kind, jnp.zeros(4, int), nothing, jnp.array(0.1), jnp.array(True)))
      'automatic: 2 of 4 points (50.0 %), ask a person: 1, leave: 1; threshold 0.1'
    """
    kind = np.asarray(decision.kind)
    automatic, ask, leave = (int((kind == value).sum()) for value in (Kind.AUTOMATIC, Kind.ASK, Kind.LEAVE))
    share = f"{100 * automatic / len(kind):.1f} %"
    counts = f"automatic: {automatic} of {len(kind)} points ({share}), ask a person: {ask}, leave: {leave}"
    if not bool(decision.is_satisfied):
        return f"{counts}; no threshold satisfies the rule"
    return f"{counts}; threshold {float(decision.threshold):.3g}"
