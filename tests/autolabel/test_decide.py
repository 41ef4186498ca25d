"""Decisions: each point is labelled automatically, asked about or left, and never two of these."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bal
from bal.autolabel import (
    Kind,
    assess,
    calibrate,
    confidence_above,
    decide,
    decide_assessed,
    risk_controlled,
    summary,
)

CONFIDENCES = jnp.array([0.99, 0.6, 0.95, 0.8, 0.97, 0.55])
LOG_PROBS = jnp.log(jnp.stack([1 - CONFIDENCES, CONFIDENCES], axis=-1))[None]
EVERYTHING = jnp.ones(6, bool)
RULE = confidence_above(0.7)


def kinds(**settings):
    settings = {"available": EVERYTHING, **settings}
    return decide(jax.random.key(0), LOG_PROBS, RULE, **settings).kind.tolist()


LEAVE, ASK, AUTOMATIC = map(int, Kind)


def test_certain_points_are_automatic_and_the_others_left():
    assert kinds() == [AUTOMATIC, LEAVE, AUTOMATIC, AUTOMATIC, AUTOMATIC, LEAVE]


def test_a_person_who_is_asked_comes_first_and_absent_indices_count_for_nothing():
    asked = jnp.array([2, 5, 6])
    assert kinds(asked=asked) == [AUTOMATIC, LEAVE, ASK, AUTOMATIC, AUTOMATIC, ASK]


def test_points_that_have_a_label_are_left():
    assert kinds(available=EVERYTHING.at[0].set(False))[0] == LEAVE


def test_the_most_certain_points_come_first_where_there_is_no_room_for_all():
    assert kinds(max_automatic=2) == [AUTOMATIC, LEAVE, LEAVE, LEAVE, AUTOMATIC, LEAVE]


def test_points_on_the_threshold_and_nan_are_not_labelled():
    spoilt = LOG_PROBS.at[0, 0].set(jnp.nan)
    decision = decide(jax.random.key(0), spoilt, confidence_above(CONFIDENCES[2]), available=EVERYTHING)
    assert decision.kind.tolist() == [LEAVE, LEAVE, LEAVE, LEAVE, AUTOMATIC, LEAVE]


def test_decisions_are_made_under_jit_and_vmap():
    def decided(log_probs):
        return decide(jax.random.key(0), log_probs, RULE, available=EVERYTHING, max_automatic=3)

    together = jax.jit(jax.vmap(decided))(jnp.stack([LOG_PROBS, LOG_PROBS[:, ::-1]]))
    alone = decided(LOG_PROBS[:, ::-1])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[1], b, rtol=1e-6), together, alone)


def test_a_decision_from_streamed_points_is_the_one_from_all_predictions():
    rule = risk_controlled(0.3, confidence=0.6)
    order = jnp.arange(6)
    settings = {"available": EVERYTHING.at[0].set(False), "asked": jnp.array([3]), "max_automatic": 2}
    settings["calibration"] = calibrate(rule, jnp.tile(LOG_PROBS, (1, 50, 1)), jnp.ones(300, int))
    streamed = bal.stream(lambda chunk: assess(rule, LOG_PROBS[:, chunk]), order, chunk_size=4)
    decision = decide_assessed(jax.random.key(0), *streamed, rule, **settings)
    assert decision.kind.tolist() == [LEAVE, LEAVE, AUTOMATIC, ASK, AUTOMATIC, LEAVE]
    jax.tree.map(np.testing.assert_array_equal, decision, decide(jax.random.key(0), LOG_PROBS, rule, **settings))


def test_assessments_that_do_not_belong_to_the_same_points_are_refused():
    uncertainty, labels = assess(RULE, LOG_PROBS)
    with pytest.raises(ValueError, match=r"expected labels of shape \[6\]"):
        decide_assessed(jax.random.key(0), uncertainty, labels[:3], RULE, available=EVERYTHING)
    with pytest.raises(ValueError, match=r"expected available of shape \[6\]"):
        decide_assessed(jax.random.key(0), uncertainty, labels, RULE, available=EVERYTHING[:1])


def test_a_risk_controlled_decision_says_in_words_where_no_threshold_is_satisfied():
    rule = risk_controlled(0.05, confidence=0.9)
    many = jnp.tile(LOG_PROBS, (1, 50, 1))
    right = calibrate(rule, many, jnp.ones(300, int))
    settings = {"available": EVERYTHING, "asked": jnp.array([5])}
    good = decide(jax.random.key(0), LOG_PROBS, rule, calibration=right, **settings)
    assert good.kind.tolist() == [AUTOMATIC] * 5 + [ASK]
    assert summary(good) == "automatic: 5 of 6 points (83.3 %), ask a person: 1, leave: 0; threshold inf"
    wrong = calibrate(rule, many, jnp.zeros(300, int))
    bad = decide(jax.random.key(0), LOG_PROBS, rule, calibration=wrong, **settings)
    assert not bad.is_satisfied
    assert bad.kind.tolist() == [LEAVE] * 5 + [ASK]
    assert summary(bad).endswith("leave: 5; no threshold satisfies the rule")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"asked": jnp.array([-1])}, r"asked between 0 and 5 \(or 6, absent\), got -1"),
        ({"asked": jnp.array([7])}, "asked between 0 and 5"),
        ({"asked": jnp.array([1.0])}, "asked to be integers"),
        ({"asked": EVERYTHING}, r"use jnp.flatnonzero\(mask\)"),
        ({"asked": jnp.array(1)}, "asked to be integers of shape"),
        ({"max_automatic": 0}, "max_automatic between 1 and the number of points 6, got 0"),
        ({"max_automatic": 7}, "max_automatic between 1 and the number of points 6, got 7"),
        ({"max_automatic": True}, "max_automatic to be a whole number"),
    ],
)
def test_invalid_settings_of_a_decision_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        kinds(**settings)


def test_rules_without_their_calibration_or_a_threshold_are_refused():
    with pytest.raises(ValueError, match="at least 299 calibration points.*got none"):
        decide(jax.random.key(0), LOG_PROBS, risk_controlled(0.01), available=EVERYTHING)
    broken = RULE._replace(threshold=lambda *_: jnp.array(jnp.nan))
    with pytest.raises(ValueError, match="threshold of the rule to be a number"):
        decide(jax.random.key(0), LOG_PROBS, broken, available=EVERYTHING)


def test_a_negative_index_is_absent_in_compiled_code():
    assert jax.jit(lambda asked: decide(jax.random.key(0), LOG_PROBS, RULE, available=EVERYTHING, asked=asked).kind)(
        jnp.array([-1, 0])
    ).tolist() == [ASK, *kinds()[1:]]


@pytest.mark.parametrize(
    ("labels", "weights", "message"),
    [
        (jnp.full(6, 2), None, "labels between 0 and 1, got 2"),
        (jnp.full(6, -1), None, "labels between 0 and 1, got -1"),
        (jnp.ones(6), None, r"integer labels of shape \[6\].*got float32"),
        (jnp.ones(5, int), None, r"integer labels of shape \[6\].*\[5\]"),
        (jnp.ones(6, int), jnp.ones(1), r"weights of shape \[6\]"),
        (jnp.ones(6, int), -jnp.ones(6), "weights of at least 0"),
    ],
)
def test_labels_that_calibrate_nothing_are_refused(labels, weights, message):
    with pytest.raises(ValueError, match=message):
        calibrate(RULE, LOG_PROBS, labels, weights)


def test_padding_may_hold_any_label():
    padded = calibrate(RULE, LOG_PROBS, jnp.array([0, 1, 1, 1, 1, 9]), jnp.ones(6).at[5].set(0))
    assert padded.wrong[:5].tolist() == [True, False, False, False, False]
