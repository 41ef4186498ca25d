"""Batch EPIG against greedy selection by enumeration, its limits, and what bad targets get."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

from bal.acquisition import epig
from bal.information import mean_pair_entropy
from bal.selection import batch_bald, batch_epig
from bal.selection.information import _configurations
from bal.selection.information._configurations import label_entropy, no_labels
from bal.selection.information._outcomes import (
    all_outcomes,
    outcome_bounds,
    outcome_information,
    under_configurations,
)

add_point = jax.jit(_configurations.add_point, static_argnames="num_configurations")


def log(probs):
    with np.errstate(divide="ignore"):
        return jax.device_put(np.log(probs).astype(np.float32))


def random_log_probs(seed, num_points, num_draws=8, num_classes=3, scale=2.0):
    outputs = scale * np.random.default_rng(seed).normal(size=(num_draws, num_points, num_classes))
    return jax.device_put(log_softmax(outputs, axis=-1).astype(np.float32))


def information_loop(probs, target_probs, batch, weights):
    """Weighted mean over the targets of I(y_batch; y*) in float64, by enumerating the labels of the batch."""
    joint = np.ones((len(probs), 1))
    for point in batch:
        joint = (joint[:, :, None] * probs[:, point, None, :]).reshape(len(probs), -1)
    information = []
    for target in range(target_probs.shape[1]):
        pair = np.mean(joint[:, :, None] * target_probs[:, target, None, :], axis=0)
        product = pair.sum(axis=1, keepdims=True) * pair.sum(axis=0, keepdims=True)
        information.append(np.sum(pair * np.log(np.maximum(pair, 1e-300) / np.maximum(product, 1e-300))))
    return np.average(information, weights=weights)


def greedy_loop(log_probs, target_log_probs, weights, batch_size):
    probs, target_probs = (np.exp(np.asarray(p, np.float64)) for p in (log_probs, target_log_probs))
    batch, gains, before = [], [], 0.0
    for _ in range(batch_size):
        values = {
            i: information_loop(probs, target_probs, [*batch, i], weights)
            for i in range(probs.shape[1])
            if i not in batch
        }
        best = max(values, key=values.get)
        batch, gains, before = [*batch, best], [*gains, values[best] - before], values[best]
    return batch, gains


@pytest.mark.parametrize("seed", range(3))
def test_the_batch_is_that_of_greedy_selection_by_enumeration(seed, rng_key):
    log_probs, targets = random_log_probs(seed, 10), random_log_probs(seed + 10, 4)
    weights = jnp.array([1.0, 0.0, 2.0, 0.5])
    batch, gains = greedy_loop(log_probs, targets, np.asarray(weights), 4)
    selection = batch_epig(
        rng_key,
        log_probs,
        targets,
        jnp.ones(10, bool),
        batch_size=4,
        num_configurations=27,
        target_weights=weights,
    )
    assert selection.indices.tolist() == batch
    np.testing.assert_allclose(selection.scores, gains, atol=5e-6)


def test_candidates_whose_bound_cannot_win_are_left_aside_and_the_choice_is_the_same(rng_key):
    """More points than a chunk holds, so that the loop must stop by its bound."""
    sure = np.asarray(random_log_probs(0, 400))
    spread = np.linspace(0, 1, 400)[None, :, None]
    outputs = sure.mean(axis=0, keepdims=True) * (1 - spread) + 2 * sure * spread
    log_probs = jax.device_put(log_softmax(outputs, axis=-1).astype(np.float32))
    targets = random_log_probs(1, 2)
    batch, gains = greedy_loop(log_probs, targets, np.ones(2), 2)
    selection = batch_epig(rng_key, log_probs, targets, jnp.ones(400, bool), batch_size=2, num_configurations=3)
    assert selection.indices.tolist() == batch
    np.testing.assert_allclose(selection.scores, gains, atol=5e-6)


def from_joint_entropies(rng_key, log_probs, targets, weights, batch_size, num_configurations):
    """The batch of the formula of joint entropies, all candidates of which are evaluated."""
    probs, target_probs = jnp.exp(log_probs), jnp.exp(targets)

    @jax.jit
    def gains(configurations):
        def joint_entropies(posterior):
            return mean_pair_entropy(posterior[:, None, None] * probs, target_probs, weights)

        joint = configurations.weights @ jax.lax.map(joint_entropies, configurations.posterior)
        return label_entropy(configurations, probs) + label_entropy(configurations, target_probs) @ weights - joint

    keys = jax.random.split(jax.random.split(rng_key)[1], batch_size)
    configurations, batch, scores = no_labels(num_configurations, len(probs), probs.dtype), [], []
    for key in keys:
        values = np.array(gains(configurations))
        values[batch] = -np.inf
        batch.append(int(values.argmax()))
        scores.append(values.max())
        configurations = add_point(key, configurations, probs[:, batch[-1]], num_configurations=num_configurations)
    return batch, scores


def test_the_batch_is_that_of_joint_entropies_of_all_candidates(rng_key):
    """Also where configurations are sampled, and where some levels of the search are partly filled."""
    log_probs = random_log_probs(0, 50, num_draws=16, num_classes=5, scale=3.0)
    targets, weights = random_log_probs(1, 7, num_draws=16, num_classes=5, scale=3.0), jnp.full(7, 1 / 7)
    batch, scores = from_joint_entropies(rng_key, log_probs, targets, weights, 4, 60)
    selection = batch_epig(rng_key, log_probs, targets, jnp.ones(50, bool), batch_size=4, num_configurations=60)
    assert selection.indices.tolist() == batch
    np.testing.assert_allclose(selection.scores, scores, atol=5e-6)


@pytest.mark.parametrize("scale", [0.01, 2.0, 30.0])
def test_no_outcome_says_more_than_its_bound(scale, rng_key):
    log_probs, targets = (random_log_probs(seed, 6, num_draws=12, scale=scale) for seed in (0, 1))
    probs = jnp.exp(log_probs)

    @jax.jit
    def both(probs, target_probs):
        configurations = no_labels(9, 12, probs.dtype)
        for point in range(2):
            configurations = add_point(rng_key, configurations, probs[:, point], num_configurations=9)
        given = under_configurations(configurations, target_probs, jnp.full(6, 1 / 6))
        rows = jnp.repeat(jnp.arange(9), 18)
        said = outcome_information(configurations, given, rows, jnp.tile(probs.reshape(12, 18), 9))
        # Two configurations at once, of nine.
        gains = all_outcomes(configurations, given, probs, at_once=40)
        return said, outcome_bounds(configurations, given, probs), gains

    said, bounds, gains = map(np.asarray, both(probs, jnp.exp(targets)))
    said = said.reshape(9, 6, 3).transpose(1, 0, 2).reshape(6, 27)
    assert (said >= 0).all()
    assert (said <= bounds + 1e-18).all()  # the squares of less probable outcomes vanish
    np.testing.assert_allclose(said.sum(axis=1), gains, atol=1e-6)
    if scale == 2.0:
        assert bounds.sum() < 3 * said.sum()


def test_one_point_has_its_epig(rng_key):
    log_probs, targets = random_log_probs(0, 10), random_log_probs(1, 4)
    selection = batch_epig(rng_key, log_probs, targets, jnp.ones(10, bool), batch_size=1, num_configurations=3)
    scores = np.asarray(jax.jit(epig)(log_probs, targets))
    assert selection.indices[0] == scores.argmax()
    np.testing.assert_allclose(selection.scores[0], scores.max(), atol=1e-6)


def test_a_target_that_tells_the_draws_apart_makes_it_batch_bald(rng_key):
    """With one target whose label is the draw itself, what is said about it is what is said about the draw."""
    log_probs = random_log_probs(0, 10, num_draws=4, num_classes=4)
    target = log(np.eye(4)[:, None])
    by_target = batch_epig(rng_key, log_probs, target, jnp.ones(10, bool), batch_size=3, num_configurations=16)
    by_draws = batch_bald(rng_key, log_probs, jnp.ones(10, bool), batch_size=3, num_configurations=16)
    assert by_target.indices.tolist() == by_draws.indices.tolist()
    np.testing.assert_allclose(by_target.scores, by_draws.scores, atol=3e-6)


def test_a_copy_of_a_chosen_point_says_nothing_where_every_draw_is_sure(rng_key):
    sure = np.eye(2)[[[0, 0], [0, 0], [1, 1], [1, 1]]]
    selection = batch_epig(rng_key, log(sure), log(sure[:, :1]), jnp.ones(2, bool), batch_size=2, num_configurations=4)
    np.testing.assert_allclose(selection.scores, [np.log(2), 0.0], atol=1e-6)


def test_sampled_configurations_give_nearly_the_exact_gains(rng_key):
    log_probs, targets = random_log_probs(0, 6, num_draws=20), random_log_probs(1, 3, num_draws=20)
    batch, gains = greedy_loop(log_probs, targets, np.ones(3), 5)

    @jax.jit
    @jax.vmap
    def gains_of(key):
        return batch_epig(key, log_probs, targets, jnp.ones(6, bool), batch_size=5, num_configurations=40).scores

    sampled = np.asarray(gains_of(jax.random.split(rng_key, 10))).sum(axis=1)
    assert abs(np.mean(sampled) - sum(gains)) < 3 * np.std(sampled) / 10**0.5 + 0.005
    assert np.std(sampled) > 0


def test_bad_targets_weights_and_sizes_are_refused(rng_key):
    log_probs, targets = random_log_probs(0, 6), random_log_probs(1, 3)

    def select(targets, num_configurations=9, weights=None):
        return batch_epig(
            rng_key,
            log_probs,
            targets,
            jnp.ones(6, bool),
            batch_size=2,
            num_configurations=num_configurations,
            target_weights=weights,
        )

    for bad in (random_log_probs(1, 0), random_log_probs(1, 3, num_classes=4), random_log_probs(1, 3, num_draws=5)):
        with pytest.raises(ValueError, match="expected target_log_probs"):
            select(bad)
    for bad in (jnp.zeros(3), -jnp.ones(3), jnp.ones(4)):
        with pytest.raises(ValueError, match="expected target_weights"):
            select(targets, weights=bad)
    with pytest.raises(ValueError, match="num_configurations"):
        select(targets, num_configurations=2)
