"""BatchBALD against greedy selection by enumeration, and what laziness and sampling may and may not change."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from bal import acquisition, selection
from bal.selection import joint_information
from bal.selection.greedy._lazy import Level, lazy_argmax
from bal.selection.information import _configurations
from bal.selection.information._configurations import entropies_under_draws, information_gain, merge_similar, no_labels

bald = jax.jit(acquisition.bald)
add_point = jax.jit(_configurations.add_point, static_argnames="num_configurations")


def random_log_probs(seed, num_draws=8, num_points=12, num_classes=3, scale=2.0):
    """Points differ in how much the draws disagree on them, as in a real pool."""
    generator = np.random.default_rng(seed)
    mean = scale * generator.normal(size=(1, num_points, num_classes))
    spread = scale * generator.uniform(size=(1, num_points, 1))
    noise = generator.normal(size=(num_draws, num_points, num_classes))
    return log_softmax(mean + spread * noise, axis=-1).astype(np.float32)


def log(probs):
    with np.errstate(divide="ignore"):
        return np.log(probs).astype(np.float32)


def batch_bald(rng_key, log_probs, **sizes):
    """Of points that may all be chosen; arrays of NumPy."""
    everything = np.ones(log_probs.shape[1], bool)
    return jax.device_get(selection.batch_bald(rng_key, *jax.device_put((log_probs, everything)), **sizes))


@jax.jit
def gains_of(configurations, log_probs):
    return information_gain(configurations, jnp.exp(log_probs), entropies_under_draws(log_probs))


def information_loop(probs, batch):
    """I(y_batch; draw) in float64, by enumerating the labels of the batch."""
    joint = np.ones((probs.shape[0], 1))
    for point in batch:
        joint = (joint[:, :, None] * probs[:, point, None, :]).reshape(len(joint), -1)
    marginal = joint.mean(axis=0, keepdims=True)
    return np.mean(np.sum(joint * np.log(np.maximum(joint, 1e-300) / np.maximum(marginal, 1e-300)), axis=1))


def greedy_loop(log_probs, batch_size):
    probs = np.exp(np.asarray(log_probs, np.float64))
    batch, gains, before = [], [], 0.0
    for _ in range(batch_size):
        values = {i: information_loop(probs, [*batch, i]) for i in range(probs.shape[1]) if i not in batch}
        best = max(values, key=values.get)
        batch, gains, before = [*batch, best], [*gains, values[best] - before], values[best]
    return batch, gains


# Most tests share these sizes, and with them one compiled program: five points, all exact.
SIZES = {"batch_size": 5, "num_configurations": 3**4}


@pytest.mark.parametrize("seed", range(3))
def test_lazy_greedy_chooses_exactly_what_full_greedy_chooses(seed, rng_key):
    log_probs = random_log_probs(seed)
    batch, gains = greedy_loop(log_probs, 5)
    chosen = batch_bald(rng_key, log_probs, **SIZES)
    assert chosen.indices.tolist() == batch
    np.testing.assert_allclose(chosen.scores, gains, atol=3e-6)


def test_lazy_greedy_leaves_most_of_a_large_pool_aside_and_chooses_the_same(rng_key):
    """More points than a chunk holds, so that the loop must stop by its bound."""
    log_probs = random_log_probs(0, num_points=700, num_classes=4)
    chosen = batch_bald(rng_key, log_probs, batch_size=4, num_configurations=4**3)
    batch, gains = greedy_loop(log_probs, 4)
    assert chosen.indices.tolist() == batch
    np.testing.assert_allclose(chosen.scores, gains, atol=3e-6)


def test_the_first_point_is_that_of_the_largest_bald_and_gains_add_up_to_the_information(rng_key):
    log_probs = random_log_probs(1)
    chosen = batch_bald(rng_key, log_probs, **SIZES)
    scores = np.asarray(bald(log_probs))
    assert chosen.indices[0] == scores.argmax()
    np.testing.assert_allclose(chosen.scores[0], scores.max(), atol=1e-6)
    together = joint_information(rng_key, *jax.device_put((log_probs, chosen.indices)), num_configurations=3**5)
    np.testing.assert_allclose(chosen.scores.sum(), together.information, atol=5e-6)
    assert (np.diff(chosen.scores) <= 1e-6).all()


def test_greedy_reaches_the_guaranteed_share_of_the_optimum(rng_key):
    log_probs = random_log_probs(2)
    reached = batch_bald(rng_key, log_probs, **SIZES).scores[:3].sum()
    probs = np.exp(np.asarray(log_probs, np.float64))
    best = max(information_loop(probs, batch) for batch in itertools.combinations(range(12), 3))
    assert (1 - 1 / np.e) * best <= reached <= best + 1e-5


def test_a_copy_of_a_chosen_point_is_left_for_a_point_that_says_something_else(rng_key):
    """Eleven copies tell two halves of the draws apart completely; one point says less, but something else."""
    sure = np.eye(3)[np.repeat([0, 1], 4)]
    other = np.tile([[0.6, 0.4, 0.0], [0.4, 0.6, 0.0]], (4, 1))
    log_probs = log(np.stack([sure] * 11 + [other], axis=1))
    chosen = batch_bald(rng_key, log_probs, **SIZES)
    assert chosen.indices[1] == 11
    expected = [np.log(2), information_loop(np.exp(log_probs.astype(np.float64)), [11]), 0.0, 0.0, 0.0]
    np.testing.assert_allclose(chosen.scores, expected, atol=1e-6)
    assert (chosen.scores[2:] == 0).all()


def test_draws_that_agree_tie_everywhere_and_are_ordered_by_the_key():
    log_probs = np.tile(random_log_probs(0, num_draws=1), (8, 1, 1))
    batches = []
    for seed in range(20):
        chosen = batch_bald(jax.random.key(seed), log_probs, **SIZES)
        assert (chosen.scores == 0).all()
        batches.append(tuple(chosen.indices.tolist()))
    assert len({batch[0] for batch in batches}) > 5
    assert len({batch[2] for batch in batches}) > 5


def test_copies_of_the_best_point_are_chosen_alike_often():
    log_probs = random_log_probs(0)
    best = np.asarray(bald(log_probs)).argmax()
    copies = jax.device_put(np.repeat(log_probs[:, best : best + 1], 6, axis=1))
    available = jax.device_put(np.ones(6, bool))

    def choose(key):
        return selection.batch_bald(key, copies, available, batch_size=1, num_configurations=3).indices[0]

    counts = np.bincount(jax.jit(jax.vmap(choose))(jax.random.split(jax.random.key(0), 600)), minlength=6)
    assert (np.abs(counts - 100) < 4 * np.sqrt(600 * (1 / 6) * (5 / 6))).all()


@functools.partial(jax.jit, static_argnames="num_configurations")
def gains_after(rng_key, log_probs, batch, num_configurations):
    """Gains of all points after a batch."""
    probs = jnp.exp(log_probs)
    keys = jax.random.split(rng_key, len(batch))

    def add(step, configurations):
        return add_point(keys[step], configurations, probs[:, batch[step]], num_configurations=num_configurations)

    start = no_labels(num_configurations, probs.shape[0], probs.dtype)
    return gains_of(jax.lax.fori_loop(0, len(batch), add, start), log_probs)


# The tests of sampling share these predictions, and a batch of five, which has 243 configurations. How much it helps
# to keep the probable ones depends on how unequal they are, so the seed matters.
SAMPLED = random_log_probs(4, num_draws=20, num_points=30)
BATCH = np.array([3, 1, 7, 0, 2])


@functools.partial(jax.jit, static_argnums=(1, 2))
def sampled_gains(batch, num_configurations, num_repetitions):
    """For several keys, [repetitions, N]."""
    keys = jax.random.split(jax.random.key(5), num_repetitions)
    return jax.vmap(lambda key: gains_after(key, SAMPLED, batch, num_configurations))(keys)


def test_a_sampled_choice_has_a_gain_within_three_standard_errors_of_the_best():
    for seed in range(4):
        rng_key = jax.random.key(seed)
        chosen = batch_bald(rng_key, SAMPLED, batch_size=6, num_configurations=40)
        before, last = chosen.indices[:5], chosen.indices[5]
        exact = np.array(gains_after(rng_key, SAMPLED, before, 3**5))
        exact[before] = 0
        standard_error = np.asarray(sampled_gains(before, 40, 50))[:, last].std()
        assert exact.max() - exact[last] <= 3 * standard_error
        assert abs(chosen.scores[5] - exact[last]) <= 4 * standard_error
        assert standard_error < 0.1 * exact.max()


def test_sampled_gains_average_to_the_exact_gains():
    exact = np.asarray(gains_after(jax.random.key(0), SAMPLED, BATCH, 3**5))
    sampled = np.asarray(sampled_gains(BATCH, 20, 400))
    standard_error = sampled.std(axis=0) / 400**0.5
    assert (standard_error > 0).all()
    assert (np.abs(sampled.mean(axis=0) - exact) <= 4 * standard_error + 1e-6).all()


def test_keeping_the_probable_configurations_varies_less_than_sampling_them_all():
    """The standard deviation of a plain average over 20 sampled configurations, the paper's way, is larger."""
    kept = np.asarray(sampled_gains(BATCH, 20, 400)).std(axis=0)
    exact = configurations_of(SAMPLED, BATCH, 3**5)
    by_row = np.asarray(jax.jit(jax.vmap(lambda row: gains_of(exact._replace(weights=row), SAMPLED)))(np.eye(3**5)))
    weights = np.asarray(exact.weights)
    plain = np.sqrt(weights @ (by_row - weights @ by_row) ** 2 / 20)
    assert (kept < 0.7 * plain).all()


