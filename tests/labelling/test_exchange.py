"""Batches leave for other tools and their answers come back, without loss and only to their own session."""

import csv
import json

import numpy as np
import pytest

import bal
from bal.types import Description
from tests.labelling.test_sessions import DATASET, KEY, LEARNER, TRUTH
from tests.prototypes import linear_regression

NAMES = ("red, or so", 'so-called "green"', "<blue> & co")
NAMED = DATASET._replace(about=Description(num_classes=3, label_names=NAMES))


@pytest.fixture
def session(tmp_path):
    with bal.labelling.session(LEARNER, NAMED, tmp_path / "s", rng_key=KEY, who="ada") as opened:
        for _ in range(4):
            opened.answer(NAMES[TRUTH[opened.next().point]])
        yield opened


def annotated(path, labels, **more):
    """What Label Studio exports of these tasks: as the guide's example, with its numbers of ids and people."""
    tasks = json.loads(path.read_text())
    for number, (task, label) in enumerate(zip(tasks, labels, strict=True)):
        result = {"id": "x1", "from_name": "label", "to_name": "image", "type": "choices", "origin": "manual"}
        annotation = {
            "id": 1001 + number,
            "completed_by": 10,
            "result": [{**result, "value": {"choices": [label]}}],
            "was_cancelled": False,
            "ground_truth": False,
            "created_at": "2026-03-09T22:16:08.728353Z",
            "updated_at": "2026-03-09T22:16:08.728378Z",
            "lead_time": 4.288,
            "project": 83,
            **more,
        }
        task |= {"id": number + 1, "annotations": [annotation], "project": 83}
    path.write_text(json.dumps(tasks))
    return tasks


def shown(card):
    return {"image": f"https://example.com/{card.point}.png"}


def test_a_batch_goes_to_label_studio_in_order_of_use_and_its_answers_come_back(session, tmp_path):
    cards = session.cards()
    file = tmp_path / "tasks.json"
    assert bal.labelling.to_label_studio(session, file, shown) == 3
    tasks = json.loads(file.read_text())
    assert [task["data"]["bal_point"] for task in tasks] == [card.point for card in cards]
    assert [task["data"]["bal_order"] for task in tasks] == [0, 1, 2]
    for task, card in zip(tasks, cards, strict=True):
        assert task["data"]["image"] == shown(card)["image"]
        (prediction,) = task["predictions"]
        assert prediction["score"] == float(card.probabilities.max())
        assert prediction["result"][0]["value"] == {"choices": [NAMES[card.guess]]}
    annotated(file, [NAMES[TRUTH[card.point]] for card in cards])
    assert bal.labelling.from_label_studio(session, file) == 3
    assert session.labels()[1].tolist()[-3:] == [TRUTH[card.point] for card in cards]
    answer = session.answers()[-1]
    assert answer[1:4] == ("label studio user 10", "2026-03-09T22:16:08.728378Z", "label")
    assert session.progress().round == 1
    assert bal.labelling.from_label_studio(session, file) == 0  # nothing is new
    assert session.progress().num_labelled == 7


def test_what_was_skipped_there_is_put_off_here_and_people_have_their_addresses(session, tmp_path):
    file = tmp_path / "tasks.json"
    bal.labelling.to_label_studio(session, file, shown)
    annotated(file, [NAMES[0]] * 3, was_cancelled=True, completed_by={"id": 3, "email": "eve@example.com"})
    assert bal.labelling.from_label_studio(session, file) == 3
    assert session.progress().num_labelled == 4
    assert {answer.who for answer in session.answers()} == {"ada", "eve@example.com"}


