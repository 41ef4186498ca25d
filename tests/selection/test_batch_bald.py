"""BatchBALD against greedy selection by enumeration, and what laziness and sampling may and may not change."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.acquisition import bald
from bal.selection import batch_bald, joint_information
from bal.selection.greedy._lazy import Level, lazy_argmax
from bal.selection.information._configurations import (
    add_point,
    entropies_under_draws,
    information_gain,
    merge_similar,
    no_labels,
)


def random_log_probs(seed, num_draws=8, num_points=12, num_classes=3, scale=2.0):
    """Points differ in how much the draws disagree on them, as in a real pool."""
    key_mean, key_draws, key_scale = jax.random.split(jax.random.key(seed), 3)
    mean = scale * jax.random.normal(key_mean, (1, num_points, num_classes))
    spread = scale * jax.random.uniform(key_scale, (1, num_points, 1))
    return jax.nn.log_softmax(mean + spread * jax.random.normal(key_draws, (num_draws, num_points, num_classes)))


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


def everything(log_probs):
    return jnp.ones(log_probs.shape[1], bool)


@pytest.mark.parametrize("seed", range(3))
def test_lazy_greedy_chooses_exactly_what_full_greedy_chooses(seed, rng_key):
    log_probs = random_log_probs(seed)
    batch, gains = greedy_loop(log_probs, 5)
    selection = batch_bald(rng_key, log_probs, everything(log_probs), **SIZES)
    assert selection.indices.tolist() == batch
    np.testing.assert_allclose(selection.scores, gains, atol=3e-6)


def test_lazy_greedy_leaves_most_of_a_large_pool_aside_and_chooses_the_same(rng_key):
    """More points than a chunk holds, so that the loop must stop by its bound."""
    log_probs = random_log_probs(0, num_points=700, num_classes=4)
    selection = batch_bald(rng_key, log_probs, everything(log_probs), batch_size=4, num_configurations=4**3)
    batch, gains = greedy_loop(log_probs, 4)
    assert selection.indices.tolist() == batch
    np.testing.assert_allclose(selection.scores, gains, atol=3e-6)


def test_the_first_point_is_that_of_the_largest_bald_and_gains_add_up_to_the_information(rng_key):
    log_probs = random_log_probs(1)
    selection = batch_bald(rng_key, log_probs, everything(log_probs), **SIZES)
    assert selection.indices[0] == bald(log_probs).argmax()
    np.testing.assert_allclose(selection.scores[0], bald(log_probs).max(), atol=1e-6)
    together = joint_information(rng_key, log_probs, selection.indices, num_configurations=3**5)
    np.testing.assert_allclose(selection.scores.sum(), together.information, atol=5e-6)
    assert (jnp.diff(selection.scores) <= 1e-6).all()


def test_greedy_reaches_the_guaranteed_share_of_the_optimum(rng_key):
    log_probs = random_log_probs(2)
    reached = batch_bald(rng_key, log_probs, everything(log_probs), **SIZES).scores[:3].sum()
    probs = np.exp(np.asarray(log_probs, np.float64))
    best = max(information_loop(probs, batch) for batch in itertools.combinations(range(12), 3))
    assert (1 - 1 / np.e) * best <= reached <= best + 1e-5


def test_a_copy_of_a_chosen_point_is_left_for_a_point_that_says_something_else(rng_key):
    copies = jnp.log(jax.nn.one_hot(jnp.array([[0, 0, 0], [0, 0, 0], [1, 1, 1], [1, 1, 1]]), 2))
    other = jnp.log(jnp.array([[0.6, 0.4], [0.4, 0.6], [0.6, 0.4], [0.4, 0.6]]))[:, None]
    log_probs = jnp.concatenate([copies, other], axis=1)
    selection = batch_bald(rng_key, log_probs, jnp.ones(4, bool), batch_size=3, num_configurations=8)
    assert selection.indices[1] == 3
    np.testing.assert_allclose(selection.scores, [np.log(2), bald(other)[0], 0.0], atol=1e-6)
    assert selection.scores[2] == 0


def test_draws_that_agree_tie_everywhere_and_are_ordered_by_the_key():
    log_probs = jnp.tile(random_log_probs(0, num_draws=1), (8, 1, 1))
    available = everything(log_probs)
    batches = []
    for seed in range(20):
        selection = batch_bald(jax.random.key(seed), log_probs, available, **SIZES)
        assert (selection.scores == 0).all()
        batches.append(tuple(selection.indices.tolist()))
    assert len({batch[0] for batch in batches}) > 5
    assert len({batch[2] for batch in batches}) > 5


def test_copies_of_the_best_point_are_chosen_alike_often():
    log_probs = random_log_probs(0, num_points=4)
    best = int(bald(log_probs).argmax())
    copies = jnp.tile(log_probs[:, best : best + 1], (1, 6, 1))
    choose = jax.vmap(
        lambda key: batch_bald(key, copies, jnp.ones(6, bool), batch_size=1, num_configurations=3).indices[0]
    )
    counts = np.bincount(choose(jax.random.split(jax.random.key(0), 600)), minlength=6)
    assert (np.abs(counts - 100) < 4 * np.sqrt(600 * (1 / 6) * (5 / 6))).all()


@functools.partial(jax.jit, static_argnames="num_configurations")
def gains_after(rng_key, log_probs, batch, num_configurations):
    """Gains of all points after a batch."""
    probs = jnp.exp(log_probs)
    configurations = no_labels(num_configurations, probs.shape[0], probs.dtype)
    for key, point in zip(jax.random.split(rng_key, len(batch)), batch, strict=True):
        configurations = add_point(key, configurations, probs[:, point], num_configurations=num_configurations)
    return gains_of(configurations, log_probs)


def sampled_gains(log_probs, batch, num_configurations, num_repetitions):
    """For several keys, [repetitions, N]."""
    keys = jax.random.split(jax.random.key(5), num_repetitions)
    return jax.vmap(lambda key: gains_after(key, log_probs, batch, num_configurations))(keys)


def test_a_sampled_choice_has_a_gain_within_three_standard_errors_of_the_best():
    log_probs = random_log_probs(0, num_draws=20, num_points=30)
    for seed in range(4):
        rng_key = jax.random.key(seed)
        selection = batch_bald(rng_key, log_probs, everything(log_probs), batch_size=6, num_configurations=40)
        before, last = selection.indices[:5], selection.indices[5]
        exact = gains_after(rng_key, log_probs, before, 3**5).at[before].set(0)
        standard_error = sampled_gains(log_probs, before, 40, 50)[:, last].std()
        assert exact.max() - exact[last] <= 3 * standard_error
        assert abs(selection.scores[5] - exact[last]) <= 4 * standard_error
        assert standard_error < 0.1 * exact.max()


def test_sampled_gains_average_to_the_exact_gains():
    log_probs = random_log_probs(0, num_draws=20)
    batch = jnp.array([3, 1, 7, 0, 2])
    exact = gains_after(jax.random.key(0), log_probs, batch, 3**5)
    sampled = sampled_gains(log_probs, batch, num_configurations=20, num_repetitions=400)
    standard_error = sampled.std(axis=0) / 400**0.5
    assert (standard_error > 0).all()
    assert (np.abs(sampled.mean(axis=0) - exact) <= 4 * standard_error + 1e-6).all()


def test_keeping_the_probable_configurations_varies_less_than_sampling_them_all():
    """The standard deviation of a plain average over 20 sampled configurations, the paper's way, is larger."""
    log_probs = random_log_probs(0, num_draws=20)
    kept = sampled_gains(log_probs, jnp.array([3, 1, 7, 0, 2]), num_configurations=20, num_repetitions=400).std(axis=0)
    exact = configurations_of(log_probs, [3, 1, 7, 0, 2], 3**5)
    rows = jax.nn.one_hot(jnp.arange(3**5), 3**5)
    by_row = jax.vmap(lambda row: gains_of(exact._replace(weights=row), log_probs))(rows)
    mean = exact.weights @ by_row
    plain = jnp.sqrt(exact.weights @ (by_row - mean[None]) ** 2 / 20)
    assert (kept < 0.7 * plain).all()


