"""A simulated oracle: its errors have the given rates, it is paired, paid and asked again as told, and is no burden."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bal
from bal.oracle import begin_asking, consult
from bal.pool import empty_pool
from tests.prototypes import linear_regression
from tests.test_loop import DATASET, KEY, build, compiled_run

PERFECT = bal.Oracle(jnp.eye(3))
TRUTH = np.asarray(DATASET.pool_labels)


def ask_all(oracle, labels, key=KEY):
    """One answer about each of many points: answers, whether they were given, and the state."""
    size = len(labels)
    dataset = bal.Dataset(jnp.zeros((size, 1)), labels)

    @jax.jit
    def ask():
        pool = empty_pool(size, size, labels)
        return consult(key, oracle, begin_asking(oracle, dataset), pool, jnp.arange(size), labels)

    pool, state = ask()
    given = np.zeros(size, bool)
    given[np.asarray(pool.indices[: int(pool.num_labelled)])] = True
    answers = np.full(size, -1)
    answers[np.asarray(pool.indices)[: given.sum()]] = np.asarray(pool.labels)[: given.sum()]
    assert not np.asarray(pool.available).any()
    return answers, given, state


def test_errors_and_abstentions_have_their_rates_and_every_question_is_paid():
    confusion = jnp.array([[0.7, 0.3, 0.0], [0.0, 1.0, 0.0], [0.1, 0.2, 0.7]])
    oracle = bal.Oracle(confusion, abstention=jnp.array([0.0, 0.5, 0.2]), cost=jnp.array([1.0, 2.0, 4.0]))
    labels = jax.device_put(np.repeat(np.arange(3, dtype=np.int32), 3000))
    answers, given, state = ask_all(oracle, labels)
    for c in range(3):
        of_class = np.asarray(labels) == c
        assert abs((~given[of_class]).mean() - [0.0, 0.5, 0.2][c]) < 4 * np.sqrt(0.25 / 3000)
        found = np.bincount(answers[of_class & given], minlength=3) / (of_class & given).sum()
        np.testing.assert_allclose(found, confusion[c], atol=4 * np.sqrt(0.25 / 1500))
        assert (found[np.asarray(confusion[c]) == 0] == 0).all()
    assert int(state.num_abstained) == (~given).sum()
    assert float(state.cost) == 3000 * 7
    assert (np.asarray(state.num_asked) == 1).all()


def test_an_answer_depends_on_the_key_and_the_point_not_on_what_else_is_asked():
    oracle = bal.Oracle(bal.even_errors(jnp.full(3, 0.5)))
    labels = jax.device_put(np.arange(40, dtype=np.int32) % 3)
    answers = ask_all(oracle, labels)[0]
    other = ask_all(oracle, labels, jax.random.key(1))[0]
    assert (answers != other).any()

    @jax.jit
    def ask_some():
        dataset, pool = bal.Dataset(jnp.zeros((40, 1)), labels), empty_pool(40, 6, labels)
        asked = jnp.array([31, 40, 4])  # 40 is absent
        truth = labels.at[asked].get(mode="fill", fill_value=0)
        return consult(KEY, oracle, begin_asking(oracle, dataset), pool, asked, truth)

    pool, state = ask_some()
    assert pool.labels[:2].tolist() == answers[[31, 4]].tolist()
    assert pool.indices.tolist() == [31, 4, 40, 40, 40, 40]
    assert (int(state.num_asked.sum()), float(state.cost)) == (2, 2.0)


def test_a_perfect_oracle_is_the_run_without_one_and_reports_its_price():
    state, info = compiled_run(build(oracle=PERFECT))(KEY, DATASET)
    plain_state, plain_info = compiled_run(build())(KEY, DATASET)
    assert plain_state.oracle == ()
    assert plain_info.oracle is None
    assert state.pool.indices.tolist() == plain_state.pool.indices.tolist()
    assert state.pool.labels.tolist() == plain_state.pool.labels.tolist()
    np.testing.assert_allclose(info.metrics["nll"], plain_info.metrics["nll"], rtol=1e-5)
    assert info.oracle.num_asked.tolist() == info.oracle.cost.tolist() == [6, 9, 12, 15]
    assert info.oracle.num_wrong.tolist() == info.oracle.num_abstained.tolist() == [0, 0, 0, 0]


def test_a_run_trains_on_the_answers_and_does_not_ask_again_where_there_was_none():
    oracle = bal.Oracle(bal.even_errors(jnp.full(3, 0.4)), abstention=0.3)
    program = jax.jit(jax.vmap(lambda key: bal.run(key, build(oracle=oracle), DATASET)))
    state, info = jax.device_get(program(jnp.stack([KEY, jax.random.key(1)])))
    for seed in range(2):
        pool = jax.tree.map(lambda leaf, seed=seed: leaf[seed], state.pool)
        asked = info.selection.indices[seed].ravel()
        assert len(set(asked.tolist())) == asked.size == 12
        times = state.oracle.num_asked[seed]
        assert times.max() == 1
        assert times.sum() == state.oracle.cost[seed] == 18
        assert not pool.available[times > 0].any()
        assert pool.num_labelled == 18 - state.oracle.num_abstained[seed] < 18
        held, labels = pool.indices[: pool.num_labelled], pool.labels[: pool.num_labelled]
        wrong = np.cumsum(labels != TRUTH[held])
        counts = info.num_labelled[seed]
        assert wrong[-1] > 0
        assert info.oracle.num_wrong[seed].tolist() == wrong[counts - 1].tolist()
        assert (counts + info.oracle.num_abstained[seed]).tolist() == info.oracle.num_asked[seed].tolist()
    assert state.pool.labels[0].tolist() != state.pool.labels[1].tolist()


def test_labels_that_are_given_are_not_asked_for():
    learner = build(oracle=bal.Oracle(bal.even_errors(jnp.full(3, 1.0))))
    state = learner.init(KEY, DATASET, (jnp.arange(6), DATASET.pool_labels[:6]))
    assert state.pool.labels[:6].tolist() == TRUTH[:6].tolist()
    assert int(state.oracle.num_asked.sum()) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"confusion": jnp.eye(2)}, "an oracle that knows the 3 classes of the pool, got one of 2"),
        ({"confusion": jnp.eye(4)}, "got"),  # the posterior has three classes
        ({"confusion": jnp.ones(3)}, r"a confusion matrix \[C, C\], got shape \[3\]"),
        ({"confusion": jnp.full((3, 3), 0.5)}, "rows of a confusion matrix that sum to 1"),
        ({"confusion": jnp.full((3, 3), jnp.nan)}, "confusion between 0 and 1"),
        ({"abstention": 1.5}, "abstention between 0 and 1"),
        ({"abstention": jnp.zeros(2)}, "one abstention, or one for each of 3 classes"),
        ({"cost": -1.0}, "cost of at least 0"),
        ({"max_answers": 0}, "max_answers to be a whole number of at least 1"),
    ],
)
def test_an_oracle_that_does_not_fit_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        build(oracle=PERFECT._replace(**change)).init(KEY, DATASET)


def test_what_no_oracle_can_confuse_is_refused():
    with pytest.raises(ValueError, match="categorical predictions for an oracle, got gaussian"):
        build(bal.strategies.random(batch_size=3), linear_regression(closed=False), oracle=PERFECT)
    with pytest.raises(ValueError, match="expected pool_labels for a simulated oracle"):
        build(oracle=PERFECT).init(KEY, DATASET._replace(pool_labels=None), (jnp.arange(6), DATASET.pool_labels[:6]))
    with pytest.raises(ValueError, match="rates between 0 and 1"):
        bal.even_errors(jnp.array([0.1, 2.0]))
    with pytest.raises(ValueError, match="at least two classes"):
        bal.even_errors(jnp.array([0.1]))
