"""Several labels, boxes and masks go to other tools and come back to the bit; what does not fit is refused whole."""

import json

import jax
import numpy as np
import pytest

import bal
from bal.labelling._label_studio_results import label_of, results_of
from bal.labelling._meaning import meaning
from bal.labelling._rle import decode_mask, encode_mask
from tests.labelling.tasks import NAMES, NUM, TASKS

KEY = jax.random.key(0)


def of_point(labels, point):
    return jax.tree.map(lambda leaf: leaf[point], labels)


def assert_same(label, other):
    for a, b in zip(jax.tree.leaves(label), jax.tree.leaves(other), strict=True):
        assert np.asarray(a).tolist() == np.asarray(b).tolist()


@pytest.fixture(params=TASKS)
def session(request, tmp_path):
    task = TASKS[request.param]
    with bal.labelling.session(task.learner, task.dataset, tmp_path / "s", rng_key=KEY, who="ada") as opened:
        for _ in range(2):
            point = opened.next().point
            opened.answer(of_point(task.labels, point))
        yield opened


def exported(session, file, results=None):
    """What Label Studio exports of a batch whose predictions were accepted, or replaced by other results."""
    bal.labelling.to_label_studio(session, file, lambda card: {"image": f"https://example.com/{card.point}.png"})
    tasks = json.loads(file.read_text())
    for number, task in enumerate(tasks):
        given = task["predictions"][0]["result"] if results is None else results[number]
        task |= {"id": number, "annotations": [{"completed_by": 7, "was_cancelled": False, "result": given}]}
    file.write_text(json.dumps(tasks))
    return tasks


def test_accepted_predictions_come_back_as_the_guesses_of_the_model(session, tmp_path):
    cards, file = session.cards(), tmp_path / "tasks.json"
    tasks = exported(session, file)
    for task, card in zip(tasks, cards, strict=True):
        (prediction,) = task["predictions"]
        if not isinstance(card.guess, dict):
            best = np.asarray(card.probabilities).max(axis=-1)
            assert prediction["score"] == pytest.approx(best.mean())
        elif card.guess["present"].any():
            held = card.probabilities[card.guess["present"]]
            assert [result["score"] for result in prediction["result"]] == held.tolist()
            assert prediction["score"] == pytest.approx(held.mean())
        else:
            assert "score" not in prediction
    assert bal.labelling.from_label_studio(session, file) == 3
    points, labels = session.labels()
    assert points[2:].tolist() == [card.point for card in cards]
    for place, card in enumerate(cards, start=2):
        label, guess = of_point(labels, place), card.guess
        if isinstance(guess, dict):
            assert label["present"].tolist() == guess["present"].tolist()  # the most probable ones, which are first
            label, guess = (jax.tree.map(lambda leaf, one=one: leaf[one["present"]], one) for one in (label, guess))
        assert_same(label, guess)
    assert bal.labelling.from_label_studio(session, file) == 0  # nothing is new


def test_any_label_comes_back_to_the_bit(session):
    labels = session.dataset.pool_labels
    task = next(task for task in TASKS.values() if task.learner is session.learner)
    means = meaning(session.learner, session.dataset, jax.tree.map(lambda leaf: leaf[:0], task.labels))
    assert labels is None  # of the session, which does not read them
    for point in range(NUM):
        label = of_point(task.labels, point)
        results = json.loads(json.dumps(results_of(means, label, "image")))
        assert_same(label_of(means, results, "a test"), label)


def test_answers_leave_in_a_table_and_come_back(session, tmp_path):
    card, file = session.next(), tmp_path / "answers.csv"
    session.answer(card.guess)
    bal.labelling.to_csv(session, file)
    before = session.labels()
    assert bal.labelling.from_csv(session, file) == 0
    session.undo()
    assert bal.labelling.from_csv(session, file) == 1
    assert_same(session.labels(), before)


def opened(name, folder):
    task = TASKS[name]
    return bal.labelling.session(task.learner, task.dataset, folder, rng_key=KEY, who="ada")


REGION = {"from_name": "label", "to_name": "image", "original_width": 8, "original_height": 8, "image_rotation": 0}


def box(**more):
    value = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": ["cat"], **more}
    return {**REGION, "type": "rectanglelabels", "value": value}


def brush(code=None, **more):
    code = encode_mask(np.eye(8, dtype=bool)) if code is None else code
    return {**REGION, "type": "brushlabels", "value": {"format": "rle", "rle": code, "brushlabels": ["cat"]}, **more}