def configurations_of(log_probs, batch, num_configurations):
    configurations = no_labels(num_configurations, log_probs.shape[0], log_probs.dtype)
    add = jax.jit(functools.partial(add_point, num_configurations=num_configurations))
    for step, point in enumerate(batch):
        configurations = add(jax.random.key(step), configurations, jnp.exp(log_probs[:, point]))
    return configurations


def test_configurations_are_probabilities_in_every_phase():
    log_probs = random_log_probs(0, num_draws=20)
    for size in (1, 3, 4, 6):
        configurations = configurations_of(log_probs, range(size), 50)
        used = jnp.arange(50) < configurations.num_used
        assert int(configurations.num_used) == min(3**size, 50)
        assert (configurations.weights[used] > 0).all()
        assert (configurations.weights[~used] == 0).all()
        np.testing.assert_allclose(configurations.weights.sum(), 1, atol=1e-5)
        np.testing.assert_allclose(configurations.posterior[used].sum(axis=1), 1, atol=1e-5)


def test_impossible_labels_leave_room_for_possible_ones():
    """Three classes, of which two are possible: six points have 64 joint labels and not 729, so all are kept."""
    two_classes = random_log_probs(0, num_classes=2)
    three_classes = jnp.pad(two_classes, ((0, 0), (0, 0), (0, 1)), constant_values=-jnp.inf)
    kept = configurations_of(three_classes, range(6), 64)
    exact = configurations_of(two_classes, range(6), 64)
    assert int(kept.num_used) == 64
    np.testing.assert_allclose(jnp.sort(kept.weights), jnp.sort(exact.weights), rtol=1e-5)


