"""The pool: labels are written once, in order, and nothing is lost silently."""

import jax
import jax.numpy as jnp
import pytest

from bal.initial import balanced_start, uniform_start
from bal.pool import add_labels, empty_pool, extend_budget, labelled_batch, skip


def pool_of(num_points=10, budget=4):
    return empty_pool(num_points, budget, jnp.zeros(1, jnp.int32))


def test_labels_are_written_in_the_order_given():
    pool = add_labels(pool_of(), jnp.array([7, 2]), jnp.array([1, 0]))
    pool = add_labels(pool, jnp.array([5]), jnp.array([2]))
    assert pool.indices.tolist() == [7, 2, 5, 10]
    assert pool.labels.tolist() == [1, 0, 2, 0]
    assert int(pool.num_labelled) == 3
    assert (~pool.available).nonzero()[0].tolist() == [2, 5, 7]


def test_a_point_that_is_held_is_relabelled_in_its_place():
    pool = add_labels(pool_of(), jnp.array([7, 2]), jnp.array([1, 0]))
    pool = add_labels(pool, jnp.array([7, 3]), jnp.array([2, 2]))
    assert pool.indices.tolist() == [7, 2, 3, 10]
    assert pool.labels.tolist() == [2, 0, 2, 0]
    assert int(pool.num_labelled) == 3


def test_an_index_given_twice_is_refused_and_counts_once_with_the_later_label_when_compiled():
    with pytest.raises(ValueError, match=r"one label a point, got several for \[4\]"):
        add_labels(pool_of(), jnp.array([4, 4]), jnp.array([1, 2]))
    pool = jax.jit(add_labels)(pool_of(), jnp.array([4, 4]), jnp.array([1, 2]))
    assert int(pool.num_labelled) == 1
    assert pool.labels.tolist()[0] == 2


def test_absent_indices_and_weights_of_zero_add_nothing():
    pool = add_labels(pool_of(), jnp.array([10, 3, 6]), jnp.array([1, 1, 1]), jnp.array([1.0, 0.0, 1.0]))
    assert pool.indices.tolist() == [6, 10, 10, 10]
    assert bool(pool.available[3])


def test_a_full_buffer_refuses_more_on_the_host_and_drops_them_when_compiled():
    pool = add_labels(pool_of(budget=2), jnp.array([1, 2]), jnp.array([0, 0]))
    with pytest.raises(ValueError, match="label budget 2"):
        add_labels(pool, jnp.array([3]), jnp.array([0]))
    assert add_labels(pool, jnp.array([2]), jnp.array([5])).labels.tolist() == [0, 5]
    compiled = jax.jit(add_labels)(pool, jnp.array([3]), jnp.array([0]))
    assert compiled.indices.tolist() == [1, 2]
    assert int(compiled.num_labelled) == 2
    assert bool(compiled.available[3])


@pytest.mark.parametrize("index", [-1, 11])
def test_indices_outside_the_pool_are_refused(index):
    with pytest.raises(ValueError, match="between 0 and 9"):
        add_labels(pool_of(), jnp.array([index]), jnp.array([0]))
    with pytest.raises(ValueError, match="between 0 and 9"):
        skip(pool_of(), jnp.array([index]))


def test_weights_other_than_zero_and_one_are_refused():
    with pytest.raises(ValueError, match="weights of 0"):
        add_labels(pool_of(), jnp.array([1]), jnp.array([0]), jnp.array([0.5]))


def test_the_batch_has_weight_zero_where_the_buffer_is_empty():
    inputs = jnp.arange(20.0).reshape(10, 2)
    batch = labelled_batch(add_labels(pool_of(), jnp.array([7]), jnp.array([1])), inputs)
    assert batch.weights.tolist() == [1, 0, 0, 0]
    assert batch.inputs[0].tolist() == [14, 15]
    assert (batch.inputs[1:] == 0).all()


def test_skipped_points_are_not_available_and_keep_their_labels():
    pool = skip(add_labels(pool_of(), jnp.array([7]), jnp.array([1])), jnp.array([7, 8]))
    assert not pool.available[8]
    assert pool.indices.tolist()[0] == 7
    assert int(pool.num_labelled) == 1


def test_extending_the_budget_keeps_what_is_held():
    pool = extend_budget(add_labels(pool_of(budget=2), jnp.array([1, 2]), jnp.array([4, 5])), 3)
    assert pool.indices.tolist() == [1, 2, 10]
    assert add_labels(pool, jnp.array([9]), jnp.array([6])).labels.tolist() == [4, 5, 6]
    with pytest.raises(ValueError, match="budget of at least 3"):
        extend_budget(pool, 2)


def test_balanced_starts_have_equal_numbers_of_each_class():
    labels = jnp.array([0] * 40 + [1] * 10 + [2] * 30 + [3] * 3)
    for seed in range(5):
        chosen = balanced_start(jax.random.key(seed), labels, 12)
        assert jnp.bincount(labels[chosen], length=4).tolist() == [3, 3, 3, 3]
        assert len(set(chosen.tolist())) == 12
        # A class that runs out leaves its share to the others; a rest goes to different classes.
        assert sorted(jnp.bincount(labels[balanced_start(jax.random.key(seed), labels, 20)], length=4).tolist()) == [
            3, 5, 6, 6,
        ]  # fmt: skip


def test_starts_differ_between_keys_and_do_not_repeat_points():
    labels = jnp.arange(30) % 3
    draws = {tuple(balanced_start(jax.random.key(seed), labels, 3).tolist()) for seed in range(8)}
    assert len(draws) > 4
    assert len(set(uniform_start(jax.random.key(0), 30, 30).tolist())) == 30
