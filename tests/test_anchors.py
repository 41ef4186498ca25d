"""A strategy among the neighbours of anchors: the candidates against a loop, and anchors of every class."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bal
from bal.strategies import among_anchors, bald, epistemic_variance
from bal.strategies._anchors import _anchors, _directions, _similarity
from bal.strategies._strategy import Strategy
from tests.test_strategies import NUM_POINTS, chosen, view_of


def random_directions(seed, num_points):
    return _directions(jnp.asarray(np.random.default_rng(seed).normal(size=(num_points, 3)).astype(np.float32)))


def test_candidates_are_the_most_similar_to_the_anchors_that_bring_them():
    points, labelled = random_directions(0, 20), random_directions(1, 4)
    available, anchors = np.arange(20) != 5, [2, 0, 4, 3]  # 4 is absent
    found = np.asarray(jax.jit(_similarity, static_argnums=4)(points, labelled, jnp.asarray(anchors), available, 6))
    brought = [[] for _ in range(20)]
    for anchor in (2, 0, 3):
        cosines = np.float64(points) @ np.float64(labelled[anchor])
        for index in [i for i in np.argsort(-cosines) if available[i]][:6]:
            brought[index].append(cosines[index])
    expected = [np.mean(each) if each else -2.0 for each in brought]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert {len(each) for each in brought} >= {0, 1}


def test_each_class_has_its_anchors_however_rare_it_is(rng_key):
    """Ten labels of class 0, two of class 1, none of class 2, and a padding row that claims to be of class 2."""
    labels = jnp.array([0] * 10 + [1, 1, 2])
    labelled = bal.Batch(jnp.zeros((13, 1)), labels, jnp.ones(13).at[-1].set(0))

    @jax.jit
    def draw(key):
        return _anchors(key, random_directions(0, 13), labelled, 3, 4).reshape(3, 4)

    first, second = np.asarray(draw(rng_key)), np.asarray(draw(jax.random.key(1)))
    assert len(set(first[0])) == 4
    assert set(first[0]) <= set(range(10))
    assert sorted(first[1]) == [10, 11, 13, 13]
    assert (first[2] == 13).all()
    assert set(first[0]) != set(second[0])


def test_a_strategy_sees_the_candidates_of_the_anchors():
    view, seen = view_of("classes"), {}

    def select(rng_key, view):
        seen["candidates"] = view.pool_indices
        return bald(batch_size=3).select(rng_key, view)

    strategy = among_anchors(Strategy(3, select), num_candidates=8, num_anchors=2, num_neighbours=4)

    @jax.jit
    def both():
        selection = strategy.select(jax.random.key(0), view)
        return selection, seen.pop("candidates")

    selection, candidates = jax.device_get(both())
    assert int(selection.num_candidates) == 8
    assert set(selection.indices) <= set(candidates)
    assert np.asarray(view.available)[candidates].all()


def test_all_points_as_candidates_give_the_choice_of_the_whole_pool():
    view, alone = view_of("classes"), bald(batch_size=3)
    asked = chosen(among_anchors(alone, num_candidates=NUM_POINTS + 9, num_anchors=2), view)
    np.testing.assert_array_equal(asked.indices, chosen(alone, view).indices)
    assert bool(asked.certified)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="expected a strategy for classes"):
        among_anchors(epistemic_variance(batch_size=5), num_candidates=9)
    for wrong in ({"num_candidates": 4}, {"num_anchors": 0}, {"num_neighbours": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            among_anchors(bald(batch_size=5), **({"num_candidates": 9} | wrong))