def test_merged_configurations_bound_every_gain():
    log_probs = random_log_probs(0, num_draws=20, num_points=50)
    configurations = configurations_of(log_probs, range(5), 3**5)
    merged = merge_similar(configurations, 16)
    assert merged.weights.shape[0] < 3**5 / 10
    bounds, gains = (gains_of(rows, log_probs) for rows in (merged, configurations))
    assert (bounds >= gains - 1e-6).all()
    assert (bounds > gains + 1e-4).any()


def test_lazy_argmax_evaluates_few_candidates_and_finds_the_best():
    values = jax.random.uniform(jax.random.key(0), (200,))
    bounds = jnp.minimum(values * 1.05, 1.0).at[17].set(-jnp.inf)
    order = jax.random.permutation(jax.random.key(1), 200)
    evaluate = Level(lambda chunk: values[chunk], 8)
    tighter, tightest = Level(lambda chunk: 1.02 * values[chunk], 32), Level(lambda chunk: 1.01 * values[chunk], 16)
    for levels in ([evaluate], [tightest, evaluate], [tighter, tightest, evaluate]):
        best, value, after = lazy_argmax(order, bounds, levels)
        allowed = jnp.where(bounds > -jnp.inf, values, -1)
        assert best == allowed.argmax()
        assert value == allowed.max()
        evaluated = after == values
        assert 8 <= int(evaluated.sum()) <= 40
        assert (after >= allowed).at[17].set(True).all()
        assert after[17] == -jnp.inf


def test_lazy_argmax_says_absent_where_nothing_may_be_chosen():
    best, value, _ = lazy_argmax(jnp.arange(5), jnp.full(5, -jnp.inf), [Level(lambda chunk: jnp.ones(len(chunk)), 2)])
    assert int(best) == 5
    assert value == -jnp.inf


def test_lazy_argmax_evaluates_no_candidate_that_a_tighter_bound_rules_out():
    """The bounds say nothing, the tighter ones everything: one candidate is left to be evaluated."""
    values = jax.random.uniform(jax.random.key(0), (200,), maxval=0.9)
    levels = [Level(lambda chunk: values[chunk] + 1e-6, 16), Level(lambda chunk: values[chunk], 1)]
    best, value, after = lazy_argmax(jnp.arange(200), jnp.ones(200), levels)
    assert best == values.argmax()
    assert value == values.max()
    assert int((after == values).sum()) == 1


def test_saturated_predictions_in_single_precision_have_finite_gains(rng_key):
    """Draws that are sure of different labels can be told apart completely."""
    log_probs = jnp.log(jax.nn.one_hot(jax.random.randint(rng_key, (8, 12), 0, 3), 3))
    selection = batch_bald(rng_key, log_probs, everything(log_probs), **SIZES)
    assert jnp.isfinite(selection.scores).all()
    np.testing.assert_allclose(selection.scores.sum(), np.log(8), atol=1e-4)


def test_gains_in_single_precision_are_near_those_in_double(rng_key):
    log_probs = random_log_probs(0, scale=6.0)
    single = batch_bald(rng_key, log_probs, everything(log_probs), **SIZES)
    with jax.enable_x64(True):
        double = jax.nn.log_softmax(jnp.asarray(np.asarray(log_probs), jnp.float64))
        exact = batch_bald(rng_key, double, everything(log_probs), **SIZES)
        assert exact.scores.dtype == jnp.float64
    assert single.indices.tolist() == exact.indices.tolist()
    np.testing.assert_allclose(single.scores, exact.scores, atol=1e-5)


def test_a_point_with_a_nan_prediction_is_never_chosen_and_is_counted(rng_key):
    log_probs = random_log_probs(0)
    best = int(bald(log_probs).argmax())
    selection = batch_bald(rng_key, log_probs.at[0, best, 0].set(jnp.nan), everything(log_probs), **SIZES)
    assert best not in selection.indices.tolist()
    assert int(selection.num_invalid) == 1
    assert jnp.isfinite(selection.scores).all()


def test_fewer_configurations_than_classes_are_refused(rng_key):
    log_probs = random_log_probs(0)
    with pytest.raises(ValueError, match="num_configurations of at least the number of classes 3, got 2"):
        batch_bald(rng_key, log_probs, everything(log_probs), batch_size=2, num_configurations=2)
