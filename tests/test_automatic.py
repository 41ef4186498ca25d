"""Automatic labels in the loop: apart from a person's, afresh in each round, nothing where they are switched off."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bal
from bal.autolabel import confidence_above, entropy_below, risk_controlled
from bal.datasets import hold_out_calibration
from tests.prototypes import linear_regression
from tests.test_loop import (
    DATASET,
    DROPOUT,
    MEANS,
    ONLY,
    assert_same,
    blobs,
    build,
    compiled_run,
    dropout_program,
    program,
    spoil,
)

LABELS = np.asarray(DATASET.pool_labels)
AUTOMATIC = bal.Automatic(confidence_above(0.6), max_automatic=10)


@functools.cache
def compiled_step():
    """A round with automatic labels."""
    return jax.jit(build(automatic=AUTOMATIC).step)


def steps(learner, step, dataset=DATASET):
    """State and info after each round."""
    state, seen = learner.init(jax.random.key(0), dataset), []
    for _ in range(learner.num_rounds):
        state, info = step(jax.random.key(0), state, dataset)
        seen.append(jax.device_get((state, info)))
    return seen


@pytest.fixture(scope="module")
def rounds():
    return steps(build(automatic=AUTOMATIC), compiled_step())


def held(indices):
    return [index for index in indices.tolist() if index < 48]


def test_labels_of_a_person_and_of_the_machine_and_neither_partition_the_pool(rounds):
    for state, _ in rounds:
        person, machine = held(state.pool.indices), held(state.automatic.indices)
        assert len(set(person) | set(machine)) == len(person) + len(machine)
        assert state.pool.available.sum() == 48 - len(person)
        assert state.pool.available[np.array(machine)].all()


def test_all_rounds_are_one_program(rounds):
    assert compiled_step()._cache_size() == 1


def test_the_budget_counts_labels_of_a_person_only(rounds):
    assert [int(info.num_labelled) for _, info in rounds] == [6, 9, 12, 15]
    assert [int(state.pool.num_labelled) for state, _ in rounds] == [9, 12, 15, 18]


def test_each_round_records_what_was_labelled_and_how_right_it_is(rounds):
    for state, info in rounds:
        machine, seen = np.array(held(state.automatic.indices)), info.automatic
        labels = state.automatic.labels[: len(machine)]
        right = labels == LABELS[machine]
        assert 0 < int(seen.num_automatic) == len(machine) <= 10
        assert float(seen.precision) == pytest.approx(float(right.mean()))
        wrong = np.bincount(LABELS[machine][~right], minlength=3)
        np.testing.assert_array_equal(seen.wrong_by_class, wrong)
        assert float(seen.coverage) == pytest.approx(len(machine) / int(state.pool.available.sum()))
        uncertainty = state.automatic.uncertainty[: len(machine)]
        assert (uncertainty[1:] >= uncertainty[:-1]).all()
        assert (uncertainty < seen.threshold).all()


def test_the_labels_are_those_of_the_model_for_its_most_certain_points(rounds):
    state, info = rounds[0]

    @jax.jit
    def mean_of(belief):
        """Mean prediction of the first round."""
        draws = MEANS.sample(jax.random.fold_in(bal.split_keys(jax.random.key(0)).samples, 0), belief, 4)
        return jnp.exp(MEANS.predict(belief, draws, DATASET.pool_inputs)).mean(axis=0)

    mean = np.asarray(mean_of(state.posterior))
    taken = np.concatenate([state.pool.indices[:6], info.selection.indices])
    confidence = mean.max(axis=-1)
    confidence[taken] = 0.0
    chosen = np.asarray(state.automatic.indices)
    assert (chosen < 48).all(), "expected more certain points than may be labelled"
    # Confidences near 1 tie by rounding.
    np.testing.assert_allclose(confidence[chosen], np.sort(confidence)[::-1][:10], rtol=1e-6)
    assert state.automatic.labels.tolist() == mean.argmax(axis=-1)[chosen].tolist()


def test_the_next_round_learns_from_automatic_labels_and_the_first_has_none():
    def nll(weight):
        learner = build(automatic=AUTOMATIC._replace(weight=weight))
        return bal.run(jax.random.key(0), learner, DATASET)[1].metrics["nll"]

    machine, unweighted = jax.device_get(jax.jit(jax.vmap(nll))(np.array([1.0, 0.0], np.float32)))
    plain = np.asarray(program()(jax.random.key(0), DATASET)[1].metrics["nll"])
    np.testing.assert_allclose(machine[0], plain[0], rtol=1e-5)
    assert abs(machine[1] - plain[1]) > 1e-4
    np.testing.assert_allclose(unweighted, plain, rtol=1e-4)


def test_a_threshold_of_zero_is_plain_active_learning():
    zero = bal.Automatic(entropy_below(0.0), max_automatic=48)
    plain, info = dropout_program(2)(jax.random.key(0), DATASET)
    learner = build(posterior=DROPOUT, num_rounds=2, automatic=zero)
    nothing, nothing_info = compiled_run(learner)(jax.random.key(0), DATASET)
    assert nothing.pool.indices.tolist() == plain.pool.indices.tolist()
    assert_same(nothing_info.metrics, info.metrics, rtol=1e-4, atol=1e-6)
    assert nothing_info.automatic.num_automatic.tolist() == [0, 0]
    assert np.isnan(nothing_info.automatic.precision).all()
    assert (plain.automatic, info.automatic) == ((), None)


def test_labels_are_chosen_afresh_in_each_round():
    rule = entropy_below(1.0, rate=0.4)
    learner = build(automatic=bal.Automatic(rule, max_automatic=48))
    info = compiled_run(learner)(jax.random.key(0), DATASET)[1].automatic
    np.testing.assert_allclose(info.threshold, [1.0, 0.6, 0.2, 0.0], atol=1e-6)
    counts = info.num_automatic.tolist()
    assert counts[0] > counts[1] > counts[2] >= counts[3] == 0


def test_a_label_of_a_person_replaces_an_automatic_one(rounds):
    learner, (state, _) = build(automatic=AUTOMATIC), rounds[0]
    first, second, third = state.automatic.indices[:3].tolist()
    told = learner.tell(state, np.array([first, second]), np.array([1, 2], np.int32), np.array([1.0, 0.0], np.float32))
    assert first in told.pool.indices.tolist()
    # The person did not know the second one, so it keeps its automatic label.
    assert held(told.automatic.indices) == held(state.automatic.indices)[1:]
    skipped = learner.skip(told, np.array([third]))
    assert third not in skipped.automatic.indices.tolist()
    fitted, _ = compiled_step()(jax.random.key(0), skipped, DATASET)
    assert not set(held(fitted.automatic.indices)) & {first, third}
    # Six initial labels and three of the first round stand before it.
    assert fitted.pool.labels[9] == 1


def test_runs_with_automatic_labels_are_vmapped_and_scanned(rounds):
    run = compiled_run(build(automatic=AUTOMATIC))
    keys = jax.vmap(jax.random.key)(np.arange(2))
    together, info = jax.jit(jax.vmap(run, in_axes=(0, None)))(keys, DATASET)
    assert together.automatic.indices[0].tolist() == rounds[-1][0].automatic.indices.tolist()
    assert info.automatic.wrong_by_class.shape == (2, 4, 3)


def test_a_pool_subset_gives_pool_indices():
    learner = build(automatic=AUTOMATIC._replace(max_automatic=8), pool_subset_size=8)
    for state, info in steps(learner, jax.jit(learner.step)):
        machine = np.array(held(state.automatic.indices), int)
        assert state.pool.available[machine].all()
        assert len(machine) == int(info.automatic.num_automatic) <= 8 - 3
        right = state.automatic.labels[: len(machine)] == LABELS[machine]
        assert float(info.automatic.precision) == pytest.approx(float(right.mean()))


def test_the_pool_labels_are_not_read_to_label_automatically(rounds):
    learner, state = build(automatic=AUTOMATIC), rounds[-1][0]
    spoilt = DATASET._replace(pool_labels=spoil(DATASET.pool_labels, state.pool.indices))
    again = steps(learner, compiled_step(), spoilt)[-1][0]
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
    step = jax.jit(learner.step)
    for state, info in steps(learner, step, dataset):
        assert int(info.automatic.num_calibration) == 100
        assert info.automatic.is_satisfied
        assert len(held(state.automatic.indices)) > 10
    # Were all calibration points wrong, nothing could be promised.
    wrong = dataset._replace(calibration=dataset.calibration._replace(labels=(dataset.calibration.labels + 1) % 3))
    _, info = step(jax.random.key(0), learner.init(jax.random.key(0), wrong), wrong)
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
