"""Strategies around another one: what it looks at, and what the whole pool would give."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bal
from bal.sources import in_pieces
from bal.strategies import (
    among_known_neighbours,
    among_neighbours,
    bald,
    epistemic_variance,
    margin,
    random,
    true_loss,
    two_stages,
)
from bal.strategies._candidates import _ranks
from tests.sources.rows import Records, Rows
from tests.test_strategies import NUM_POINTS, chosen, first_pool, fitted, look, problem, view_of


def test_two_stages_choose_the_best_of_the_candidates():
    view = view_of("classes")
    asked = chosen(two_stages(margin(batch_size=10), bald(batch_size=3)), view)
    log_probs = jax.jit(view.predict)(view.take(jnp.arange(NUM_POINTS)))
    available = np.asarray(view.available)
    of_margin, of_bald = (
        np.where(available, np.asarray(jax.jit(score)(log_probs)), -np.inf)
        for score in (bal.acquisition.margin, bal.acquisition.bald)
    )
    candidates = np.argsort(-of_margin)[:10]
    best = candidates[np.argsort(-of_bald[candidates])[:3]]
    np.testing.assert_array_equal(asked.indices, best)
    np.testing.assert_allclose(asked.scores, of_bald[best], rtol=1e-4)
    assert int(asked.num_candidates) == 10
    assert not bool(asked.certified)


def test_all_points_as_candidates_give_the_choice_of_the_whole_pool():
    view, alone = view_of("classes"), bald(batch_size=3)
    whole = chosen(alone, view)
    assert whole.num_candidates is None
    for strategy in (
        two_stages(random(batch_size=NUM_POINTS), alone),
        among_neighbours(alone, num_candidates=99, num_neighbours=2),
    ):
        asked = chosen(strategy, view)
        np.testing.assert_array_equal(asked.indices, whole.indices)
        assert int(asked.num_candidates) == int(view.available.sum())
        assert bool(asked.certified)


def test_candidates_are_the_neighbours_of_the_labelled_points():
    rng = np.random.default_rng(0)
    points, labelled = rng.normal(size=(20, 3)).astype(np.float32), rng.normal(size=(4, 3)).astype(np.float32)
    counts, available = np.array([True, True, True, False]), np.arange(20) != 5
    arrays = jnp.asarray(points), jnp.asarray(labelled)
    ranks = np.asarray(_ranks(*arrays, jnp.asarray(counts), jnp.asarray(available), 4))
    expected = np.full(20, 4.0)
    for center in np.float64(labelled[:3]):
        distances = np.square(np.float64(points) - center).sum(axis=1)
        order = [index for index in np.argsort(distances) if available[index]]
        for rank, index in enumerate(order[:4]):
            expected[index] = min(expected[index], rank)
    np.testing.assert_array_equal(ranks, expected)
    assert (np.asarray(_ranks(*arrays, jnp.zeros(4, bool), jnp.asarray(available), 4)) == 4).all()


def table_of(view):
    """All other points, nearest first, by the embeddings of the view."""
    points = np.asarray(jax.jit(lambda: view.map(view.features["embedding"]))(), np.float64)
    distances = np.square(points[:, None] - points[None]).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1)[:, :-1].astype(np.int32)


def test_known_neighbours_give_the_candidates_of_an_exact_search():
    view = view_of("classes")
    table = table_of(view)
    searched = among_neighbours(bald(batch_size=3), num_candidates=8, num_neighbours=NUM_POINTS)
    known = among_known_neighbours(bald(batch_size=3), table, num_candidates=8)
    assert known.needs == ()
    asked, expected = chosen(known, view), chosen(searched, view)
    np.testing.assert_array_equal(asked.indices, expected.indices)
    np.testing.assert_allclose(asked.scores, expected.scores, rtol=1e-5)
    assert int(asked.num_candidates) == 8


def test_known_neighbours_are_read_for_labelled_points_only_and_only_candidates_are_looked_at():
    table, inputs = Records(table_of(view_of("classes"))), Rows(np.asarray(problem("classes").pool_inputs))
    dataset, pool = problem("classes")._replace(pool_inputs=bal.Source(inputs)), first_pool("classes", 6)
    source = bal.Source(table)

    def choose(dataset, neighbours, pool_subset_size=None):
        view = look(jax.random.key(3), "classes", fitted("classes"), dataset, pool, pool_subset_size, chunk_size=7)
        strategy = among_known_neighbours(bald(batch_size=3), neighbours, num_candidates=6)
        selection = strategy.select(jax.random.key(0), view)
        return selection._replace(indices=view.pool_indices.at[selection.indices].get(mode="fill", fill_value=-1))

    table.read.clear()
    inputs.read.clear()
    found = in_pieces(lambda data: choose(data, source))(dataset)
    assert sorted(table.read) == [0, 1, 2, 3]
    assert len(set(inputs.read) - {0, 1, 2, 3}) == 6
    in_memory = jax.jit(lambda data: choose(data, np.stack(table.values)))
    np.testing.assert_array_equal(found.indices, in_memory(problem("classes")).indices)
    # Of a part of the pool, those that are in it.
    part = in_pieces(lambda data: choose(data, source, 16))(dataset)
    assert int(part.num_candidates) == 6
    assert set(np.asarray(part.indices)) <= set(range(4, NUM_POINTS))


def test_candidates_of_a_pool_on_disk_and_of_a_privileged_strategy_are_those_in_memory():
    strategy = two_stages(random(batch_size=12), among_neighbours(true_loss(batch_size=3), num_candidates=6))
    assert strategy.privileged
    assert strategy.needs == ("embedding",)
    dataset, pool = problem("classes"), first_pool("classes", 6)

    @in_pieces
    def choose(dataset):
        view = look(jax.random.key(3), "classes", fitted("classes"), dataset, pool, chunk_size=7)
        return strategy.select(jax.random.key(0), view)

    on_disk = choose(dataset._replace(pool_inputs=bal.Source(np.asarray(dataset.pool_inputs))))
    in_memory = jax.jit(choose)(dataset)
    np.testing.assert_array_equal(on_disk.indices, in_memory.indices)
    assert int(on_disk.num_candidates) == 6
    assert np.asarray(view_of("classes").available)[np.asarray(on_disk.indices)].all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="batch_size of the first strategy to be a whole number of at least 5, got 3"):
        two_stages(random(batch_size=3), bald(batch_size=5))
    with pytest.raises(ValueError, match="expected two strategies for one kind of predictions"):
        two_stages(epistemic_variance(batch_size=9), bald(batch_size=5))
    with pytest.raises(ValueError, match="num_candidates"):
        among_neighbours(bald(batch_size=5), num_candidates=4)
    with pytest.raises(ValueError, match="num_neighbours"):
        among_neighbours(bald(batch_size=5), num_candidates=5, num_neighbours=0)
    for wrong, message in (
        (np.ones((4, 2)), r"got float64 \[4, 2\]"),
        (np.arange(4), r"got int64 \[4\]"),
        ("x", "got str"),
    ):
        with pytest.raises(ValueError, match=rf"expected neighbours to be integers \[N, k\], {message}: pass index"):
            among_known_neighbours(bald(batch_size=5), wrong, num_candidates=5)
    known = among_known_neighbours(bald(batch_size=3), np.zeros((7, 2), np.int32), num_candidates=5)
    with pytest.raises(ValueError, match="expected neighbours of 40 points, as many as the pool has, got 7"):
        chosen(known, view_of("classes"))
