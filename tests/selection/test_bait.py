"""BAIT against dense inverses in float64 and the best batch by brute force."""

import functools
from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.selection import bait, max_det

NUM_POINTS = 10
ALL = jnp.ones(NUM_POINTS, bool)


def objective(features, indices, labelled=(), ridge=1.0):
    rows = np.concatenate([features[list(indices)], np.reshape(labelled, (-1, features.shape[1]))])
    precision = ridge * np.eye(features.shape[1]) + rows.T @ rows
    return np.trace(np.linalg.inv(precision) @ features.T @ features) / len(features)


def random_features(seed, num_points=NUM_POINTS):
    # Directions of unequal size, as embeddings have; the rule and the test see the same float32 numbers.
    features = (np.random.default_rng(seed).normal(size=(num_points, 3)) * [3.0, 1.0, 0.3]).astype(np.float32)
    return jax.device_put(features), features.astype(np.float64)


def slow_bait(exact, labelled, ridge, batch_size, oversample):
    chosen, falls = [], []
    for _ in range(min(oversample * batch_size, len(exact))):
        left = [i for i in range(len(exact)) if i not in chosen]
        values = [objective(exact, [*chosen, i], labelled, ridge) for i in left]
        falls.append(objective(exact, chosen, labelled, ridge) - min(values))
        chosen.append(left[int(np.argmin(values))])
    falls = dict(zip(chosen, falls, strict=True))
    while len(chosen) > batch_size:
        without = [objective(exact, [i for i in chosen if i != gone], labelled, ridge) for gone in chosen]
        del chosen[int(np.argmin(without))]
    return chosen, [falls[i] for i in chosen]


@pytest.mark.parametrize("oversample", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_forward_backward_choice_of_dense_inverses(seed, oversample, rng_key):
    features, exact = random_features(seed)
    labelled = jax.device_put(exact[:2].astype(np.float32) / 2)
    selection = bait(rng_key, features, ALL, batch_size=4, labelled_features=labelled, ridge=0.5, oversample=oversample)
    chosen, falls = slow_bait(exact, exact[:2] / 2, 0.5, 4, oversample)
    assert selection.indices.tolist() == chosen
    np.testing.assert_allclose(selection.scores, falls, rtol=2e-3)


def exact_bait(features, batch_size):
    """Both passes in float64, with a fresh inverse in each step."""
    precision, information = np.eye(features.shape[1]), features.T @ features / len(features)
    chosen = []

    def forms(points):
        inverse = np.linalg.inv(precision)
        products = np.einsum("nd,de,ne->n", points, inverse @ information @ inverse, points)
        return np.einsum("nd,de,ne->n", points, inverse, points), products

    for _ in range(2 * batch_size):
        variances, products = forms(features)
        gains = products / (1 + variances)
        gains[chosen] = -np.inf
        chosen.append(int(gains.argmax()))
        precision = precision + np.outer(features[chosen[-1]], features[chosen[-1]])
    while len(chosen) > batch_size:
        variances, products = forms(features[chosen])
        gone = chosen.pop(int((products / (1 - variances)).argmin()))
        precision = precision - np.outer(features[gone], features[gone])
    return chosen


def pools_of_small_noise():
    """Rows of squared norm over noise between 1e3 and 3e5, every other pool in directions of unequal size."""
    generator = np.random.default_rng(0)
    for noise in (0.1, 0.03, 0.01):
        for smallest in (1.0, 0.1, 1.0, 0.1):
            embeddings = generator.normal(size=(300, 32)) * np.geomspace(1, smallest, 32)
            yield (embeddings / noise).astype(np.float32)


def test_single_precision_reaches_the_objective_of_double_precision_where_the_noise_is_small(rng_key):
    pools = np.stack(list(pools_of_small_noise()))
    select = jax.jit(jax.vmap(lambda pool: bait(rng_key, pool, jnp.ones(300, bool), batch_size=24).indices))
    for pool, indices in zip(pools.astype(np.float64), np.asarray(select(pools)), strict=True):
        assert len(set(indices.tolist())) == 24
        assert objective(pool, indices) <= 1.05 * objective(pool, exact_bait(pool, 24))


def test_the_objective_falls_by_the_score_with_each_point():
    features, exact = random_features(1)
    selection = bait(jax.random.key(0), features, ALL, batch_size=6, oversample=1)
    indices = np.asarray(selection.indices)
    objectives = [objective(exact, indices[:step]) for step in range(7)]
    np.testing.assert_allclose(-np.diff(objectives), selection.scores, rtol=1e-3)
    assert (np.diff(objectives) < 0).all()


def test_going_back_is_no_worse_than_going_forwards_only_and_close_to_the_best():
    @jax.jit
    @jax.vmap
    def choices(features):
        select = functools.partial(bait, jax.random.key(0), features, ALL, batch_size=3)
        return select().indices, select(oversample=1).indices

    pools = np.stack([random_features(seed)[1] for seed in range(30)])
    both_ways, forwards = jax.device_get(choices(pools.astype(np.float32)))
    results = [
        (objective(exact, both), objective(exact, ahead), min(objective(exact, b) for b in combinations(range(10), 3)))
        for both, ahead, exact in zip(both_ways, forwards, pools, strict=True)
    ]
    both, ahead, best = np.array(results).T
    assert both.mean() <= ahead.mean()
    assert (both >= best - 1e-6).all()
    assert both.mean() <= 1.05 * best.mean()


def test_the_trace_and_the_determinant_can_prefer_different_points():
    # The pool lies along the first axis; the longest vector along the second informs most, but about nothing asked for.
    features = jax.device_put(np.array([[2.0, 0.0]] * 9 + [[0.0, 3.0]], np.float32))
    assert bait(jax.random.key(0), features, ALL, batch_size=1, oversample=1).indices[0] != 9
    assert max_det(jax.random.key(0), features, ALL, batch_size=1, noise=1.0).indices[0] == 9


def test_a_forward_pass_cut_short_by_the_pool_keeps_what_there_is(rng_key):
    features, _ = random_features(2)
    selection = bait(rng_key, features, jnp.arange(10) < 3, batch_size=5)
    indices = selection.indices.tolist()
    assert sorted(indices[:3]) == [0, 1, 2]
    assert indices[3:] == [10, 10]
    assert selection.scores.tolist()[3:] == [-np.inf] * 2


def test_settings_that_make_no_sense_are_refused(rng_key):
    features, _ = random_features(0)
    with pytest.raises(ValueError, match="ridge"):
        bait(rng_key, features, ALL, batch_size=2, ridge=-1.0)
    with pytest.raises(ValueError, match="oversample"):
        bait(rng_key, features, ALL, batch_size=2, oversample=0)
