"""Several labels, boxes and masks on the page: what a person accepts or corrects is in the journal, to the bit."""

import base64
import io
import json

import jax
import numpy as np
import pytest

from bal.labelling._picture import layer
from tests.labelling.tasks import NAMES, TASKS
from tests.labelling.test_exchange_of_tasks import KEY, assert_same, of_point, opened
from tests.labelling.test_widget import press


def begun(name, folder):
    """A session whose first labels are given."""
    session = opened(name, folder)
    for _ in range(2):
        session.answer(of_point(TASKS[name].labels, session.next().point))
    return session


def said(part):
    return {"class": part["class"], "box": part["box"]}


def in_journal(session):
    return {answer.point: answer.label for answer in session.answers()}


def test_several_labels_are_the_numbers_of_those_that_hold(tmp_path):
    with begun("labels", tmp_path / "s") as session:
        widget = session.widget()
        assert widget.kind == "labels"
        assert [one["name"] for one in widget.classes] == ["red, or so", "b", "<c>"]
        for shown, card in zip(widget.cards, session.cards(), strict=True):
            sure = {guess["name"]: guess["probability"] for guess in shown["guesses"]}
            np.testing.assert_allclose([sure[one["name"]] for one in widget.classes], card.probabilities[:, 1])
            assert list(sure.values()) == sorted(sure.values(), reverse=True)
        first, second = session.batch()[:2]
        assert press(widget, "label", first, [2, 0])["given"][str(first)]["text"] == "red, or so + <c>"
        assert press(widget, "label", second, [])["given"][str(second)]["text"] == "none"
        assert (in_journal(session)[first], in_journal(session)[second]) == ([1, 0, 1], [0, 0, 0])


def test_boxes_are_accepted_corrected_removed_and_drawn(tmp_path):
    with begun("boxes", tmp_path / "s") as session:
        widget = session.widget()
        card, shown = session.cards()[0], widget.cards[0]
        assert shown["size"] == (8, 8)
        held = np.flatnonzero(card.guess["present"])
        assert [part["class"] for part in shown["parts"]] == card.guess["classes"][held].tolist()
        assert [part["probability"] for part in shown["parts"]] == card.probabilities[held].tolist()
        parts = json.loads(json.dumps([said(part) for part in shown["parts"]]))  # as the page sends them
        assert len(parts) == 2
        assert press(widget, "label", card.point, parts)["error"] == ""
        _, labels = session.labels()
        assert_same(jax.tree.map(lambda leaf: leaf[-1, :2], labels), jax.tree.map(lambda leaf: leaf[held], card.guess))
        other = {**parts[0], "class": 1 - parts[0]["class"]}
        drawn = {"class": 0, "box": [0.5, 1 / 3, 4.0, 8.0]}
        text = press(widget, "label", card.point, [other, drawn])["given"][str(card.point)]["text"]
        assert set(text.replace("2 × ", "").split(" + ")) <= set(NAMES[1:])
        boxes, classes, present = in_journal(session)[card.point]
        assert boxes[0] == parts[0]["box"]
        assert boxes[1] == np.float32(drawn["box"]).tolist()
        assert (classes[:2], present) == ([other["class"], 0], [True, True, False, False])
        assert press(widget, "label", card.point, [])["given"][str(card.point)]["text"] == "no object"
        error = press(widget, "label", card.point, [drawn] * 5)["error"]
        assert error == "expected at most 4 boxes, for which labels have room, got 5: remove some"
        assert "inside" in press(widget, "label", card.point, [{"class": 0, "box": [0, 0, 9, 9]}])["error"]
        assert press(widget, "look")["given"][str(card.point)]["text"] == "no object"


def test_a_mask_is_accepted_or_a_class_of_it_replaced(tmp_path):
    task = TASKS["mask"]
    with opened("mask", tmp_path / "s") as session:
        widget = session.widget()
        point = session.next().point
        assert widget.cards[0]["parts"] == []
        assert press(widget, "label", point, [])["error"].startswith("expected a mask of the model to accept, got none")
        for _ in range(2):
            session.answer(of_point(task.labels, session.next().point))
        press(widget, "look")
        card, shown = session.cards()[0], widget.cards[0]
        classes = [part["class"] for part in shown["parts"]]
        assert classes == np.unique(card.guess).tolist() == [0, 1, 2]
        press(widget, "label", card.point, classes)
        assert in_journal(session)[card.point] == card.guess.tolist()
        assert (
            press(widget, "label", card.point, [0, 2, 2])["given"][str(card.point)]["text"]
            == f"{NAMES[0]} + {NAMES[2]}"
        )
        assert in_journal(session)[card.point] == np.where(card.guess == 1, 2, card.guess).tolist()


def test_layers_are_opaque_where_the_mask_is():
    image = pytest.importorskip("PIL.Image", reason="needs pillow")
    mask = np.random.default_rng(0).random((5, 7)) < 0.4
    opened_layer = image.open(io.BytesIO(base64.b64decode(layer(mask).partition(",")[2])))
    np.testing.assert_array_equal(np.asarray(opened_layer.convert("RGBA"))[..., 3], 255 * mask)


@pytest.mark.parametrize("name", TASKS)
def test_the_journal_replays_such_labels(name, tmp_path):
    """Opened again and again, without the states on the disk, with an undo: as in one sitting with ask and tell."""
    task = TASKS[name]
    state = task.learner.init(KEY, task.dataset, initial=None)
    first = np.asarray(state.pool.indices[:2])
    state = task.learner.init(KEY, task.dataset, initial=(first, of_point(task.labels, first)))
    for _ in range(2):
        state, info = jax.jit(task.learner.ask)(KEY, state, task.dataset._replace(pool_labels=None))
        chosen = np.asarray(info.selection.indices)
        state = task.learner.tell(state, chosen, of_point(task.labels, chosen))
    for count in (1, 3, 4):
        for path in (tmp_path / "s").glob("round*"):
            path.unlink()
        with opened(name, tmp_path / "s") as session:
            for _ in range(count):
                point = session.next().point
                session.answer(of_point(task.labels, 0))
                assert session.undo() == point
                session.answer(of_point(task.labels, point))
    with opened(name, tmp_path / "s") as session:
        assert session.next() is None
        assert_same(session.state().pool, state.pool)
