"""Passes that were interrupted continue, and those of something else are refused."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bal
from bal.sources import _passes, _reading, _resuming
from tests.sources.rows import Rows
from tests.sources.test_learner import KEY, assert_same, first_state, learner
from tests.test_strategies import problem

VALUES = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(_passes, "BLOCK_BYTES", 1)  # one chunk each
    monkeypatch.setattr(_reading, "DIGESTED", 2)  # the first row and the last
    monkeypatch.setattr(_resuming, "SECONDS_A_NOTE", 0.0)


def two_passes(source, scale=1.0):
    """A program of its own each time, as in another process."""
    scores = bal.stream(lambda x: {"sum": scale * x.sum(axis=1), "half": x.astype(jnp.bfloat16)}, source, chunk_size=4)
    return scores, bal.stream(lambda x: jnp.square(x), source, chunk_size=9)


def test_passes_continue_where_they_were_interrupted(tmp_path):
    folder, rows = tmp_path / "round", Rows(VALUES)
    source = bal.Source(rows)
    expected = two_passes(bal.Source(VALUES))
    begun = []
    for failing in (24, 36, None):
        for thread in threading.enumerate():
            if thread.name.startswith("bal-reader"):
                thread.join()  # of the pass that failed: it may still read the blocks ahead
        rows.failing, rows.read = {failing}, []
        if failing is None:
            with bal.resuming(folder):
                assert_same(two_passes(source), expected)
        else:
            with pytest.raises(ValueError, match=f"index {failing} of the pool"), bal.resuming(folder):
                two_passes(source)
        assert rows.read[:2] == [0, 39]  # for the digest
        begun.append(rows.read[2])
    # An error of the disk stops a pass before the blocks that were read ahead of it.
    assert begun[0] == 0 < begun[1] <= 20 < begun[2] <= 32
    assert not folder.exists()
    # Other files of the folder are the person's.
    (tmp_path / "notes").touch()
    with bal.resuming(tmp_path):
        two_passes(source)
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]
    # A context that has ended keeps nothing.
    two_passes(source)
    assert not folder.exists()


def test_a_finished_pass_is_not_read_again(tmp_path):
    rows = Rows(VALUES)
    first = lambda source: bal.stream(lambda x: x.sum(axis=1), source, chunk_size=4)

    def interrupted():
        with bal.resuming(tmp_path / "round"):
            first(bal.Source(rows))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    expected, rows.read = first(bal.Source(rows)), []
    with bal.resuming(tmp_path / "round"):
        assert_same(first(bal.Source(rows)), expected)
    assert rows.read == [0, 0, 39]  # as the source is made, and for the digest


def test_passes_of_something_else_are_refused(tmp_path):
    def interrupted(*args):
        with bal.resuming(tmp_path / "round"):
            two_passes(*args)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted(bal.Source(VALUES))
    other = VALUES.copy()
    other[39] += 1
    for args in ((bal.Source(other),), (bal.Source(VALUES), 2.0), (bal.Source(VALUES), jnp.float32(1.0))):
        with pytest.raises(ValueError, match=r"expected passes of this round in .*round, got those of another model"):
            interrupted(*args)
    (tmp_path / "round" / "pass_0" / "pass.json").write_text("{}")
    with pytest.raises(ValueError, match=r"expected passes of a round in .*round, got a damaged pass.json: delete"):
        interrupted(bal.Source(VALUES))


def test_a_round_of_a_learner_continues_with_the_same_choice(tmp_path):
    rows = Rows(np.asarray(problem("classes").pool_inputs))
    active, dataset, state = learner(), problem("classes")._replace(pool_inputs=bal.Source(rows)), first_state()
    _, expected = active.ask(KEY, state, dataset)
    rows.failing = {36}
    with pytest.raises(ValueError, match="index 36"), bal.resuming(tmp_path / "round"):
        active.ask(KEY, state, dataset)
    rows.failing = set()
    with pytest.raises(ValueError, match="got those of another"), bal.resuming(tmp_path / "round"):
        active.ask(jax.random.key(5), state, dataset)
    with bal.resuming(tmp_path / "round"):
        _, info = active.ask(KEY, state, dataset)
    assert_same(info.selection, expected.selection)
