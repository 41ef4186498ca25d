"""The widget passes on what a person does: its answers are those of the session, and it shows what the session says."""

import base64
import dataclasses
import io
import re
import threading

import jax
import numpy as np
import pytest

import bal
from bal.labelling._picture import picture
from tests.labelling.test_sessions import DATASET, KEY, LEARNER, TRUTH, assert_same_bits
from tests.prototypes import linear_regression

NAMES = ("<b>low</b>", "middle", "high")
NAMED = DATASET._replace(about=dataclasses.replace(DATASET.about, label_names=NAMES, num_classes=3))

OF_NUMBERS = (
    bal.build(
        linear_regression(closed=False), bal.strategies.random(batch_size=2), num_samples=2, num_initial=0, num_rounds=1
    ),
    bal.Dataset(
        DATASET.pool_inputs,
        DATASET.pool_inputs.sum(axis=1),
        about=dataclasses.replace(DATASET.about, label_scale=2.0, label_shift=10.0),
    ),
)  # learner and data set; a label of 13 is held as 1.5


@pytest.fixture
def session(tmp_path):
    with bal.labelling.session(LEARNER, NAMED, tmp_path / "s", rng_key=KEY, who="ada") as opened:
        yield opened


def press(widget, kind, point=None, label=None, **more):
    """A message of the page; returns the status that answers it."""
    count = int(widget.status["last"] or 0) + 1
    widget._handle_custom_msg({"id": str(count), "kind": kind, "point": point, "label": label, **more}, [])
    assert widget.status["last"] == str(count)
    return widget.status


def label_all(widget, count):
    for _ in range(count):
        point = next(card["point"] for card in widget.cards if str(card["point"]) not in widget.status["given"])
        assert press(widget, "label", point, TRUTH[point])["error"] == ""


def test_answers_through_the_widget_are_those_of_the_session(session, tmp_path):
    widget = session.widget()
    first = [card["point"] for card in widget.cards]
    press(widget, "skip", first[0])
    assert first[0] not in [card["point"] for card in widget.cards]  # another first label in its place
    label_all(widget, 4)
    batch = [card["point"] for card in widget.cards]
    press(widget, "label", batch[1], (TRUTH[batch[1]] + 1) % 3)
    press(widget, "label", batch[1], TRUTH[batch[1]])  # a correction
    press(widget, "cannot tell", batch[0])
    press(widget, "label", batch[2], 0)  # completes the batch, and is taken back
    assert [card["point"] for card in widget.cards] != batch
    status = press(widget, "undo")
    assert [card["point"] for card in widget.cards] == batch
    assert set(status["given"]) == {str(batch[0]), str(batch[1])}
    label_all(widget, 1 + 3 + 3)
    assert widget.status["done"]
    with bal.labelling.session(LEARNER, NAMED, tmp_path / "t", rng_key=KEY) as plain:
        plain.skip(point=first[0])
        while len(plain.labels()[0]) < 4:
            plain.answer(TRUTH[plain.next().point])
        plain.answer(TRUTH[batch[1]], point=batch[1])
        plain.cannot_tell(point=batch[0])
        while card := plain.next():
            plain.answer(TRUTH[card.point])
        assert_same_bits(plain.labels(), session.labels())
        assert_same_bits(plain.state(), session.state())


def test_it_shows_the_guess_the_reasons_and_how_far_one_is(session):
    widget = session.widget()
    assert [one["name"] for one in widget.classes] == list(NAMES)
    assert [one["key"] for one in widget.classes] == ["1", "2", "3"]
    assert widget.cards[0]["guesses"] == []
    assert widget.status["progress"] == "0 of 13 labels · first labels, drawn at random"
    label_all(widget, 4)
    accuracy = session.progress().metrics["accuracy"]
    nats = sum(card.epistemic for card in session.cards())
    assert widget.status["progress"] == (
        f"4 of 13 labels · round 1 of 3 · held-out accuracy {accuracy:.3f} · "
        f"the next 3 labels tell up to {nats:.2f} nats"
    )
    for shown, card in zip(widget.cards, session.cards(), strict=True):
        assert shown["point"] == card.point
        assert shown["guesses"][0] == {"name": NAMES[card.guess], "probability": float(card.probabilities.max())}
        assert (shown["score"], shown["epistemic"]) == (card.score, card.epistemic)
        np.testing.assert_allclose(shown["epistemic"] + shown["aleatoric"], card.uncertainty, rtol=1e-6)
        values = [float(value) for _, value in shown["content"]["rows"]]
        np.testing.assert_allclose(values, card.inputs, rtol=1e-3)
    point = widget.cards[0]["point"]
    session.answer(0, point=point, who="bob")
    assert press(widget, "look")["given"][str(point)] == {"kind": "label", "text": NAMES[0], "who": "bob"}
    session.answer(1, point=point)
    assert press(widget, "look")["progress"].endswith(" · people differ on 1, see session.disagreements()")


