"""Classes take turns: a loop in NumPy, and what happens when a class has no points left."""

import jax
import jax.numpy as jnp
import numpy as np

from bal.selection import class_stratified


def test_each_class_chooses_its_best_point_in_turn():
    scores = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    chosen = class_stratified(jax.random.key(0), jnp.asarray(scores), jnp.ones(40, bool), batch_size=12)
    indices, gains = np.asarray(chosen.indices), np.asarray(chosen.scores)
    left, turns = np.ones(40, bool), []
    for index, gain in zip(indices, gains, strict=True):
        (turn,) = np.flatnonzero(scores[index] == gain)
        assert gain == scores[left, turn].max()
        left[index] = False
        turns.append(turn)
    for start in (0, 4, 8):  # three rounds of all four classes, in one order
        assert turns[start : start + 4] == turns[:4]
    assert sorted(turns[:4]) == [0, 1, 2, 3]


def test_a_class_without_points_is_skipped_and_then_the_rest_is_random():
    scores = jnp.array([[1.0, -jnp.inf], [2.0, -jnp.inf], [-jnp.inf, 3.0], [-jnp.inf, -jnp.inf]])
    select = jax.vmap(lambda key: class_stratified(key, scores, jnp.ones(4, bool), batch_size=4))
    chosen = select(jax.random.split(jax.random.key(1), 20))
    assert set(map(tuple, np.sort(np.asarray(chosen.indices)[:, :2]).tolist())) == {(1, 2)}
    assert set(np.asarray(chosen.indices)[:, 2].tolist()) == {0}
    assert set(np.asarray(chosen.indices)[:, 3].tolist()) == {3}
    assert np.isneginf(np.asarray(chosen.scores)[:, 3]).all()


def test_the_order_of_the_classes_is_random():
    scores = jnp.eye(3) + 1
    first = jax.vmap(lambda key: class_stratified(key, scores, jnp.ones(3, bool), batch_size=1).indices[0])
    counts = np.bincount(np.asarray(first(jax.random.split(jax.random.key(2), 300))), minlength=3)
    assert (counts > 60).all()


def test_points_with_a_nan_are_counted_and_never_chosen():
    scores = jnp.array([[jnp.nan, 5.0], [1.0, 1.0]])
    chosen = class_stratified(jax.random.key(0), scores, jnp.ones(2, bool), batch_size=2)
    assert chosen.indices.tolist() == [1, 2]
    assert int(chosen.num_invalid) == 1
