"""The loop over a short list against one that looks at all points in each step."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.selection import max_det
from bal.selection.greedy import _shortlist
from bal.selection.greedy._shortlist import greedy_shortlist


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Lists so short that passes over all points are needed, for either reason."""
    monkeypatch.setattr(_shortlist, "SHORTLIST_SIZE", 5)
    monkeypatch.setattr(_shortlist, "STEPS_A_PASS", 3)


@functools.partial(jax.jit, static_argnames="batch_size")
def choose(rng_key, gains, shares, batch_size):
    """A point takes from each other its own share of that point's gain: the effect of a point is its column."""
    return greedy_shortlist(
        rng_key,
        gains,
        jnp.eye(len(gains)),
        effect=lambda point, gain, effects: point @ shares,
        lower=lambda gains, points, effects: gains * (1 - points @ effects.T).prod(axis=1),
        batch_size=batch_size,
    )


@pytest.mark.parametrize("seed", range(4))
def test_it_chooses_what_a_look_at_all_points_in_each_step_would(seed, rng_key):
    generator = np.random.default_rng(seed)
    gains, shares = generator.uniform(1, 2, 40), generator.uniform(0, 0.5, (40, 40)) * generator.uniform(size=(40, 1))
    gains[3] = -np.inf
    left, expected, scores = gains.copy(), [], []
    for _ in range(12):
        expected.append(int(left.argmax()))
        scores.append(left.max())
        left = left * (1 - shares[expected[-1]])
        left[expected] = -np.inf
    indices, found = choose(rng_key, gains.astype(np.float32), shares.astype(np.float32), batch_size=12)
    assert indices.tolist() == expected
    np.testing.assert_allclose(found, scores, rtol=1e-5)


def test_of_equal_gains_any_may_be_the_first_also_where_the_list_holds_few_of_them():
    equal, shares = np.ones(20, np.float32), np.zeros((20, 20), np.float32)
    batches = [choose(jax.random.key(seed), equal, shares, batch_size=20)[0].tolist() for seed in range(40)]
    assert all(sorted(batch) == list(range(20)) for batch in batches)
    assert len({batch[0] for batch in batches}) > 12


def test_what_is_missing_is_the_absent_index(rng_key):
    given = np.array([1.0, -np.inf, 2.0], np.float32)
    indices, gains = choose(rng_key, given, np.zeros((3, 3), np.float32), batch_size=3)
    assert indices.tolist() == [2, 0, 3]
    assert gains.tolist() == [2.0, 1.0, -np.inf]


def test_a_long_batch_of_max_det_is_the_pivoted_cholesky_decomposition(rng_key):
    features = np.asarray(jax.random.normal(rng_key, (60, 24)), np.float64)
    left, pivots = features @ features.T + 0.2 * np.eye(60), []
    for _ in range(20):
        pivots.append(int(np.argmax(np.where(np.isin(np.arange(60), pivots), -np.inf, np.diag(left)))))
        left = left - np.outer(left[:, pivots[-1]], left[pivots[-1]]) / left[pivots[-1], pivots[-1]]
    selection = max_det(rng_key, jnp.asarray(features, jnp.float32), jnp.ones(60, bool), batch_size=20, noise=0.2)
    assert selection.indices.tolist() == pivots


@pytest.mark.parametrize(("scale", "noise"), [(10.0, 1e-4), (100.0, 1e-2), (1.0, 1e-6)])
def test_beyond_the_rank_of_the_features_max_det_still_chooses_points_of_falling_gain(scale, noise, rng_key):
    features = scale * jax.random.normal(rng_key, (300, 4))
    selection = max_det(rng_key, features, jnp.ones(300, bool), batch_size=30, noise=noise)
    assert len(set(selection.indices.tolist())) == 30
    assert max(selection.indices.tolist()) < 300
    assert (np.diff(selection.scores) <= 0).all()
    assert int(selection.num_invalid) == 0