def test_an_answer_of_another_window_is_not_replaced_unseen(session):
    windows = session.widget(), session.widget()
    point = windows[0].cards[0]["point"]
    press(windows[0], "label", point, 2, first=True)
    for said in (("label", point, 1), ("skip", point)):
        status = press(windows[1], *said, first=True)
        assert re.match(f"expected an open card, got point {point}, .* another window has said 'high'", status["error"])
        assert status["given"][str(point)]["text"] == "high"
    assert press(windows[1], "label", point, 1, first=False)["given"][str(point)]["text"] == "middle"


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (("label", 0, 7), "expected .*"),
        (("label", 0, "violet"), "expected the label to be one of .*got 'violet'"),
        (("label", 10**6, 1), "expected a point that was asked for, got 1000000"),
        (("skip", 10**6), "expected a point that was asked for"),
        (("undo",), "expected an answer to take back"),
        (("shout",), "expected a message of the labelling page, got 'shout'"),
    ],
)
def test_what_the_session_refuses_is_one_sentence(session, message, sentence):
    widget = session.widget()
    message = (message[0], widget.cards[0]["point"], message[2]) if message[1:2] == (0,) else message
    error = press(widget, *message)["error"]
    assert "\n" not in error
    assert re.match(sentence, error)
    assert session.answers() == []
    assert press(widget, "look")["error"] == ""


def test_a_fit_that_fails_loses_no_answer_and_is_tried_again(tmp_path, monkeypatch):
    with bal.labelling.session(LEARNER, NAMED, tmp_path, rng_key=KEY, background=True) as session:
        widget = session.widget()

        answered = threading.Event()

        def fail(state):
            answered.wait()
            raise MemoryError("no room\nat all")

        with monkeypatch.context() as broken:
            broken.setattr(session._fitting.rounds, "ask", fail)
            label_all(widget, 4)
            answered.set()
            while widget.status["fitting"]:
                press(widget, "look")
            assert widget.status["error"] == "MemoryError: no room"
            assert not widget.status["done"]
        assert session.progress().num_labelled == 4
        assert press(widget, "look")["fitting"]
        while widget.status["fitting"]:
            press(widget, "look")
        assert len(widget.cards) == 3
        assert widget.status["progress"].startswith("4 of 13 labels · round 1 of 3")
    assert press(widget, "label", widget.cards[0]["point"], 0)["error"].startswith("expected an open session")


def test_a_point_that_spoils_the_model_is_named_and_can_be_taken_out(tmp_path):
    with bal.labelling.session(LEARNER, NAMED, tmp_path / "first", rng_key=KEY) as session:
        spoilt = session.batch()[0]
    dataset = NAMED._replace(pool_inputs=NAMED.pool_inputs.at[spoilt].set(np.nan))
    with bal.labelling.session(LEARNER, dataset, tmp_path / "s", rng_key=KEY) as session:
        widget = session.widget()
        for point in session.batch():
            press(widget, "label", point, TRUTH[point])
        assert re.match("expected scores that are numbers, got NaN for all .* points", widget.status["error"])
        assert (widget.status["done"], session.progress().num_labelled) == (False, 4)
        press(widget, "cannot tell", spoilt)
        label_all(widget, 1)
        assert widget.status["progress"].startswith("4 of 13 labels · round 1 of 3")


class Marked:
    def __init__(self, html):
        self.html = html

    def _repr_html_(self):
        return self.html


def test_a_renderer_gives_text_or_what_is_marked_as_html(session):
    assert session.widget(render=lambda card: f"<i>{card.point}</i>").cards[0]["content"] == {
        "text": f"<i>{session.batch()[0]}</i>"
    }
    assert session.widget(render=lambda card: Marked("<i>x</i>")).cards[0]["content"] == {"html": "<i>x</i>"}
    widget = session.widget(render=lambda card: {}[card.point])
    assert widget.cards[0]["content"] == {"problem": f"KeyError: {session.batch()[0]}"}
    label_all(widget, 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_decoded_as_they_were(channels):
    image = pytest.importorskip("PIL.Image", reason="needs pillow")
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)

    def decoded(values):
        address = picture(values)
        assert address.startswith("data:image/png;base64,")
        return np.asarray(image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))).reshape(5, 7, channels)

    np.testing.assert_array_equal(decoded(pixels), pixels)
    np.testing.assert_array_equal(decoded(pixels.astype(np.float32) / 255), pixels)
    standardised = decoded((pixels.astype(np.float32) - 100) / 50)
    spread = (pixels.astype(np.float64) - pixels.min()) / np.ptp(pixels.astype(np.float64)) * 255
    np.testing.assert_allclose(standardised, spread, atol=0.51)
    assert decoded(np.full((5, 7, channels), 3.0)).max() == 0
    if channels == 1:
        np.testing.assert_array_equal(decoded(pixels[..., 0]), pixels)
    with pytest.raises(ValueError, match="expected finite pixels, got 1 that are not"):
        picture(np.where(np.arange(35 * channels).reshape(5, 7, channels) == 3, np.nan, 0.5))


def test_real_labels_are_typed_in_their_unit(tmp_path):
    with bal.labelling.session(*OF_NUMBERS, tmp_path, rng_key=KEY) as session:
        widget = session.widget()
        assert widget.classes == []
        point = widget.cards[0]["point"]
        assert press(widget, "label", point, "twelve")["error"] == "expected a number, got 'twelve'"
        assert press(widget, "label", point, "13")["given"][str(point)]["text"] == "13"
        assert session.labels()[1].tolist() == [1.5]
        guess = session.card(point).guess
        assert float(widget.cards[0]["guesses"][0]["name"]) == pytest.approx(float(guess) * 2 + 10, rel=1e-3)


def test_labels_that_the_page_cannot_take_are_refused(tmp_path):
    with (
        bal.labelling.session(LEARNER, DATASET, tmp_path, rng_key=jax.random.key(1)) as session,
        pytest.raises(ValueError, match="expected label_names or num_classes in the data set"),
    ):
        session.widget()