def configurations_of(log_probs, batch, num_configurations):
    configurations = no_labels(num_configurations, log_probs.shape[0], log_probs.dtype)
    for step, point in enumerate(batch):
        probs = np.exp(log_probs[:, point])
        configurations = add_point(jax.random.key(step), configurations, probs, num_configurations=num_configurations)
    return configurations


def test_configurations_are_probabilities_in_every_phase():
    for size in (1, 3, 4, 6):
        configurations = jax.device_get(configurations_of(SAMPLED, range(size), 64))
        used = np.arange(64) < configurations.num_used
        assert configurations.num_used == min(3**size, 64)
        assert (configurations.weights[used] > 0).all()
        assert (configurations.weights[~used] == 0).all()
        np.testing.assert_allclose(configurations.weights.sum(), 1, atol=1e-5)
        np.testing.assert_allclose(configurations.posterior[used].sum(axis=1), 1, atol=1e-5)


def test_impossible_labels_leave_room_for_possible_ones():
    """Three classes, of which two are possible: six points have 64 joint labels and not 729, so all are kept."""
    two_classes = random_log_probs(0, num_draws=20, num_classes=2)
    three_classes = np.pad(two_classes, ((0, 0), (0, 0), (0, 1)), constant_values=-np.inf)
    kept = jax.device_get(configurations_of(three_classes, range(6), 64))
    assert kept.num_used == 64
    labels = itertools.product(range(2), repeat=6)
    probs = np.exp(two_classes.astype(np.float64))
    exact = [np.mean(np.prod(probs[:, range(6), label], axis=1)) for label in labels]
    np.testing.assert_allclose(np.sort(kept.weights), np.sort(exact), rtol=1e-5)


