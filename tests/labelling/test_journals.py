"""The journal of a session: what is cut off, locked, or of another session is met with one sentence."""

import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bal
from bal.labelling._journal import open_journal
from tests.bare import bare_bal
from tests.labelling.test_sessions import DATASET, KEY, LEARNER, TRUTH
from tests.prototypes import class_means, linear_regression

HEADER = {"event": "session", "version": 1, "learner": 1, "dataset": 2, "key": 3}


def events(folder, count=3):
    """A journal with this many answers."""
    journal = open_journal(folder, HEADER)
    for point in range(count):
        journal.append({"event": "label", "point": point})
    journal.close()
    return folder / "journal.jsonl"


@pytest.mark.parametrize("cut", [1, 2, 7, 30])
def test_a_last_line_that_was_cut_off_loses_that_event_only(tmp_path, cut):
    file = events(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[:-cut])
    if cut == 1:  # only the end of the line is missing
        journal = open_journal(tmp_path, HEADER)
        assert len(journal.events) == 4
    else:
        with pytest.warns(UserWarning, match="that one event is lost, and the 2 before it are there"):
            journal = open_journal(tmp_path, HEADER)
        assert [event.get("point") for event in journal.events] == [None, 0, 1]
    journal.append({"event": "label", "point": 9})
    journal.close()
    journal = open_journal(tmp_path, HEADER)  # no warning again
    assert journal.events[-1]["point"] == 9
    journal.close()
    assert file.read_bytes().startswith(whole[:-cut])  # nothing was rewritten


def test_a_journal_that_ends_in_zeros_or_twice_in_the_middle_is_read(tmp_path):
    file = events(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole + b"\0\0\0\n{" + b'"event"')
    with pytest.warns(UserWarning, match="the 3 before it"):
        open_journal(tmp_path, HEADER).close()
    journal = open_journal(tmp_path, HEADER)
    assert len(journal.events) == 4
    journal.close()
    file.write_bytes(whole[:-40] + b"\n" + whole[-35:])
    damaged = file.read_bytes()
    with pytest.raises(ValueError, match="expected an event in line 4|expected an event in line 3"):
        open_journal(tmp_path, HEADER)
    assert file.read_bytes() == damaged


def test_a_second_process_is_refused_until_the_first_one_ends(tmp_path):
    journal = open_journal(tmp_path, HEADER)
    code = (
        "import sys; from pathlib import Path; from bal.labelling._journal import open_journal\n"
        f"open_journal(Path({str(tmp_path)!r}), {HEADER!r})"
    )
    command = [sys.executable, "-c", code]
    other = subprocess.run(command, cwd=bare_bal(tmp_path / "bare"), capture_output=True, text=True, check=False)
    assert re.search("ValueError: expected no other session on .* got process .*session.close", other.stderr)
    journal.close()
    with pytest.raises(ValueError, match="expected an open session"):
        journal.append({"event": "label"})
    open_journal(tmp_path, HEADER).close()


def open_session(folder, learner=LEARNER, dataset=DATASET, key=KEY):
    with bal.labelling.session(learner, dataset, folder, rng_key=key, who="ada") as session:
        session.answer(TRUTH[session.next().point])


def test_the_cell_that_opens_a_session_may_be_run_again(tmp_path):
    first = bal.labelling.session(LEARNER, DATASET, tmp_path, rng_key=KEY, who="ada")
    point = first.next().point
    first.answer(TRUTH[point])
    with bal.labelling.session(LEARNER, DATASET, tmp_path, rng_key=KEY, who="ada") as second:
        assert second.labels()[0].tolist() == [point]
        with pytest.raises(ValueError, match=r"expected an open session, got one that was closed: open .* again"):
            first.answer(TRUTH[point])
        first.close()  # as often as one likes
        second.answer(TRUTH[second.next().point])
        assert len(second.labels()[0]) == 2


def other(**settings):
    settings = {"num_samples": 4, "num_initial": 4, "num_rounds": 3, **settings}
    return bal.build(class_means(), bal.strategies.bald(batch_size=3), **settings)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"learner": other(num_rounds=4)}, "learner"),
        ({"dataset": DATASET._replace(pool_inputs=DATASET.pool_inputs[::-1])}, "dataset"),
        ({"key": jax.random.key(1)}, "key"),
    ],
)
def test_a_journal_of_another_session_is_refused(tmp_path, change, name):
    open_session(tmp_path)
    before = (tmp_path / "journal.jsonl").read_bytes()
    with pytest.raises(ValueError, match=f"expected the {name} of the session in .*: choose another path"):
        open_session(tmp_path, **change)
    assert (tmp_path / "journal.jsonl").read_bytes() == before
    open_session(tmp_path)


def test_what_does_not_fit_leaves_no_folder(tmp_path):
    folder = tmp_path / "new"
    for change, message in [
        ({"learner": other(num_rounds=40)}, "label budget"),
        ({"key": 0}, "expected a key"),
        ({"dataset": bal.Dataset(DATASET.pool_inputs, None)}, "say what a label is"),
        ({"dataset": DATASET._replace(pool_inputs=bal.Source(np.asarray(DATASET.pool_inputs)))}, "a pool on disk"),
    ]:
        with pytest.raises(ValueError, match=message):
            open_session(folder, **change)
    assert not folder.exists()
    (tmp_path / "notes.txt").write_text("mine")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(ValueError, match="expected a new folder|expected the folder of a session"):
            open_session(path)


def test_real_labels_come_back_as_they_were_given(tmp_path):
    dataset = bal.Dataset(DATASET.pool_inputs, DATASET.pool_inputs.sum(axis=1))
    strategy = bal.strategies.gaussian_bald(batch_size=2)
    learner = bal.build(linear_regression(closed=False), strategy, num_samples=4, num_initial=0, num_rounds=1)
    given = [0.1, float(jnp.float32(1) / 3)]
    for label in given:
        with bal.labelling.session(learner, dataset, tmp_path, rng_key=KEY) as session:
            card = session.next()
            assert card.probabilities is None
            assert abs(card.guess) < 5
            np.testing.assert_allclose(card.uncertainty, card.epistemic + card.aleatoric, rtol=1e-5)
            session.answer(label)
    with bal.labelling.session(learner, dataset, tmp_path, rng_key=KEY) as session:
        assert session.next() is None
        assert session.labels()[1].tobytes() == np.array(given, np.float32).tobytes()
        assert session.state().pool.labels.tolist() == session.labels()[1].tolist()
        with pytest.raises(ValueError, match="Cohen's kappa"):
            session.agreement()
