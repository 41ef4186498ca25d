"""Automatic labels in the loop: apart from a person's, afresh in each round, nothing where they are switched off."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bal
from bal.autolabel import confidence_above, entropy_below, risk_controlled
from bal.datasets import hold_out_calibration
from tests.prototypes import linear_regression
from tests.test_loop import DATASET, DROPOUT, MEANS, ONLY, assert_same, blobs, build

AUTOMATIC = bal.Automatic(confidence_above(0.6), max_automatic=10)


def steps(learner, dataset=DATASET, key=0):
    """State and info after each round."""
    step = jax.jit(learner.step)
    state, seen = learner.init(jax.random.key(key), dataset), []
    for _ in range(learner.num_rounds):
        state, info = step(jax.random.key(key), state, dataset)
        seen.append((state, info))
    return seen


@pytest.fixture(scope="module")
def rounds():
    return steps(build(automatic=AUTOMATIC))


def held(indices):
    return [index for index in indices.tolist() if index < 48]


def test_labels_of_a_person_and_of_the_machine_and_neither_partition_the_pool(rounds):
    for state, _ in rounds:
        person, machine = held(state.pool.indices), held(state.automatic.indices)
        assert len(set(person) | set(machine)) == len(person) + len(machine)
        assert state.pool.available.sum() == 48 - len(person)
        assert state.pool.available[jnp.array(machine)].all()


def test_the_budget_counts_labels_of_a_person_only(rounds):
    assert [int(info.num_labelled) for _, info in rounds] == [6, 9, 12, 15]
    assert [int(state.pool.num_labelled) for state, _ in rounds] == [9, 12, 15, 18]


def test_each_round_records_what_was_labelled_and_how_right_it_is(rounds):
    for state, info in rounds:
        machine, seen = jnp.array(held(state.automatic.indices)), info.automatic
        labels = state.automatic.labels[: len(machine)]
        right = labels == DATASET.pool_labels[machine]
        assert 0 < int(seen.num_automatic) == len(machine) <= 10
        assert float(seen.precision) == pytest.approx(float(right.mean()))
        wrong = jnp.bincount(DATASET.pool_labels[machine][~right], length=3)
        np.testing.assert_array_equal(seen.wrong_by_class, wrong)
        assert float(seen.coverage) == pytest.approx(len(machine) / int(state.pool.available.sum()))
        uncertainty = state.automatic.uncertainty[: len(machine)]
        assert (uncertainty[1:] >= uncertainty[:-1]).all()
        assert (uncertainty < seen.threshold).all()


def test_the_labels_are_those_of_the_model_for_its_most_certain_points():
    learner = build(automatic=AUTOMATIC._replace(max_automatic=4), num_rounds=1)
    start = learner.init(jax.random.key(0), DATASET)
    state, info = jax.jit(learner.ask)(jax.random.key(0), start, DATASET)
    keys = [jax.random.fold_in(key, 0) for key in bal.split_keys(jax.random.key(0))]
    draws = MEANS.sample(bal.types.Keys(*keys).samples, state.posterior, 4)
    mean = jnp.exp(MEANS.predict(state.posterior, draws, DATASET.pool_inputs)).mean(axis=0)
    taken = jnp.concatenate([start.pool.indices[:6], info.selection.indices])
    confidence = mean.max(axis=-1).at[taken].set(0.0)
    chosen = state.automatic.indices
    # Confidences near 1 tie by rounding.
    np.testing.assert_allclose(confidence[chosen], jnp.sort(confidence)[::-1][:4], rtol=1e-6)
    assert state.automatic.labels.tolist() == mean.argmax(axis=-1)[chosen].tolist()


def test_the_next_round_learns_from_automatic_labels_and_the_first_has_none():
    learners = [build(automatic=a) for a in (None, AUTOMATIC, AUTOMATIC._replace(weight=0.0))]
    plain, machine, unweighted = ([info.metrics["nll"] for _, info in steps(learner)] for learner in learners)
    np.testing.assert_allclose(machine[0], plain[0], rtol=1e-5)
    assert abs(machine[1] - plain[1]) > 1e-4
    np.testing.assert_allclose(unweighted, plain, rtol=1e-4)


def test_a_threshold_of_zero_is_plain_active_learning():
    plain = steps(build(posterior=DROPOUT, num_rounds=3))
    zero = bal.Automatic(entropy_below(0.0), max_automatic=48)
    nothing = steps(build(posterior=DROPOUT, num_rounds=3, automatic=zero))
    for (a, a_info), (b, b_info) in zip(plain, nothing, strict=True):
        assert a.pool.indices.tolist() == b.pool.indices.tolist()
        assert_same(a_info.metrics, b_info.metrics, rtol=1e-4, atol=1e-6)
        assert int(b_info.automatic.num_automatic) == 0
        assert np.isnan(b_info.automatic.precision)
        assert (a.automatic, a_info.automatic) == ((), None)


def test_labels_are_chosen_afresh_in_each_round():
    rule = entropy_below(1.0, rate=0.4)
    seen = steps(build(automatic=bal.Automatic(rule, max_automatic=48)))
    np.testing.assert_allclose([info.automatic.threshold for _, info in seen], [1.0, 0.6, 0.2, 0.0], atol=1e-6)
    counts = [int(info.automatic.num_automatic) for _, info in seen]
    assert counts[0] > counts[1] > counts[2] >= counts[3] == 0


def test_a_label_of_a_person_replaces_an_automatic_one():
    learner = build(automatic=AUTOMATIC)
    ask = jax.jit(learner.ask)
    state, _ = ask(jax.random.key(0), learner.init(jax.random.key(0), DATASET), DATASET)
    first, second, third = state.automatic.indices[:3]
    told = learner.tell(state, jnp.array([first, second]), jnp.array([1, 2]), jnp.array([1.0, 0.0]))
    assert int(first) in told.pool.indices.tolist()
    # The person did not know the second one, so it keeps its automatic label.
    assert held(told.automatic.indices) == held(state.automatic.indices)[1:]
    skipped = learner.skip(told, jnp.array([third]))
    assert int(third) not in skipped.automatic.indices.tolist()
    fitted, _ = ask(jax.random.key(0), skipped, DATASET)
    assert not set(held(fitted.automatic.indices)) & {int(first), int(third)}
    assert fitted.pool.labels[6] == 1


def test_runs_with_automatic_labels_are_vmapped_and_scanned():
    learner = build(automatic=AUTOMATIC)
    keys = jax.random.split(jax.random.key(0), 2)
    together, info = jax.jit(jax.vmap(lambda key: bal.run(key, learner, DATASET)))(keys)
    alone, _ = jax.jit(lambda key: bal.run(key, learner, DATASET))(keys[1])
    assert together.automatic.indices[1].tolist() == alone.automatic.indices.tolist()
    assert info.automatic.wrong_by_class.shape == (2, 4, 3)


def test_a_pool_subset_gives_pool_indices():
    learner = build(automatic=AUTOMATIC._replace(max_automatic=8), pool_subset_size=8)
    for state, info in steps(learner):
        machine = jnp.array(held(state.automatic.indices))
        assert state.pool.available[machine].all()
        assert len(machine) == int(info.automatic.num_automatic) <= 8 - 3
        right = state.automatic.labels[: len(machine)] == DATASET.pool_labels[machine]
        assert float(info.automatic.precision) == pytest.approx(float(right.mean()))


def test_the_pool_labels_are_not_read_to_label_automatically():
    learner = build(automatic=AUTOMATIC, num_rounds=2)
    state = steps(learner)[-1][0]
    unread = jnp.ones(48, bool).at[state.pool.indices].set(False)
    spoilt = DATASET._replace(pool_labels=jnp.where(unread, 2 - DATASET.pool_labels, DATASET.pool_labels))
    again = steps(learner, spoilt)[-1][0]
    assert_same(again.automatic, state.automatic, rtol=1e-6)
    unlabelled = DATASET._replace(pool_labels=None)
    initial = (state.pool.indices[:6], state.pool.labels[:6])
    asked, info = jax.jit(learner.ask)(
        jax.random.key(0), learner.init(jax.random.key(0), unlabelled, initial), unlabelled
    )
    assert info.automatic.precision is None
    assert int(info.automatic.num_automatic) == len(held(asked.automatic.indices))


def test_calibration_points_come_from_the_data_set_and_are_counted():
    dataset = hold_out_calibration(jax.random.key(1), blobs(num_points=148), num_calibration=100)
    rule = risk_controlled(0.2, confidence=0.9)
    learner = build(automatic=bal.Automatic(rule, max_automatic=48), num_initial=24, num_rounds=2)
    for state, info in steps(learner, dataset):
        assert int(info.automatic.num_calibration) == 100
        assert info.automatic.is_satisfied
        assert len(held(state.automatic.indices)) > 10
    # Were all calibration points wrong, nothing could be promised.
    wrong = dataset._replace(calibration=dataset.calibration._replace(labels=(dataset.calibration.labels + 1) % 3))
    _, info = jax.jit(learner.step)(jax.random.key(0), learner.init(jax.random.key(0), wrong), wrong)
    assert not info.automatic.is_satisfied
    assert int(info.automatic.num_automatic) == 0


@pytest.mark.parametrize(
    ("automatic", "change", "message"),
    [
        (AUTOMATIC._replace(max_automatic=0), {}, "max_automatic to be a whole number of at least 1, got 0"),
        (AUTOMATIC._replace(max_automatic=49), {}, "max_automatic"),
        (bal.Automatic(risk_controlled(0.01), 5), {}, "299 calibration points"),
        (AUTOMATIC, {"pool_labels": DATASET.pool_labels.astype(jnp.float32)}, "labels of an integer dtype"),
    ],
)
def test_settings_and_data_that_do_not_fit_are_refused_by_init(automatic, change, message):
    with pytest.raises(ValueError, match=message):
        build(automatic=automatic).init(jax.random.key(0), DATASET._replace(**change))


def test_a_regression_is_refused():
    with pytest.raises(ValueError, match="expected categorical predictions for automatic labelling, got gaussian"):
        build(bal.strategies.random(batch_size=3), linear_regression(closed=False), automatic=AUTOMATIC)


@pytest.mark.parametrize("name", ["bald", "random", "k_center", "batch_bald"])
def test_the_pool_is_predicted_once_a_round(name):
    """Whether the rule predicts in its first pass, or not at all."""

    def predict(state, draws, inputs):
        # A primitive that occurs nowhere else, once for each place in the program that predicts.
        return MEANS.predict(state, draws, jnp.tan(inputs))

    strategy = bal.strategies.STRATEGIES[name](batch_size=3)
    learner = build(strategy, MEANS._replace(predict=predict, features=ONLY), automatic=AUTOMATIC, chunk_size=7)
    untested = DATASET._replace(test_inputs=None, test_labels=None)
    state = learner.init(jax.random.key(0), untested)
    program = jax.make_jaxpr(lambda state: learner.ask(jax.random.key(0), state, untested))(state)
    assert str(program).count(" tan ") == 1
