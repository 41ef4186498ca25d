"""What a person says: wrong answers are refused in one sentence, and nothing that was said before is lost."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import bal
from tests.test_loop import DATASET, MEANS, build

KEY = jax.random.key(0)
LEARNER = build()
STATE = LEARNER.init(KEY, DATASET)
FREE = np.flatnonzero(STATE.pool.available)[:3]
NAMES = [
    "class 99",
    "class 2**32",
    "class -1",
    "NaN",
    "1.7",
    "mask",
    "float indices",
    "twice",
    "scalars",
    "too few",
    "no rank",
]


def answer(case):
    """Indices, labels and what the sentence says."""
    ok = np.array([0, 1, 2], np.int32)
    return {
        "class 99": (FREE, np.array([0, 99, 1]), "expected classes from 0 to 2, .*99"),
        "class 2**32": (FREE, np.array([0, 2**32, 1]), "4294967296"),
        "class -1": (FREE, np.array([0, -1, 1]), "-1"),
        "NaN": (FREE, np.array([0.0, np.nan, 1.0]), "expected labels that can be held as int32, got float32"),
        "1.7": (FREE, np.array([0.0, 1.7, 1.0]), "expected labels that can be held as int32, got float32"),
        "mask": (np.arange(48) < 3, ok, "expected indices to be integers .*flatnonzero"),
        "float indices": (FREE.astype(np.float32), ok, "indices to be integers"),
        "twice": (FREE[[0, 1, 0]], ok, "expected one label a point"),
        "scalars": (FREE[0], ok[0], "expected indices to be integers of shape"),
        "too few": (FREE, ok[:2], "for each of 3 indices"),
        "no rank": (FREE, ok[:, None], "for each of 3 indices"),
    }[case]


@pytest.mark.parametrize("case", NAMES)
def test_tell_refuses(case):
    indices, labels, message = answer(case)
    with pytest.raises(ValueError, match=message):
        LEARNER.tell(STATE, indices, labels)


@pytest.mark.parametrize("case", NAMES)
def test_init_refuses_the_same_first_labels(case):
    indices, labels, message = answer(case)
    learner = build(num_initial=3)
    if case in ("too few", "scalars", "mask", "no rank", "twice", "NaN", "1.7"):
        message = "expected"
    with pytest.raises(ValueError, match=message):
        learner.init(KEY, DATASET._replace(pool_labels=None), initial=(indices, labels))


def test_a_label_that_nobody_gave_may_be_anything():
    state = LEARNER.tell(STATE, FREE, np.array([0, 99, 1]), np.array([1.0, 0.0, 1.0]))
    assert int(state.pool.num_labelled) == 8
    with pytest.raises(ValueError, match="one weight for each index"):
        LEARNER.tell(STATE, FREE, np.array([0, 1, 1]), np.array([1.0]))


def test_real_labels_of_nan_are_refused():
    network = bal.networks.mlp(num_outputs=1, hidden_sizes=(4,))
    training = {"num_steps": 1, "minibatch_size": 2}
    posterior = bal.posteriors.point_estimate(network, bal.likelihoods.gaussian(), optax.sgd(0.1), **training)
    learner = build(bal.strategies.random(batch_size=3), posterior, num_samples=1)
    dataset = bal.Dataset(DATASET.pool_inputs, DATASET.pool_inputs[:, 0])
    state = learner.init(KEY, dataset)
    with pytest.raises(ValueError, match="NaN|finite"):
        learner.tell(state, FREE, np.array([0.0, np.nan, 1.0], np.float32))
    assert float(learner.tell(state, FREE, np.array([0, 5, 1])).pool.labels[7]) == 5


def test_an_index_that_is_negative_is_absent_when_compiled():
    state = jax.jit(LEARNER.tell)(STATE, jnp.array([-1, int(FREE[1])]), jnp.array([0, 1]))
    assert int(state.pool.num_labelled) == 7
    assert state.pool.indices[6] == FREE[1]
    skipped = jax.jit(LEARNER.skip)(STATE, jnp.array([-1]))
    assert skipped.pool.available.tolist() == STATE.pool.available.tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pool_labels": DATASET.pool_labels[:40]}, "one label for each of 48 pool_inputs, got 40"),
        ({"pool_labels": DATASET.pool_labels.at[4].set(3)}, "expected classes from 0 to 2"),
        ({"test_labels": DATASET.test_labels.at[4].set(7)}, "expected classes from 0 to 2"),
        (
            {"test_inputs": DATASET.test_inputs[:0], "test_labels": DATASET.test_labels[:0]},
            "at least one point in test",
        ),
        ({"pool_inputs": {"a": DATASET.pool_inputs, "b": DATASET.pool_inputs[:40]}}, "one length along axis 0"),
    ],
)
def test_data_sets_that_are_wrong_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        LEARNER.init(KEY, DATASET._replace(**change))


def test_a_data_set_that_says_how_many_classes_it_has_is_checked_when_compiled_too():
    dataset = DATASET._replace(about=bal.types.Description(num_classes=4))
    with pytest.raises(ValueError, match="expected classes from 0 to 2"):
        jax.eval_shape(LEARNER.init, KEY, dataset)
    jax.eval_shape(LEARNER.init, KEY, dataset._replace(about=bal.types.Description(num_classes=3)))


@pytest.mark.parametrize("key", [0, jax.random.PRNGKey(0), np.uint32(3), "seed", jax.random.split(KEY, 2)])
def test_what_is_no_key_is_refused(key):
    for call in (lambda: LEARNER.init(key, DATASET), lambda: LEARNER.ask(key, STATE, DATASET)):
        with pytest.raises(ValueError, match="expected (a|one) key"):
            call()


@pytest.mark.parametrize("batch_size", [2.5, True, "3", 0, -1])
def test_a_batch_size_that_is_no_count_is_refused(batch_size):
    with pytest.raises(ValueError, match="batch_size"):
        build(bal.strategies.bald(batch_size=3)._replace(batch_size=batch_size))


def test_automatic_labels_of_a_negative_weight_are_refused():
    rule = bal.autolabel.confidence_above(0.9)
    for weight in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="weight of at least 0"):
            build(automatic=bal.Automatic(rule, 4, weight))


def test_states_and_data_of_numpy_are_accepted_everywhere():
    as_numpy = lambda tree: jax.tree.map(np.asarray, tree)
    state, info = LEARNER.ask(KEY, as_numpy(STATE), as_numpy(DATASET))
    again, _ = LEARNER.ask(KEY, STATE, DATASET)
    assert info.selection.indices.tolist() == LEARNER.ask(KEY, STATE, DATASET)[1].selection.indices.tolist()
    told = LEARNER.tell(as_numpy(state), np.asarray(info.selection.indices), [0, 1, 2])
    assert int(LEARNER.skip(as_numpy(told), [5]).pool.num_labelled) == 9
    assert LEARNER.extend(as_numpy(told), 1).pool.indices.shape == (21,)
    assert LEARNER.predictor(KEY, as_numpy(again))(DATASET.test_inputs).shape == (4, 20, 3)
    assert LEARNER.view(KEY, as_numpy(again), as_numpy(DATASET)).size == 48
    assert bal.run(KEY, LEARNER, as_numpy(DATASET))[0].pool.indices.shape == (18,)


def test_help_says_what_a_function_of_the_learner_takes():
    for name in ("init", "ask", "tell", "skip", "step", "extend", "view", "predictor"):
        assert "Args:" in getattr(LEARNER, name).__doc__, name
    assert MEANS.likelihood.predicts == "categorical"


def test_labels_of_bytes_are_held_and_told_as_other_integers_are():
    dataset = DATASET._replace(
        pool_labels=DATASET.pool_labels.astype(jnp.uint8), test_labels=DATASET.test_labels.astype(jnp.uint8)
    )
    state = LEARNER.init(KEY, dataset)
    assert LEARNER.tell(state, FREE, [0, 1, 2]).pool.labels[6:9].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="held as uint8, got values from 0 to 257"):
        LEARNER.tell(state, FREE, [0, 257, 2])