def test_merged_configurations_bound_every_gain():
    configurations = configurations_of(SAMPLED, range(5), 3**5)
    merged = jax.jit(merge_similar, static_argnums=1)(configurations, 16)
    assert merged.weights.shape[0] < 3**5 / 10
    bounds, gains = (np.asarray(gains_of(rows, SAMPLED)) for rows in (merged, configurations))
    assert (bounds >= gains - 1e-6).all()
    assert (bounds > gains + 1e-4).any()


def argmax(order, bounds, levels):
    """One program; arrays of NumPy."""
    return jax.device_get(jax.jit(lambda order, bounds: lazy_argmax(order, bounds, levels))(order, bounds))


VALUES = np.random.default_rng(0).uniform(size=200).astype(np.float32)


def level(values, size):
    return Level(lambda chunk, _: jnp.asarray(values)[chunk], size)


def test_lazy_argmax_evaluates_few_candidates_and_finds_the_best():
    bounds = np.minimum(VALUES * np.float32(1.05), 1)
    bounds[17] = -np.inf
    order = np.random.default_rng(1).permutation(200)
    evaluate, tighter, tightest = level(VALUES, 8), level(1.02 * VALUES, 32), level(1.01 * VALUES, 16)
    for levels in ([evaluate], [tightest, evaluate], [tighter, tightest, evaluate]):
        best, value, after = argmax(order, bounds, levels)
        allowed = np.where(bounds > -np.inf, VALUES, -1)
        assert best == allowed.argmax()
        assert value == allowed.max()
        assert 8 <= (after == VALUES).sum() <= 40
        assert (np.delete(after, 17) >= np.delete(VALUES, 17)).all()
        assert after[17] == -np.inf


