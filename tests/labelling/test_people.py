"""Several people on one session: who said what, where they differ, and how far they agree."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

import bal
from tests.labelling.test_sessions import DATASET, KEY, LEARNER, TRUTH


@pytest.fixture
def session(tmp_path):
    with bal.labelling.session(LEARNER, DATASET, tmp_path, rng_key=KEY, who="ada") as opened:
        yield opened


def test_people_who_differ_are_listed_until_somebody_decides(session):
    points = [card.point for card in session.cards()]
    for point in points[:3]:
        session.answer(TRUTH[point], point=point)
    other = (TRUTH[points[0]] + 1) % 3
    session.answer(other, point=points[0], who="bob")
    session.answer(TRUTH[points[1]], point=points[1], who="bob")
    assert session.disagreements() == {points[0]: {"ada": TRUTH[points[0]], "bob": other}}
    assert session.labels()[1].tolist() == [TRUTH[point] for point in points[:3]]
    session.decide(points[0], other, who="eve")
    assert session.disagreements() == {}
    assert session.labels()[1][0] == other
    assert session.undo() == points[0]
    assert len(session.disagreements()) == 1
    session.correct(points[0], TRUTH[points[0]], who="bob")
    assert session.disagreements() == {}
    assert [(answer.point, answer.who) for answer in session.answers()][:2] == [(points[0], "ada"), (points[0], "bob")]
    assert all(answer.when.endswith("+00:00") for answer in session.answers())


def test_agreement_is_the_kappa_of_the_points_that_both_have_labelled(session):
    while len(session.labels()[0]) < 13:
        card = session.next()
        session.answer(TRUTH[card.point])
    labelled = session.labels()[0].tolist()
    second = [TRUTH[point] if place % 3 else 0 for place, point in enumerate(labelled[:9])]
    for point, label in zip(labelled, second, strict=False):
        session.answer(label, point=point, who="bob")
    (found,) = session.agreement()
    assert found[:3] == ("ada", "bob", 9)
    np.testing.assert_allclose(found.kappa, cohen_kappa_score([TRUTH[point] for point in labelled[:9]], second), 1e-5)


def test_one_who_cannot_tell_does_not_take_away_the_label_of_another(session):
    point = session.next().point
    session.answer(TRUTH[point])
    session.cannot_tell(point=point, who="bob")
    assert session.labels()[0].tolist() == [point]
    session.cannot_tell(point=point)
    assert session.labels()[0].tolist() == []
    assert point not in [card.point for card in session.cards()]
    assert {answer.kind for answer in session.answers()} == {"cannot tell"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, p: s.answer(3), "expected classes from 0 to 2, .*got 3"),
        (lambda s, p: s.answer(float("nan")), "held as int32, got float32"),
        (lambda s, p: s.answer([0, 1]), "expected one label of shape"),
        (lambda s, p: s.answer("cat"), "expected the label to be a number, since .* got 'cat'"),
        (lambda s, p: s.answer(None), "expected labels to be numbers"),
        (lambda s, p: s.answer(0, point=p), "expected a point that was asked for"),
        (lambda s, p: s.answer(0, point=-1), "expected point to be a whole number of at least 0, got -1"),
        (lambda s, p: s.answer(0, point=True), "expected point to be a whole number"),
        (lambda s, p: s.skip(point=p), "expected a point that was asked for"),
        (lambda s, p: s.correct(p, 0), "expected a point that ada has labelled"),
        (lambda s, p: s.decide(p, 0), "expected a point that was labelled"),
        (lambda s, p: s.card(48), "expected point between 0 and 47"),
        (lambda s, p: s.state(), "expected 4 first labels"),
        (lambda s, p: s.undo(), "expected an answer to take back"),
    ],
)
def test_what_cannot_be_accepted_is_refused_and_not_written(session, call, message):
    never_asked = session._fitting.rounds._order[-1]
    before = len(session._fitting.journal.events)
    with pytest.raises(ValueError, match=message):
        call(session, never_asked)
    assert len(session._fitting.journal.events) == before
    assert session.progress().num_labelled == 0
