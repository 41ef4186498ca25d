"""Turn-taking between classes against a slow loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.selection import class_balanced


def slow_balanced(scores, classes, available, counts, batch_size):
    counts, chosen = list(counts), []
    for _ in range(batch_size):
        left = [i for i in range(len(scores)) if available[i] and i not in chosen]
        fewest = min(counts[classes[i]] for i in left)
        chosen.append(max((i for i in left if counts[classes[i]] == fewest), key=lambda i: scores[i]))
        counts[classes[chosen[-1]]] += 1
    return chosen


@pytest.mark.parametrize("seed", range(4))
def test_each_point_is_the_best_of_the_class_with_the_fewest(seed, rng_key):
    key_scores, key_classes = jax.random.split(jax.random.key(seed))
    scores = jax.random.uniform(key_scores, (30,))
    classes = jax.random.categorical(key_classes, jnp.array([3.0, 1.0, 0.0]), shape=(30,))
    available, counts = jnp.arange(30) % 4 != 0, jnp.array([1.0, 3.0, 0.0])
    selection = class_balanced(rng_key, scores, classes, available, batch_size=12, num_classes=3, class_counts=counts)
    expected = slow_balanced(*(np.asarray(array).tolist() for array in (scores, classes, available, counts)), 12)
    assert selection.indices.tolist() == expected
    np.testing.assert_array_equal(selection.scores, scores[selection.indices])


def test_a_batch_holds_as_many_points_of_each_class_as_there_are(rng_key):
    classes = jnp.array([0] * 20 + [1] * 5 + [2] * 5)
    scores = jnp.linspace(1.0, 0.0, 30)
    selection = class_balanced(rng_key, scores, classes, jnp.ones(30, bool), batch_size=15, num_classes=3)
    assert np.bincount(classes[selection.indices]).tolist() == [5, 5, 5]
    more = class_balanced(rng_key, scores, classes, jnp.ones(30, bool), batch_size=20, num_classes=3)
    assert np.bincount(classes[more.indices]).tolist() == [10, 5, 5]


def test_nan_scores_are_counted_and_equal_scores_ordered_by_the_key(rng_key):
    classes, available = jnp.array([0, 0, 1, 1]), jnp.ones(4, bool)
    scores = jnp.array([jnp.nan, 0.0, 0.0, 0.0])
    draw = jax.vmap(lambda key: class_balanced(key, scores, classes, available, batch_size=4, num_classes=2))
    selections = draw(jax.random.split(rng_key, 30))
    assert set(selections.num_invalid.tolist()) == {1}
    assert {tuple(indices) for indices in selections.indices.tolist()} == {
        (1, 2, 3, 4),
        (1, 3, 2, 4),
        (2, 1, 3, 4),
        (3, 1, 2, 4),
    }


def test_negative_counts_are_refused(rng_key):
    with pytest.raises(ValueError, match="class_counts"):
        class_balanced(
            rng_key,
            jnp.ones(2),
            jnp.array([0, 1]),
            jnp.ones(2, bool),
            batch_size=1,
            num_classes=2,
            class_counts=jnp.array([-1.0, 0.0]),
        )