@pytest.mark.parametrize(
    ("name", "results", "message"),
    [
        ("boxes", [box(rotation=3)], "expected boxes along the image's axes in task 1 .*draw it again"),
        ("boxes", [box(rectanglelabels=["cow"])], 'expected one of the classes cat, the "dog" in task 1 .*got .cow'),
        ("boxes", [box(rectanglelabels=[])], "expected one class of a region .* got 0"),
        ("boxes", [box(width=None)], "expected x, y, width and height of each box in task 1"),
        ("boxes", [box(width=0)], "expected boxes .*leave out objects of no area"),
        ("boxes", [box()] * 5, "expected at most 4 boxes, for which labels have room, in task 1 .*got 5"),
        (
            "boxes",
            [{**box(), "type": "rectangle"}],
            "expected rectanglelabels of the control 'label' in task 1 .*'rect",
        ),
        ("mask", [box()], "expected brushlabels of the control 'label' in task 1 .*got 'rectanglelabels'"),
        ("mask", [brush(original_width=9)], "expected masks of 8 x 8 pixels, .*task 1 .*got 8 x 9"),
        ("mask", [brush([0, 0])], "got a damaged one .it ends after 2 bytes. in task 1"),
        ("mask", [brush([0, 0, 0, 256])], "got a damaged one .* in task 1"),
        (
            "mask",
            [brush(encode_mask(np.eye(3, dtype=bool)))],
            "expected a mask of 8 x 8 pixels, got 9 pixels in task 1",
        ),
        ("labels", [{**REGION, "type": "choices", "value": {"choices": ["violet"]}}], "got 'violet'"),
    ],
)
def test_results_that_do_not_fit_are_refused_whole(tmp_path, name, results, message):
    task, file = TASKS[name], tmp_path / "tasks.json"
    with opened(name, tmp_path / "s") as session:
        for _ in range(2):
            session.answer(of_point(task.labels, session.next().point))
        exported(session, file, [[], results, []])
        with pytest.raises(ValueError, match=message):
            bal.labelling.from_label_studio(session, file)
        assert session.progress().num_labelled == 2
        if name != "labels":
            with pytest.raises(ValueError, match="expected shown to be 'image'"):
                bal.labelling.label_studio_config(session, "text")


def test_rectangles_are_cut_at_the_edge_and_the_later_brush_counts(tmp_path):
    with opened("boxes", tmp_path / "b") as session:
        means = meaning(session.learner, session.dataset, session.labels()[1])
        label = label_of(means, [box(x=-1e-9, width=100.5), {"from_name": "comment"}], "a test")
        assert label["boxes"][0].tolist() == pytest.approx([1.6, 0.0, 4.8, 8.0])
        assert label["present"].tolist() == [True, False, False, False]
        assert '<RectangleLabels name="label" toName="image"' in bal.labelling.label_studio_config(session)
    with opened("mask", tmp_path / "m") as session:
        means = meaning(session.learner, session.dataset, session.labels()[1])
        later = brush(encode_mask(np.arange(64).reshape(8, 8) < 9))
        later["value"]["brushlabels"] = [NAMES[0]]
        expected = np.eye(8, dtype=int)
        expected[0] = expected[1, 0] = 0
        assert label_of(means, [brush(), later], "a test").tolist() == expected.tolist()


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (8, 8), (200, 130)])
def test_masks_come_back_from_their_code(size):
    rng = np.random.default_rng(size[0])
    for share in (0.0, 0.02, 0.5, 1.0):
        mask = rng.random(size) < share
        np.testing.assert_array_equal(decode_mask(encode_mask(mask), size), mask)


def test_a_code_of_the_sdk_is_read():
    """From label_studio_sdk.converter.brush.mask2rle, 2.1.2."""
    code = [0, 0, 0, 96, 57, 27, 254, 31, 0, 183, 255, 108, 2, 223, 254, 27, 0, 0]
    mask = np.zeros((4, 6), bool)
    mask[1:3, 2:5] = True
    np.testing.assert_array_equal(decode_mask(code, (4, 6)), mask)


def test_the_sdk_reads_our_codes_and_we_read_its():
    brushes = pytest.importorskip("label_studio_sdk.converter.brush", reason="needs label-studio-sdk")
    mask = np.random.default_rng(0).random((40, 30)) < 0.3
    mask[10:20] = True
    theirs = np.asarray(brushes.decode_rle(encode_mask(mask))).reshape(40, 30, 4)
    np.testing.assert_array_equal(theirs[..., 3], 255 * mask)
    np.testing.assert_array_equal(decode_mask(brushes.mask2rle(255 * mask.astype(np.uint8)), (40, 30)), mask)
