"""The information of a given batch against enumeration in float64, and the identities of sets."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal import acquisition
from bal.selection import joint_information

bald = jax.jit(acquisition.bald)


def entropy_loop(probs):
    return -sum(p * np.log(p) for p in np.ravel(probs) if p > 0)


def joint_information_loop(probs, batch):
    """H[y_1..B] - E_s H[y_1..B | s], by enumerating the labels of the batch. [S, N, C] in float64."""
    num_draws, _, num_classes = probs.shape
    joint = np.array(
        [
            [
                np.prod([probs[s, point, label] for point, label in zip(batch, labels, strict=True)])
                for s in range(num_draws)
            ]
            for labels in itertools.product(range(num_classes), repeat=len(batch))
        ]
    )
    return entropy_loop(joint.mean(axis=1)) - np.mean([entropy_loop(joint[:, s]) for s in range(num_draws)])


def random_probs(seed, num_points=6, num_draws=8, num_classes=3):
    return np.random.default_rng(seed).dirichlet(np.full(num_classes, 0.4), size=(num_draws, num_points))


def to_log(probs):
    with np.errstate(divide="ignore"):
        return jax.device_put(np.log(probs).astype(np.float32))


def exact(log_probs, batch):
    num_configurations = log_probs.shape[2] ** max(1, len(batch))
    indices = jax.device_put(np.array(batch, np.int32))
    return float(
        joint_information(jax.random.key(0), log_probs, indices, num_configurations=num_configurations).information
    )


@pytest.mark.parametrize("batch", [[2], [0, 3], [4, 1, 1], [0, 1, 2, 3]])
def test_information_equals_enumeration(batch):
    probs = random_probs(0)
    np.testing.assert_allclose(exact(to_log(probs), batch), joint_information_loop(probs, batch), atol=3e-6)


def test_one_point_has_its_bald():
    log_probs = to_log(random_probs(0))
    np.testing.assert_allclose([exact(log_probs, [i]) for i in range(6)], bald(log_probs), atol=1e-6)


def test_information_is_monotone_submodular_subadditive_and_bounded():
    log_probs = to_log(random_probs(1))
    information = {
        batch: exact(log_probs, list(batch))
        for size in (1, 2, 3, 4)
        for batch in itertools.combinations(range(6), size)
    } | {(): 0.0}
    scores = np.asarray(bald(log_probs))
    for batch, value in information.items():
        assert value <= scores[list(batch)].sum() + 1e-5
        assert value <= np.log(8) + 1e-5
        for point in set(range(6)) - set(batch):
            larger = tuple(sorted((*batch, point)))
            if larger not in information:
                continue
            gain = information[larger] - value
            assert gain >= -1e-5
            for dropped in batch:
                subset = tuple(i for i in batch if i != dropped)
                assert information[tuple(sorted((*subset, point)))] - information[subset] >= gain - 1e-5


def test_the_order_of_the_batch_does_not_matter():
    log_probs = to_log(random_probs(0))
    np.testing.assert_allclose(exact(log_probs, [3, 0, 5]), exact(log_probs, [5, 3, 0]), atol=2e-6)


def test_the_joint_entropy_is_below_the_sum_and_above_the_largest_entropy():
    """And given the draw, entropies add: H(Y) = information + mean of the sums."""
    probs = random_probs(2)
    entropies = [entropy_loop(probs[:, i].mean(axis=0)) for i in range(3)]
    given_draw = np.mean([sum(entropy_loop(probs[s, i]) for i in range(3)) for s in range(8)])
    joint = exact(to_log(probs), [0, 1, 2]) + given_draw
    assert max(entropies) <= joint <= sum(entropies)


def test_points_that_depend_on_independent_halves_of_the_draws_add_up():
    halves = random_probs(0, num_draws=2)
    first, second = halves[[0, 0, 1, 1], 0], halves[[0, 1, 0, 1], 1]
    log_probs = to_log(np.stack([first, second], axis=1))
    single = np.asarray(bald(log_probs))
    np.testing.assert_allclose(exact(log_probs, [0, 1]), single.sum(), atol=2e-6)
    assert single.min() > 0.01


def test_a_copy_adds_less_than_its_bald_and_nothing_where_every_draw_is_sure():
    log_probs = to_log(random_probs(0))
    single = exact(log_probs, [1])
    assert single < exact(log_probs, [1, 1]) < 2 * single
    sure = to_log(np.eye(3)[[[0], [1], [2], [1]]])
    assert exact(sure, [0, 0, 0]) == pytest.approx(exact(sure, [0]), abs=1e-6)
    assert exact(sure, [0]) == pytest.approx(1.5 * np.log(2), abs=1e-6)


def test_saturated_predictions_of_a_large_batch_are_finite(rng_key):
    log_probs = to_log(np.eye(10)[np.random.default_rng(0).integers(0, 10, (16, 40))])
    result = joint_information(rng_key, log_probs, jnp.arange(40), num_configurations=200)
    np.testing.assert_allclose(result.information, np.log(16), atol=1e-5)
    assert np.isfinite(result.standard_error)


def test_sampled_and_exact_information_agree_within_the_standard_error():
    log_probs = to_log(random_probs(3, num_draws=20))
    batch = jnp.arange(5)
    truth = exact(log_probs, range(5))
    keys = jax.random.split(jax.random.key(0), 20)
    results = jax.device_get(
        jax.jit(jax.vmap(lambda key: joint_information(key, log_probs, batch, num_configurations=200)))(keys)
    )
    assert ((results.standard_error > 0) & (results.standard_error < 0.1)).all()
    errors = (results.information - truth) / results.standard_error
    assert max(np.abs(errors)) < 3.5
    assert abs(np.mean(errors)) < 3 / 20**0.5
    assert np.std(errors) > 0.2


def test_the_absent_index_adds_nothing(rng_key):
    log_probs = to_log(random_probs(0))
    with_absent = joint_information(rng_key, log_probs, jnp.array([2, 6, 6]), num_configurations=27)
    np.testing.assert_allclose(with_absent.information, exact(log_probs, [2]), atol=1e-6)


def test_bad_input_is_refused(rng_key):
    log_probs = to_log(random_probs(0))
    with pytest.raises(ValueError, match="num_configurations"):
        joint_information(rng_key, log_probs, jnp.array([0]), num_configurations=2)
    with pytest.raises(ValueError, match="indices"):
        joint_information(rng_key, log_probs, jnp.array([], jnp.int32), num_configurations=9)
