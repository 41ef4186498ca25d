"""Labels that look wrong are asked for again: which, how often, and what becomes of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bal
from tests.test_loop import DATASET, KEY, build, compiled_run

OFTEN_WRONG = bal.Oracle(bal.even_errors(jnp.full(3, 0.3)), max_answers=2)
RANDOM = bal.strategies.random(batch_size=3)
AGAIN = bal.strategies.relabelling(RANDOM, most=2, certainty=0.6)
TRUTH = np.asarray(DATASET.pool_labels)


def test_the_most_certain_contradictions_take_the_last_places_of_the_batch():
    learner = build(AGAIN, oracle=OFTEN_WRONG)
    plain = build(RANDOM, oracle=OFTEN_WRONG)
    step, ask_plain = jax.jit(learner.step), jax.jit(plain.ask)
    predict = jax.jit(lambda state, inputs: learner.predictor(KEY, state)(inputs))
    state, seen = learner.init(KEY, DATASET), 0
    for _ in range(4):
        _, without = ask_plain(KEY, state, DATASET)
        before = jax.device_get(state)
        state, info = step(KEY, state, DATASET)
        held = before.pool.indices[: int(before.pool.num_labelled)]
        probs = np.exp(np.asarray(predict(state, DATASET.pool_inputs[held]), np.float64)).mean(axis=0)
        certain = probs.max(axis=-1)
        doubted = (probs.argmax(axis=-1) != before.pool.labels[: len(held)]) & (certain >= 0.6)
        doubted &= before.oracle.num_asked[held] == 1
        order = [int(held[i]) for i in np.argsort(-certain) if doubted[i]][:2]
        expected = without.selection.indices.tolist()
        for rank, index in enumerate(order):
            expected[2 - rank] = index
        assert info.selection.indices.tolist() == expected
        seen += len(order)
        for index in order:
            assert int(state.oracle.num_asked[index]) == 2
    assert seen > 0
    assert int(state.oracle.num_asked.sum()) == 18
    assert int(state.pool.num_labelled) == 18 - seen


def test_a_second_answer_replaces_the_first_and_no_label_is_asked_for_a_third_time():
    program = jax.jit(jax.vmap(lambda key: bal.run(key, build(AGAIN, oracle=OFTEN_WRONG, num_rounds=8), DATASET)))
    state, info = jax.device_get(program(jax.random.split(KEY, 4)))
    assert state.oracle.num_asked.max() == 2
    changed = 0
    for seed in range(4):
        count = state.pool.num_labelled[seed]
        held, labels = state.pool.indices[seed, :count], state.pool.labels[seed, :count]
        assert len(set(held.tolist())) == count
        assert state.oracle.cost[seed] == 6 + 8 * 3 == state.oracle.num_asked[seed].sum()
        again = state.oracle.num_asked[seed][held] == 2
        changed += (labels[again] == TRUTH[held][again]).sum()
    # Doubted labels are mostly wrong ones, and second answers mostly right.
    assert changed >= 0.5 * (state.oracle.num_asked == 2).sum() > 0


def test_where_nothing_is_suspicious_the_strategy_has_its_batch():
    perfect = bal.Oracle(jnp.eye(3), max_answers=2)
    wary = bal.strategies.relabelling(RANDOM, most=3, certainty=1.0)
    found, plain = (compiled_run(build(one, oracle=perfect))(KEY, DATASET)[0] for one in (wary, RANDOM))
    assert found.pool.indices.tolist() == plain.pool.indices.tolist()


def test_what_cannot_be_asked_again_is_refused():
    with pytest.raises(ValueError, match="most of at most the batch size 3, got 4"):
        bal.strategies.relabelling(RANDOM, most=4)
    with pytest.raises(ValueError, match="certainty between 0 and 1"):
        bal.strategies.relabelling(RANDOM, most=2, certainty=2.0)
    with pytest.raises(ValueError, match="a strategy for classes, got one for gaussian"):
        bal.strategies.relabelling(bal.strategies.gaussian_bald(batch_size=3), most=2)
    for settings in ({}, {"oracle": OFTEN_WRONG._replace(max_answers=1)}, {"pool_subset_size": 10}):
        learner = build(AGAIN, **{"oracle": OFTEN_WRONG, **settings} if settings else {})
        state = learner.init(KEY, DATASET)
        with pytest.raises(ValueError, match="labels that may be asked for again"):
            jax.eval_shape(learner.step, KEY, state, DATASET)
