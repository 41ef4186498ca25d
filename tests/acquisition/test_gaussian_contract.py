"""What every score of Gaussian predictions promises. A new one is tested by a row in ``CASES``."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal import acquisition
from bal.acquisition import GAUSSIAN_SCORES
from bal.streaming import stream
from bal.types import Gaussian

# name -> (gaussian [S, N], target gaussian [S, M]) -> scores [N]
CASES = {
    "epistemic_variance": lambda gaussian, targets: acquisition.epistemic_variance(gaussian),
    "gaussian_bald": lambda gaussian, targets: acquisition.gaussian_bald(gaussian),
    "gaussian_epig": acquisition.gaussian_epig,
    "total_variance": lambda gaussian, targets: acquisition.total_variance(gaussian),
}

# One program for each shape, where each operation by itself would be one.
cases = pytest.mark.parametrize("score", [jax.jit(case) for case in CASES.values()], ids=CASES.keys())
uncompiled = pytest.mark.parametrize("score", CASES.values(), ids=CASES.keys())


NUM_POINTS = 12


@functools.cache
def random_predictions():
    """At the points and at three targets; the tests share their sizes, and so the compiled programs."""
    generator = np.random.default_rng(0)
    return tuple(
        Gaussian(
            generator.normal(size=(7, length)).astype(np.float32),
            generator.uniform(0.1, 1.1, size=(7, length)).astype(np.float32),
        )
        for length in (NUM_POINTS, 3)
    )


@pytest.fixture
def predictions():
    return random_predictions()


def test_every_registered_score_has_a_case():
    assert set(CASES) == set(GAUSSIAN_SCORES)


@cases
def test_one_finite_score_of_at_least_zero_a_point(score, predictions):
    scores = score(*predictions)
    assert scores.shape == (NUM_POINTS,)
    assert np.isfinite(scores).all()
    assert (np.asarray(scores) >= 0).all()


@cases
def test_gradients_are_finite_also_where_the_draws_agree(score, predictions):
    agree = jax.tree.map(np.ones_like, predictions)
    gradients_of = jax.jit(jax.grad(lambda values: score(*values).sum()))
    for inputs in (predictions, agree):
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients_of(inputs)))


@cases
def test_order_and_repetition_of_the_draws_do_not_matter(score, predictions):
    for change in (lambda leaf: leaf[::-1], lambda leaf: np.tile(leaf, (2, 1))):
        np.testing.assert_allclose(score(*jax.tree.map(change, predictions)), score(*predictions), rtol=1e-5)


@cases
def test_an_offset_of_all_means_does_not_matter(score, predictions):
    moved = tuple(gaussian._replace(mean=gaussian.mean + 3) for gaussian in predictions)
    np.testing.assert_allclose(score(*moved), score(*predictions), rtol=1e-4, atol=1e-6)


@cases
def test_a_points_score_does_not_depend_on_the_other_points(score, predictions):
    gaussian, targets = predictions
    parts = [
        score(jax.tree.map(lambda leaf, i=i: leaf[:, i : i + 4], gaussian), targets) for i in range(0, NUM_POINTS, 4)
    ]
    np.testing.assert_allclose(np.concatenate(parts), score(gaussian, targets), rtol=1e-5)


@cases
def test_a_map_of_one_position_scores_as_regression_does(score, predictions):
    dense = np.asarray(score(*jax.tree.map(lambda leaf: leaf[:, :, None, None], predictions)))
    assert dense.shape == (NUM_POINTS, 1, 1)
    np.testing.assert_allclose(dense[:, 0, 0], score(*predictions), rtol=1e-6)


@cases
def test_points_may_be_divided_over_devices(score, predictions):
    mesh = jax.make_mesh((len(jax.devices()),), ("points",))
    gaussian, targets = predictions
    # Targets among the points, and little noise: all branches are taken.
    mean = np.concatenate([targets.mean, gaussian.mean[:, 3:]], axis=1)
    gaussian = Gaussian(mean, np.float32(1e-6) * gaussian.variance)
    targets = targets._replace(variance=np.float32(1e-6) * targets.variance)
    select = lambda indices: jax.tree.map(lambda leaf: jnp.take(leaf, indices, axis=1), gaussian)
    divided = jax.jit(lambda indices: stream(lambda chunk: score(select(chunk), targets), indices, mesh=mesh))(
        np.arange(NUM_POINTS)
    )
    np.testing.assert_allclose(divided, score(gaussian, targets), rtol=1e-4)


@uncompiled
def test_leaves_that_are_no_predictions_are_refused(score):
    good = Gaussian(jnp.ones((2, 3)), jnp.ones((2, 3)))
    for mean, variance, message in (
        (jnp.ones(3), jnp.ones(3), r"two leaves of shape \[S, N\]"),
        (jnp.ones((2, 3)), jnp.ones((2, 1)), r"two leaves of shape \[S, N\], got \[2, 3\] and \[2, 1\]"),
        (jnp.ones((2, 3), jnp.int32), jnp.ones((2, 3)), "gaussian.mean of a floating dtype, got int32"),
        (jnp.ones((0, 3)), jnp.ones((0, 3)), "without an empty axis"),
    ):
        with pytest.raises(ValueError, match=message):
            score(Gaussian(mean, variance), good)


@cases
def test_vmap_agrees_with_one_call_at_a_time(score, predictions):
    doubled = jax.tree.map(lambda leaf: 2 * leaf, predictions)
    together = jax.jit(jax.vmap(score))(*jax.tree.map(lambda *leaves: np.stack(leaves), predictions, doubled))
    np.testing.assert_allclose(together, [score(*predictions), score(*doubled)], rtol=1e-5)


@cases
def test_float32_is_near_float64(score, predictions):
    with jax.enable_x64(True):
        exact = score(*jax.tree.map(lambda leaf: leaf.astype(np.float64), predictions))
    assert exact.dtype == np.float64
    np.testing.assert_allclose(score(*predictions), exact, rtol=1e-4)
