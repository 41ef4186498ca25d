"""A learner on a pool on disk: the same rounds as in memory, in pieces that compile once."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bal
from bal.sources import _passes, in_pieces
from tests.sources.rows import Rows
from tests.test_strategies import POSTERIORS, problem

KEY = jax.random.key(1)
SETTINGS = {"num_samples": 8, "num_initial": 4, "num_rounds": 3}


def on_disk(dataset):
    return dataset._replace(pool_inputs=bal.Source(np.asarray(dataset.pool_inputs)))


def learner(name="bald", kind="classes", **settings):
    strategy = bal.strategies.STRATEGIES[name](batch_size=3)
    return bal.build(POSTERIORS[kind], strategy, **{**SETTINGS, "chunk_size": 7, **settings})


@functools.cache
def first_state():
    return learner().init(KEY, problem("classes"))


def assert_same(a, b):
    """Arrays equal to the bit; the structures may differ in what is static."""
    jax.tree.map(np.testing.assert_array_equal, jax.tree.leaves(a), jax.tree.leaves(b))


def test_a_run_is_the_run_in_memory(monkeypatch):
    monkeypatch.setattr(_passes, "BLOCK_BYTES", 200)
    dataset = problem("classes")._replace(target_inputs=None)
    automatic = bal.Automatic(bal.autolabel.confidence_above(0.5), max_automatic=5)
    active = learner("epig", pool_subset_size=30, num_targets=6, automatic=automatic)
    state, info = bal.run(KEY, active, on_disk(dataset))
    expected_state, expected_info = jax.jit(lambda key, data: bal.run(key, active, data))(KEY, dataset)
    assert state.pool.indices.tolist() == expected_state.pool.indices.tolist()
    assert info.automatic.num_automatic.tolist() == expected_info.automatic.num_automatic.tolist()
    np.testing.assert_allclose(info.selection.scores, expected_info.selection.scores, rtol=1e-4)


def test_a_person_labels_a_pool_on_disk_and_nothing_compiles_after_the_first_round(tmp_path, caplog):
    active, dataset = learner(), problem("classes")
    held = on_disk(dataset)._replace(pool_labels=None)
    step = jax.jit(active.step)
    state = first_state()
    expected = state
    for number in range(3):
        with jax.log_compiles(), caplog.at_level("WARNING"):
            caplog.clear()
            # A cell of a notebook makes the record anew.
            source = bal.Source(held.pool_inputs.rows)
            state, info = active.ask(KEY, state, held._replace(pool_inputs=source))
            asked = info.selection.indices
            state = active.tell(state, asked, np.asarray(dataset.pool_labels)[np.asarray(asked)])
        compiled = [record.message for record in caplog.records if "Finished XLA compilation" in record.message]
        assert bool(compiled) == (number == 0), compiled
        expected, expected_info = step(KEY, expected, dataset)
        assert_same(state.pool, expected.pool)
        assert_same(info.selection, expected_info.selection)
    bal.save(tmp_path / "state", state)
    assert_same(bal.load(tmp_path / "state", active, on_disk(dataset)).pool, state.pool)
    view, view_in_memory = (active.view(KEY, state, data) for data in (on_disk(dataset), dataset))
    fn = lambda x: 2 * x
    assert_same(view.map(fn), view_in_memory.map(fn))
    assert_same(view.take(jnp.array([3, 40])), view_in_memory.take(jnp.array([3, 40])))


def test_a_failing_disk_is_told_and_the_labels_are_kept():
    rows = Rows(np.asarray(problem("classes").pool_inputs))
    active, dataset = learner(), problem("classes")._replace(pool_inputs=bal.Source(rows))
    state = first_state()
    rows.failing = {int(np.flatnonzero(state.pool.available)[5])}
    with pytest.raises(ValueError, match=f"index {min(rows.failing)} of the pool, got OSError"):
        active.ask(KEY, state, dataset)
    assert int(state.pool.num_labelled) == 4
    rows.failing = set()
    _, info = active.ask(KEY, state, dataset)
    assert (info.selection.indices < 40).all()


def test_rows_that_a_strategy_does_not_use_are_not_read():
    rows = Rows(np.asarray(problem("classes").pool_inputs))
    dataset = problem("classes")._replace(pool_inputs=bal.Source(rows), target_inputs=None)
    state = first_state()
    rows.read.clear()
    learner("random").ask(KEY, state, dataset)
    assert sorted(rows.read) == sorted(np.asarray(state.pool.indices[:4]))


def test_blocks_are_divided_over_devices():
    dataset, mesh = problem("classes"), jax.sharding.Mesh(np.array(jax.devices()), ("pool",))
    _, expected = learner().ask(KEY, first_state(), on_disk(dataset))
    _, info = learner(mesh=mesh, chunk_size=3).ask(KEY, first_state(), on_disk(dataset))  # 24 points, and 16
    assert info.selection.indices.tolist() == expected.selection.indices.tolist()
    np.testing.assert_allclose(info.selection.scores, expected.selection.scores, rtol=1e-5)
    source = on_disk(dataset).pool_inputs
    counts = []
    squares = bal.stream(lambda x: counts.append(len(x)) or x**2, source, chunk_size=3, mesh=mesh)
    np.testing.assert_allclose(squares, np.square(dataset.pool_inputs), rtol=1e-6)
    assert 3 in counts  # points of a device


def test_a_control_that_reads_labels_reads_its_pool_from_one_device():
    dataset, mesh = problem("classes"), jax.sharding.Mesh(np.array(jax.devices()), ("pool",))
    _, expected = learner("true_loss").ask(KEY, first_state(), dataset)
    _, info = learner("true_loss", mesh=mesh).ask(KEY, first_state(), on_disk(dataset))
    assert info.selection.indices.tolist() == expected.selection.indices.tolist()


def test_compiled_code_and_seeds_are_refused():
    active, dataset = learner(), on_disk(problem("classes"))
    with pytest.raises(ValueError, match="called by itself, got it inside compiled code: leave jax.jit out"):
        jax.jit(active.ask)(KEY, first_state(), dataset)
    with pytest.raises(ValueError, match="expected one run at a time on a pool on disk, got jax.vmap"):
        jax.vmap(lambda key: bal.run(key, active, dataset))(jax.random.split(KEY, 2))
    with pytest.raises(ValueError, match="expected test_inputs in memory, got a pool on disk"):
        active.init(KEY, dataset._replace(test_inputs=dataset.pool_inputs, test_labels=dataset.pool_labels))


def test_loops_and_branches_that_read_run_on_the_host():
    rows = np.arange(12.0, dtype=np.float32).reshape(6, 2)

    def fn(source, start):
        def add(total, number):
            return total + bal.streaming.take_points(source, number[None])[0, 0], number * total

        total, products = jax.lax.scan(add, start, jnp.arange(4), reverse=True)
        total = jax.lax.while_loop(
            lambda x: x < 60, lambda x: x + bal.streaming.take_points(source, jnp.array([5]))[0, 1], total
        )
        # An operand that is used later, and a branch that reads.
        chosen = jax.lax.cond(
            total > 0, lambda x: bal.streaming.take_points(source, jnp.array([2])).sum() + x, lambda x: x, total
        )
        whole = jax.jit(lambda x: bal.stream(lambda chunk: chunk[:, 0] * x, source, chunk_size=4))(chosen)
        return total, products, chosen, whole, start

    expected = fn(jnp.asarray(rows), jnp.float32(1.5))
    assert_same(in_pieces(fn)(bal.Source(rows), jnp.float32(1.5)), expected)
    assert_same(in_pieces(fn)(jnp.asarray(rows), jnp.float32(1.5)), expected)
