"""EPIG against slow float64 loops written from the paper, its identities, and what bad targets get."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal import acquisition, information
from bal.selection import joint_information
from tests.acquisition.predictions import random_probs, to_log

# One program for each shape, where each operation by itself would be one. Most tests share five points.
bald, epig, joint_epig, max_entropy = (
    jax.jit(score) for score in (acquisition.bald, acquisition.epig, acquisition.joint_epig, acquisition.max_entropy)
)


def divergence_loop(joint):
    """KL of a joint distribution of two labels from the product of its margins."""
    product = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    return sum(p * np.log(p / q) for p, q in zip(joint.ravel(), product.ravel(), strict=True) if p > 0)


def epig_loop(probs, target_probs, weights):
    """[S, N, C] and [S, M, C], as the definition reads: the joint of each pair, averaged over the draws."""
    scores = []
    for point in range(probs.shape[1]):
        pairs = [
            divergence_loop(
                np.mean([np.outer(p[point], t[target]) for p, t in zip(probs, target_probs, strict=True)], 0)
            )
            for target in range(target_probs.shape[1])
        ]
        scores.append(np.average(pairs, weights=weights))
    return np.array(scores)


def joint_epig_loop(probs, target_probs):
    num_draws, num_targets, _ = target_probs.shape
    joint_targets = []
    for draw in range(num_draws):
        together = np.ones(1)
        for target in range(num_targets):
            together = np.outer(together, target_probs[draw, target]).ravel()
        joint_targets.append(together)
    return epig_loop(probs, np.array(joint_targets)[:, None], np.ones(1))


def test_epig_equals_the_formula_of_the_paper():
    probs, targets = random_probs(0, 5), random_probs(1, 5)
    weights = np.array([1.0, 0.0, 3.0, 2.0, 0.5])
    expected = epig_loop(probs, targets, weights)
    np.testing.assert_allclose(epig(to_log(probs), to_log(targets), jnp.asarray(weights)), expected, atol=2e-6)
    expected = epig_loop(probs, targets, np.ones(5))
    np.testing.assert_allclose(epig(to_log(probs), to_log(targets)), expected, atol=2e-6)


def test_joint_epig_equals_the_formula_of_the_paper():
    probs, targets = random_probs(0, 5), random_probs(1, 3)
    expected = joint_epig_loop(probs, targets)
    np.testing.assert_allclose(joint_epig(to_log(probs), to_log(targets)), expected, atol=2e-6)


def test_epig_is_symmetric():
    first, second = random_probs(0, 5), random_probs(1, 5)
    forward = np.stack([epig(to_log(first), to_log(second[:, j : j + 1])) for j in range(5)], axis=1)
    backward = np.stack([epig(to_log(second), to_log(first[:, i : i + 1])) for i in range(5)], axis=0)
    np.testing.assert_allclose(forward, backward, atol=1e-6)


def test_epig_is_at_most_the_bald_of_point_and_target_and_their_entropies():
    first, second = to_log(random_probs(0, 40)), to_log(random_probs(1, 1))
    scores = np.asarray(epig(first, second))
    assert (scores >= 0).all()
    assert (scores <= np.minimum(bald(first), bald(second)) + 1e-6).all()
    assert (scores <= np.minimum(max_entropy(first), max_entropy(second)) + 1e-6).all()
    singles = [to_log(random_probs(0, 40)[:, i : i + 1]) for i in range(5)]
    own = np.concatenate([epig(single, single) for single in singles])
    assert (own <= np.asarray(bald(first))[:5] + 1e-6).all()
    assert (own > 0.01).all()


def test_epig_of_one_pair_is_what_their_labels_share(rng_key):
    """EPIG(x, x*) = BALD(x) + BALD(x*) - BatchBALD(x, x*)."""
    first, second = random_probs(0, 5), random_probs(1, 1)
    pairs = np.asarray(epig(to_log(first), to_log(second)))
    for point in range(3):
        pair = to_log(np.concatenate([first[:, point : point + 1], second], axis=1))
        together = joint_information(rng_key, pair, jnp.arange(2), num_configurations=9).information
        np.testing.assert_allclose(pairs[point], np.asarray(bald(pair)).sum() - together, atol=2e-6)


def test_epig_over_a_union_of_targets_is_the_weighted_mean():
    log_probs, targets = to_log(random_probs(0, 5)), random_probs(1, 6)
    five, one = (np.asarray(epig(log_probs, to_log(part))) for part in (targets[:, :5], targets[:, 5:]))
    parts = (5 * five + one) / 6
    np.testing.assert_allclose(epig(log_probs, to_log(targets)), parts, atol=1e-6)
    np.testing.assert_allclose(epig(log_probs, to_log(targets), jnp.full(6, 7.0)), parts, atol=1e-6)


def test_joint_epig_is_between_the_largest_epig_and_bald():
    log_probs, targets = to_log(random_probs(0, 40)), random_probs(1, 4)
    single = np.stack([epig(log_probs, to_log(targets[:, j : j + 1])) for j in range(4)])
    together = np.asarray(joint_epig(log_probs, to_log(targets)))
    assert (together >= single.max(axis=0) - 1e-6).all()
    assert (together <= np.asarray(bald(log_probs)) + 1e-6).all()
    assert (together > single.max(axis=0) + 1e-3).any()
    np.testing.assert_allclose(joint_epig(log_probs, to_log(targets[:, :1])), single[0], atol=1e-6)


def test_targets_that_no_draw_disagrees_on_give_exactly_zero():
    log_probs = to_log(random_probs(0, 5))
    agreed = np.tile(random_probs(1, 5, num_draws=1), (6, 1, 1))
    assert not np.any(np.asarray(epig(log_probs, to_log(agreed))))
    assert not np.any(np.asarray(epig(to_log(agreed), log_probs)))
    assert not np.any(np.asarray(joint_epig(log_probs, to_log(agreed[:, :3]))))


def test_epig_ignores_what_no_target_depends_on():
    """Four draws as a grid of two independent halves: the point depends on one half, the target on the other."""
    halves = random_probs(0, 2, num_draws=2)
    point = halves[[0, 0, 1, 1], :1]
    target = halves[[0, 1, 0, 1], 1:]
    assert np.asarray(bald(to_log(point)))[0] > 0.01
    np.testing.assert_allclose(epig(to_log(point), to_log(target)), 0, atol=1e-6)


@pytest.mark.parametrize("score", [acquisition.epig, acquisition.joint_epig])
def test_targets_that_do_not_fit_the_points_are_refused(score):
    log_probs = to_log(random_probs(0, 4))
    for targets in (random_probs(1, 0), random_probs(1, 3, num_classes=4), random_probs(1, 3, num_draws=5)):
        with pytest.raises(ValueError, match="expected target_log_probs"):
            score(log_probs, to_log(targets))


def test_too_many_joint_labels_are_refused():
    with pytest.raises(ValueError, match=r"got 3\*\*11"):
        acquisition.joint_epig(to_log(random_probs(0, 2)), to_log(random_probs(1, 11)))


@pytest.mark.parametrize("weights", [[1.0, -1.0, 1.0], [0.0, 0.0, 0.0], [1.0, jnp.nan, 1.0], [1.0, 1.0]])
def test_weights_that_cannot_be_normalised_are_refused(weights):
    with pytest.raises(ValueError, match="expected target_weights"):
        acquisition.epig(to_log(random_probs(0, 4)), to_log(random_probs(1, 3)), jnp.array(weights))


def test_weights_may_be_traced():
    log_probs, targets = to_log(random_probs(0, 5)), random_probs(1, 5)
    weights = np.array([[1.0, 2.0, 0.0, 0.0, 3.0], [0.0, 0.0, 0.0, 0.0, 1.0]], np.float32)
    swept = np.asarray(
        jax.jit(jax.vmap(acquisition.epig, in_axes=(None, None, 0)))(log_probs, to_log(targets), jnp.asarray(weights))
    )
    np.testing.assert_allclose(swept[0], epig(log_probs, to_log(targets), jnp.asarray(weights[0])), atol=1e-6)
    np.testing.assert_allclose(swept[1], epig(log_probs, to_log(targets[:, 4:])), atol=1e-6)


# The last test: it forgets the programs, which hold the size of a tile.
def test_epig_does_not_depend_on_how_points_and_targets_are_cut_into_tiles(monkeypatch):
    log_probs, targets, weights = to_log(random_probs(0, 23)), to_log(random_probs(1, 17)), jnp.arange(17.0)
    whole = np.asarray(epig(log_probs, targets, weights))
    monkeypatch.setattr(information, "TILE", 15)  # 5 points of 3 classes: neither 23 nor 17 is a multiple
    jax.clear_caches()
    np.testing.assert_allclose(epig(log_probs, targets, weights), whole, rtol=1e-5, atol=1e-6)
    jax.clear_caches()
