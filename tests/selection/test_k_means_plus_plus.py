"""Sampling in proportion to squared distances: an oracle of the probabilities, and what centres do."""

import jax
import jax.numpy as jnp
import numpy as np

from bal.selection import k_means_plus_plus

POINTS = np.random.default_rng(0).normal(size=(8, 3))
CENTERS = np.random.default_rng(1).normal(size=(2, 3))
NUM_DRAWS = 4000


def squares(centers):
    return np.square(POINTS[:, None] - np.asarray(centers)[None]).sum(axis=-1).min(axis=1)


def test_points_are_drawn_in_proportion_to_their_squared_distance_to_labelled_and_chosen_ones():
    @jax.jit
    @jax.vmap
    def draw(key):
        return k_means_plus_plus(
            key, jnp.asarray(POINTS), jnp.ones(8, bool), batch_size=2, center_features=jnp.asarray(CENTERS)
        )

    drawn = draw(jax.random.split(jax.random.key(0), NUM_DRAWS))
    first, second = np.asarray(drawn.indices).T
    expected = squares(CENTERS) / squares(CENTERS).sum()
    error = np.sqrt(expected * (1 - expected) / NUM_DRAWS)
    assert (np.abs(np.bincount(first, minlength=8) / NUM_DRAWS - expected) <= 4 * error).all()
    # The second, given the most frequent first one.
    given = int(np.bincount(first).argmax())
    after = squares([*CENTERS, POINTS[given]])
    expected, count = after / after.sum(), int((first == given).sum())
    error = np.sqrt(expected * (1 - expected) / count)
    share = np.bincount(second[first == given], minlength=8) / count
    assert (np.abs(share - expected) <= 4 * error + 1e-9).all()
    np.testing.assert_allclose(drawn.scores[:, 0], squares(CENTERS)[first], rtol=1e-4)


def test_without_centres_the_first_point_has_the_largest_norm():
    drawn = k_means_plus_plus(jax.random.key(0), jnp.asarray(POINTS), jnp.ones(8, bool), batch_size=2)
    first = np.square(POINTS).sum(axis=1).argmax()
    assert drawn.indices[0] == first
    expected = np.square(POINTS[drawn.indices[1]] - POINTS[first]).sum()
    np.testing.assert_allclose(drawn.scores[1], expected, rtol=1e-4)