def test_lazy_argmax_says_absent_where_nothing_may_be_chosen():
    best, value, _ = argmax(np.arange(5), np.full(5, -np.inf, np.float32), [level(np.ones(5, np.float32), 2)])
    assert best == 5
    assert value == -np.inf


def test_lazy_argmax_evaluates_no_candidate_that_a_tighter_bound_rules_out():
    """The bounds say nothing, the tighter ones everything: one candidate is left to be evaluated."""
    levels = [level(VALUES + np.float32(1e-6), 16), level(VALUES, 1)]
    best, value, after = argmax(np.arange(200), np.ones(200, np.float32), levels)
    assert best == VALUES.argmax()
    assert value == VALUES.max()
    assert (after == VALUES).sum() == 1


def test_saturated_predictions_in_single_precision_have_finite_gains(rng_key):
    """Draws that are sure of different labels can be told apart completely."""
    log_probs = log(np.eye(3)[np.random.default_rng(0).integers(0, 3, (8, 12))])
    chosen = batch_bald(rng_key, log_probs, **SIZES)
    assert np.isfinite(chosen.scores).all()
    np.testing.assert_allclose(chosen.scores.sum(), np.log(8), atol=1e-4)


def test_gains_in_single_precision_are_near_those_in_double(rng_key):
    log_probs = random_log_probs(0, scale=6.0)
    single = batch_bald(rng_key, log_probs, **SIZES)
    with jax.enable_x64(True):
        double = np.log(softmax(log_probs.astype(np.float64), axis=-1))
        exact = batch_bald(rng_key, double, **SIZES)
        assert exact.scores.dtype == np.float64
    assert single.indices.tolist() == exact.indices.tolist()
    np.testing.assert_allclose(single.scores, exact.scores, atol=1e-5)


def test_a_point_with_a_nan_prediction_is_never_chosen_and_is_counted(rng_key):
    log_probs = random_log_probs(0)
    best = np.asarray(bald(log_probs)).argmax()
    log_probs[0, best, 0] = np.nan
    chosen = batch_bald(rng_key, log_probs, **SIZES)
    assert best not in chosen.indices.tolist()
    assert int(chosen.num_invalid) == 1
    assert np.isfinite(chosen.scores).all()


def test_fewer_configurations_than_classes_are_refused(rng_key):
    log_probs = random_log_probs(0)
    with pytest.raises(ValueError, match="num_configurations of at least the number of classes 3, got 2"):
        batch_bald(rng_key, log_probs, batch_size=2, num_configurations=2)
