"""Top k and its stochastic relatives against sorting, closed-form frequencies and known limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.selection import gumbel_top_k, top_k, uniform

KINDS = ("power", "softmax", "softrank")
ALL = jnp.ones(6, bool)
SCORES = jnp.array([0.1, 0.7, 0.0, 0.4, 0.2, 0.0])


def frequencies(draw, num_points, num_draws=4000):
    drawn = jax.jit(jax.vmap(draw))(jax.random.split(jax.random.key(1), num_draws))
    return np.bincount(np.asarray(drawn), minlength=num_points) / num_draws


def assert_frequencies(observed, expected, num_draws=4000):
    """Within four standard errors of a binomial."""
    expected = np.asarray(expected) / np.sum(expected)
    assert (np.abs(observed - expected) <= 4 * np.sqrt(expected * (1 - expected) / num_draws) + 1e-9).all()


def test_top_k_returns_the_best_available_points_in_order(rng_key):
    selection = top_k(rng_key, SCORES, ALL.at[1].set(False), batch_size=3)
    assert selection.indices.tolist() == [3, 4, 0]
    np.testing.assert_allclose(selection.scores, SCORES[jnp.array([3, 4, 0])])


def test_ties_are_broken_by_the_key_and_not_by_index():
    observed = frequencies(lambda key: top_k(key, jnp.zeros(6), ALL, batch_size=1).indices[0], 6)
    assert_frequencies(observed, np.ones(6))


def test_nan_is_never_chosen_and_is_counted_among_available_points(rng_key):
    scores = jnp.array([jnp.nan, 0.3, jnp.nan, -jnp.inf, 0.1, jnp.nan])
    for rule in (top_k, gumbel_top_k):
        selection = rule(rng_key, scores, ALL.at[5].set(False), batch_size=5)
        assert set(selection.indices[:3].tolist()) == {1, 3, 4}
        assert selection.indices[3:].tolist() == [6, 6]
        assert int(selection.num_invalid) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_beta_is_top_k(kind, rng_key):
    scores = jax.random.uniform(rng_key, (20,)) + 0.1
    available = jnp.arange(20) % 4 != 0
    expected = top_k(rng_key, scores, available, batch_size=5).indices
    chosen = gumbel_top_k(rng_key, scores, available, batch_size=5, kind=kind, beta=1e5)
    assert chosen.indices.tolist() == expected.tolist()
    np.testing.assert_array_equal(chosen.scores, scores[chosen.indices])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("traced", [False, True])
def test_an_infinite_beta_is_top_k_ties_and_scores_below_zero_included(kind, traced, rng_key):
    scores = jnp.array([0.3, -1.0, 0.3, 0.0, 1.0, 0.3, -2.0, 0.0, jnp.inf, jnp.nan])
    available = jnp.arange(10) != 4

    def choose(beta):
        return gumbel_top_k(rng_key, scores, available, batch_size=9, kind=kind, beta=beta)

    chosen = (jax.jit(choose) if traced else choose)(jnp.inf)
    assert chosen.indices.tolist() == top_k(rng_key, scores, available, batch_size=9).indices.tolist()


@pytest.mark.parametrize("kind", ["power", "softmax"])
def test_the_noise_of_scores_in_half_precision_is_drawn_in_single_precision(kind):
    observed = frequencies(
        lambda key: gumbel_top_k(key, jnp.ones(3, jnp.bfloat16), ALL[:3], batch_size=1, kind=kind).indices[0], 3
    )
    assert_frequencies(observed, np.ones(3))


def test_softrank_of_scores_in_half_precision_tells_the_ranks_of_a_large_pool_apart(rng_key):
    # Above 256 the numbers of half precision are more than one apart.
    scores = jnp.linspace(1, 2, 1000).astype(jnp.bfloat16)
    chosen = gumbel_top_k(rng_key, scores, jnp.ones(1000, bool), batch_size=1000, kind="softrank", beta=1e6)
    assert (np.diff(chosen.scores.astype(jnp.float32)) <= 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_beta_of_zero_is_uniform_over_scores_of_zero_and_below_too(kind):
    scores = jnp.array([0.1, 0.7, 0.0, -0.4, jnp.inf, 0.9])
    observed = frequencies(lambda key: gumbel_top_k(key, scores, ALL, batch_size=1, kind=kind, beta=0.0).indices[0], 6)
    assert_frequencies(observed, np.ones(6))


def test_power_and_softmax_draw_the_first_point_with_the_stated_probability():
    power = frequencies(lambda key: gumbel_top_k(key, SCORES, ALL, batch_size=1, kind="power", beta=2.0).indices[0], 6)
    assert_frequencies(power, np.asarray(SCORES) ** 2)
    softmax = frequencies(
        lambda key: gumbel_top_k(key, SCORES, ALL, batch_size=1, kind="softmax", beta=3.0).indices[0], 6
    )
    assert_frequencies(softmax, np.exp(3 * np.asarray(SCORES)))


def test_softrank_draws_by_the_rank_among_available_points():
    scores = jnp.array([5.0, 3.0, 9.0, 1.0])
    available = jnp.array([True, True, False, True])
    observed = frequencies(
        lambda key: gumbel_top_k(key, scores, available, batch_size=1, kind="softrank").indices[0], 4
    )
    assert_frequencies(observed, [1, 1 / 2, 0, 1 / 3])


def test_power_takes_zeros_last_and_in_random_order():
    for seed in range(20):
        chosen = gumbel_top_k(jax.random.key(seed), SCORES, ALL, batch_size=6).indices.tolist()
        assert set(chosen[:4]) == {0, 1, 3, 4}
    last = frequencies(lambda key: gumbel_top_k(key, SCORES, ALL, batch_size=6).indices[4], 6)
    assert_frequencies(last, [0, 0, 1, 0, 0, 1])


def test_power_ignores_the_scale_and_softmax_the_offset_of_the_scores(rng_key):
    scores = jax.random.uniform(rng_key, (30,)) + 0.1
    available = jnp.ones(30, bool)
    for kind, changed in (("power", 7 * scores), ("softmax", scores + 3), ("softrank", jnp.exp(scores))):
        first = gumbel_top_k(rng_key, scores, available, batch_size=8, kind=kind).indices
        assert first.tolist() == gumbel_top_k(rng_key, changed, available, batch_size=8, kind=kind).indices.tolist()


def test_uniform_batches_of_one_and_of_all_have_the_same_distribution():
    one = frequencies(lambda key: uniform(key, ALL, batch_size=1).indices[0], 6)
    third = frequencies(lambda key: uniform(key, ALL, batch_size=3).indices[2], 6)
    assert_frequencies(one, np.ones(6))
    assert_frequencies(third, np.ones(6))


def test_an_unknown_kind_is_refused(rng_key):
    with pytest.raises(ValueError, match="softrank"):
        gumbel_top_k(rng_key, SCORES, ALL, batch_size=1, kind="gibbs")


def test_beta_may_be_swept_under_vmap(rng_key):
    scores = jnp.linspace(0.1, 1.0, 6)
    swept = jax.vmap(lambda beta: gumbel_top_k(rng_key, scores, ALL, batch_size=2, beta=beta).indices)(
        jnp.array([1e-9, 1e6])
    )
    assert swept[1].tolist() == [5, 4]
