"""Stopping criteria in the loop: the numbers are those of the models, and a run that watches is the same run."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bal
from tests.prototypes import linear_regression
from tests.test_loop import DATASET, KEY, build, compiled_run

STOP = bal.Stop(stop_set_size=20, positive=2)
WATCHING = build(stop=STOP)


@pytest.fixture(scope="module")
def watched():
    """States and infos of two seeds under one vmap."""
    keys = jnp.stack([KEY, jax.random.key(1)])
    return jax.jit(jax.vmap(lambda key: bal.run(key, WATCHING, DATASET)))(keys)


def test_a_run_that_watches_asks_for_the_same_points(watched):
    state, info = compiled_run(build())(KEY, DATASET)
    assert info.stopping is None
    assert state.stopping == ()
    assert watched[0].pool.indices[0].tolist() == state.pool.indices.tolist()
    np.testing.assert_allclose(watched[1].metrics["nll"][0], info.metrics["nll"], rtol=1e-4)


def test_the_numbers_of_each_round_are_those_of_its_model(watched):
    ask, predict = jax.jit(WATCHING.ask), jax.jit(lambda state, x: WATCHING.predictor(KEY, state)(x))
    state, previous = WATCHING.init(KEY, DATASET), None
    stop_set = np.asarray(state.stopping.indices)
    assert len(set(stop_set.tolist())) == 20
    for round_ in range(3):
        free = np.asarray(state.pool.available)[stop_set]
        state, info = ask(KEY, state, DATASET)
        found = info.stopping
        for single, series in zip(jax.tree.leaves(found), jax.tree.leaves(watched[1].stopping), strict=True):
            np.testing.assert_allclose(single, series[0, round_], rtol=2e-4, atol=1e-5)
        log_probs = np.asarray(predict(state, DATASET.pool_inputs), np.float64)
        mean = np.exp(log_probs).mean(axis=0)
        guess = mean[stop_set].argmax(axis=-1)
        if previous is None:
            assert np.isnan([found.kappa, found.f_change, found.f_change_bound]).all()
        else:
            both = ((guess == 2) & (previous == 2)).sum()
            differ = ((guess == 2) != (previous == 2)).sum()
            np.testing.assert_allclose(found.f_change, differ / (2 * both + differ), atol=1e-6)
            kappa = bal.metrics.cohen_kappa(jnp.asarray(previous), jnp.asarray(guess), num_classes=3)
            np.testing.assert_allclose(found.kappa, kappa, atol=1e-6)
        entropies = -(mean * np.log(mean)).sum(axis=-1)
        np.testing.assert_allclose(found.uncertainty, entropies[stop_set][free].mean(), rtol=1e-3)
        np.testing.assert_allclose(found.information, info.selection.scores.mean(), rtol=1e-4)
        right = mean[stop_set].max(axis=-1)[free].mean()
        np.testing.assert_allclose(found.accuracy.accuracy, right, rtol=1e-4)
        assert found.accuracy.low < right < found.accuracy.high + 1e-6
        state = WATCHING.tell(state, info.selection.indices, DATASET.pool_labels[info.selection.indices])
        previous = guess


def test_the_report_says_where_each_criterion_would_have_stopped(watched):
    info = watched[1].stopping
    thresholds = {"uncertainty": 0.3, "information": 0.2, "accuracy": 0.5, "kappa": 0.5, "f_change": 0.6, "window": 1}
    rounds = jax.vmap(lambda one: bal.stop_rounds(one, **thresholds))(info)
    for seed in range(2):
        stops = {
            "kappa": info.kappa[seed] >= 0.5,
            "f_change": info.f_change[seed] < 0.6,
            "f_change_bound": info.f_change_bound[seed] < 0.6,
            "uncertainty": info.uncertainty[seed] < 0.3,
            "information": info.information[seed] < 0.2,
            "accuracy": info.accuracy.low[seed] >= 0.5,
        }
        expected = {name: next((r for r in range(4) if stop[r]), 4) for name, stop in stops.items()}
        assert {name: int(found[seed]) for name, found in rounds.items()} == expected
    assert int(rounds["kappa"][0]) >= 1  # the first round has no model before


def test_what_cannot_be_watched_is_refused():
    with pytest.raises(ValueError, match="expected stop_set_size of at most the 48 points"):
        build(stop=bal.Stop(49)).init(KEY, DATASET)
    with pytest.raises(ValueError, match="stop_set_size to be a whole number"):
        build(stop=bal.Stop(0))
    with pytest.raises(ValueError, match="expected categorical predictions for stop, got gaussian"):
        build(bal.strategies.random(batch_size=3), linear_regression(closed=False), stop=STOP)


def test_a_state_that_watches_is_saved_and_read(tmp_path):
    state = WATCHING.init(KEY, DATASET)
    bal.save(tmp_path / "state", state)
    assert bal.load(tmp_path / "state", WATCHING, DATASET).stopping.indices.tolist() == state.stopping.indices.tolist()
    with pytest.raises(ValueError, match="stopping"):
        bal.load(tmp_path / "state", build(), DATASET)