def change(tasks, how):
    (result,) = tasks[1]["annotations"][0]["result"]
    if how == "project":
        tasks[1]["data"]["bal_project"] = "another"
    elif how == "none of ours":
        tasks[1]["data"] = {"image": "x.png"}
    elif how == "class":
        result["value"] = {"choices": ["violet"]}
    elif how == "two":
        result["value"] = {"choices": [NAMES[0], NAMES[1]]}
    elif how == "control":
        result["from_name"] = "colour"
    elif how == "point":
        tasks[1]["data"]["bal_point"] = 48
    return {"no list": {}, "no tasks": [1]}.get(how, tasks)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("project", "expected tasks of project .* got task 2 of 'another'"),
        ("none of ours", "got task 2 of None"),
        ("class", "expected one of the classes .*, got 'violet'"),
        ("two", "expected one choices .* in task 2 .*, got 2"),
        ("control", "expected one choices of the control 'label' in task 2 .*, got 0"),
        ("point", "expected a point that was asked for, got 48"),
        ("no list", "expected a list of tasks"),
        ("no tasks", "expected a list of tasks"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_whole(session, tmp_path, how, message):
    file = tmp_path / "tasks.json"
    bal.labelling.to_label_studio(session, file, shown)
    file.write_text(json.dumps(change(annotated(file, [NAMES[0]] * 3), how)))
    with pytest.raises(ValueError, match=message):
        bal.labelling.from_label_studio(session, file)
    assert session.progress().num_labelled == 4
    file.write_text("project,point\n")
    with pytest.raises(ValueError, match="expected a JSON file of Label Studio"):
        bal.labelling.from_label_studio(session, file)
    with pytest.raises(ValueError, match="expected data with the key 'image'"):
        bal.labelling.to_label_studio(session, file, lambda card: {})


def test_the_interface_names_the_classes(session):
    config = bal.labelling.label_studio_config(session, "text")
    assert config.startswith('<View><Text name="text" value="$text"/><Choices name="label" toName="text"')
    assert '<Choice value="&lt;blue&gt; &amp; co"/>' in config
    with pytest.raises(ValueError, match="expected shown to be one of"):
        bal.labelling.label_studio_config(session, "movie")


def test_a_table_of_answers_comes_back_as_it_left(session, tmp_path):
    batch = [card.point for card in session.cards()]
    session.cannot_tell(point=batch[2])
    session.answer(NAMES[1], point=session.labels()[0][0], who="bob, too")
    file = tmp_path / "answers.csv"
    bal.labelling.to_csv(session, file)
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [int(row["point"]) for row in rows[:2]] == batch[:2]
    assert rows[0]["guess"] in NAMES
    assert bal.labelling.from_csv(session, file) == 0
    before = session.answers()
    for _ in range(2):
        session.undo()
    assert bal.labelling.from_csv(session, file) == 2
    assert sorted(session.answers()) == sorted(before)
    rows[0]["label"], rows[1]["label"] = NAMES[2], "1"
    with file.open("w", newline="", encoding="utf-8-sig") as opened:
        writer = csv.DictWriter(opened, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    assert bal.labelling.from_csv(session, file) == 2
    given = dict(zip(*(values.tolist() for values in session.labels()), strict=True))
    assert [given[point] for point in batch[:2]] == [2, 1]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("project", "projekt", "expected the columns"),
        (",label,ada", ",labell,ada", "expected kind to be one of"),
        ('"red, or so"', "violet", "expected the label to be one of .*got 'violet'"),
        ("PROJECT", "another", "expected answers of project .* got 'another.*' in line 2"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_whole(session, tmp_path, old, new, message):
    file = tmp_path / "answers.csv"
    session.answer(0)
    bal.labelling.to_csv(session, file)
    file.write_text(file.read_text().replace(session.project if old == "PROJECT" else old, new))
    with pytest.raises(ValueError, match=message):
        bal.labelling.from_csv(session, file)
    assert session.progress().num_labelled == 5


def test_real_labels_go_out_as_numbers_and_come_back_bit_for_bit(tmp_path):
    dataset = bal.Dataset(DATASET.pool_inputs, DATASET.pool_inputs.sum(axis=1))
    learner = bal.build(
        linear_regression(closed=False), bal.strategies.random(batch_size=2), num_samples=2, num_initial=0, num_rounds=1
    )
    file = tmp_path / "tasks.json"
    with bal.labelling.session(learner, dataset, tmp_path / "s", rng_key=KEY) as session:
        assert '<Number name="label" toName="image"/>' in bal.labelling.label_studio_config(session)
        bal.labelling.to_label_studio(session, file, shown)
        tasks = json.loads(file.read_text())
        given = np.array([1 / 3, -1e-7], np.float32)
        for task, label in zip(tasks, given.tolist(), strict=True):
            (result,) = task["predictions"][0]["result"]
            task["annotations"] = [{"completed_by": 1, "result": [{**result, "value": {"number": label}}]}]
        file.write_text(json.dumps(tasks))
        assert bal.labelling.from_label_studio(session, file) == 2
        assert session.labels()[1].tobytes() == given.tobytes()
        bal.labelling.to_csv(session, tmp_path / "answers.csv")
        session.undo()
        assert bal.labelling.from_csv(session, tmp_path / "answers.csv") == 1
        assert sorted(session.labels()[1].tolist()) == sorted(given.tolist())
