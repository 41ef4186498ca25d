"""What every score promises. A new score is tested by a row in ``CASES``."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal import acquisition
from bal.acquisition import SCORES, TARGET_SCORES
from bal.streaming import stream


def without_targets(score):
    return lambda log_probs, target_log_probs: score(log_probs)


# name -> (log_probs [S, N, C], target_log_probs [S, M, C]) -> scores [N]
CASES = {name: without_targets(getattr(acquisition, name)) for name in SCORES}
CASES |= {name: getattr(acquisition, name) for name in TARGET_SCORES}

# One program for each shape, where each operation by itself would be one.
cases = pytest.mark.parametrize("score", [jax.jit(case) for case in CASES.values()], ids=CASES.keys())
uncompiled = pytest.mark.parametrize("score", CASES.values(), ids=CASES.keys())


def random_log_probs(rng_key, num_draws=7, num_points=11, num_classes=4, scale=2.0):
    """Predictions at the points and at two targets."""
    key_points, key_targets = jax.random.split(rng_key)
    log_probs = scale * jax.random.normal(key_points, (num_draws, num_points, num_classes))
    target_log_probs = scale * jax.random.normal(key_targets, (num_draws, 2, num_classes))
    return jax.nn.log_softmax(log_probs), jax.nn.log_softmax(target_log_probs)


def test_every_registered_score_has_a_case():
    assert set(CASES) == set(SCORES) | set(TARGET_SCORES)


@cases
def test_one_finite_score_a_point(score, rng_key):
    scores = score(*random_log_probs(rng_key))
    assert scores.shape == (11,)
    assert jnp.isfinite(scores).all()


@cases
def test_probabilities_of_exactly_zero_and_one_give_finite_scores_and_gradients(score, rng_key):
    classes = jax.random.randint(rng_key, (5, 6), 0, 3)
    log_probs = jnp.log(jax.nn.one_hot(classes, 3))
    targets = log_probs[:, :2]
    assert jnp.isfinite(score(log_probs, targets)).all()
    for argument in (0, 1):
        gradient = jax.jit(jax.grad(lambda *values: score(*values).sum(), argnums=argument))(log_probs, targets)
        assert jnp.isfinite(gradient).all()


@cases
def test_the_order_of_draws_and_classes_does_not_matter(score, rng_key):
    log_probs = random_log_probs(rng_key)
    for change in (lambda array: array[::-1], lambda array: array[..., ::-1]):
        changed = jax.tree.map(change, log_probs)
        np.testing.assert_allclose(score(*changed), score(*log_probs), rtol=2e-5, atol=1e-6)


@cases
def test_draws_counted_twice_change_nothing(score, rng_key):
    log_probs = random_log_probs(rng_key)
    twice = jax.tree.map(lambda array: jnp.tile(array, (2, 1, 1)), log_probs)
    np.testing.assert_allclose(score(*twice), score(*log_probs), rtol=2e-5, atol=1e-6)


@cases
def test_a_points_score_does_not_depend_on_the_other_points(score, rng_key):
    log_probs, targets = random_log_probs(rng_key)
    parts = [score(log_probs[:, i : i + 4], targets) for i in range(0, 11, 4)]
    np.testing.assert_allclose(jnp.concatenate(parts), score(log_probs, targets), rtol=1e-5, atol=1e-6)


@uncompiled
def test_jit_and_vmap_agree_with_eager(score, rng_key):
    parts = [random_log_probs(key, num_points=5) for key in jax.random.split(rng_key, 2)]
    eager = jnp.stack([score(*part) for part in parts])
    together = jax.jit(jax.vmap(score))(*map(jnp.stack, zip(*parts, strict=True)))
    np.testing.assert_allclose(together, eager, rtol=1e-5, atol=1e-6)


@cases
def test_float32_is_near_float64(score, rng_key):
    log_probs = random_log_probs(rng_key, num_draws=20, num_points=30, num_classes=10, scale=5.0)
    with jax.enable_x64(True):
        exact = score(*(jax.nn.log_softmax(jnp.asarray(np.asarray(part), jnp.float64)) for part in log_probs))
    np.testing.assert_allclose(score(*log_probs), exact, rtol=1e-4, atol=1e-5)


@cases
def test_a_map_of_one_position_scores_as_classification_does(score, rng_key):
    log_probs, targets = random_log_probs(rng_key, num_points=5, num_classes=3)
    dense = score(log_probs[:, :, None, None], targets[:, :, None, None])
    assert dense.shape == (5, 1, 1)
    np.testing.assert_allclose(dense[:, 0, 0], score(log_probs, targets), rtol=1e-6)


@cases
def test_positions_score_as_points_do(score, rng_key):
    log_probs, targets = random_log_probs(rng_key, num_points=6, num_classes=3)
    dense = score(log_probs.reshape(7, 1, 2, 3, 3), targets.reshape(7, 1, 2, 1, 3))
    np.testing.assert_allclose(dense.ravel(), score(log_probs, targets), rtol=1e-6)


@cases
def test_points_may_be_divided_over_devices(score, rng_key):
    mesh = jax.make_mesh((len(jax.devices()),), ("points",))
    log_probs, targets = random_log_probs(rng_key, num_points=5, num_classes=3)
    predict = lambda indices: jnp.take(log_probs, indices, axis=1)
    divided = jax.jit(lambda indices: stream(lambda chunk: score(predict(chunk), targets), indices, mesh=mesh))(
        jnp.arange(5)
    )
    np.testing.assert_allclose(divided, score(log_probs, targets), rtol=1e-5, atol=1e-6)


INVALID = {
    "rank": (jnp.zeros((5, 3)), r"log_probs of shape \[S, N, C\], got \[5, 3\].*pass log_probs\[None\]"),
    "dtype": (jnp.zeros((2, 5, 3), jnp.int32), "log_probs of a floating dtype, got int32"),
    "no draw": (jnp.zeros((0, 5, 3)), "without an empty axis"),
    "no point": (jnp.zeros((2, 0, 3)), "without an empty axis"),
    "no class": (jnp.zeros((2, 5, 0)), "without an empty axis"),
}


@pytest.mark.parametrize(("log_probs", "message"), INVALID.values(), ids=INVALID.keys())
def test_arrays_that_are_no_predictions_are_refused(log_probs, message):
    for name, score in {**SCORES, **TARGET_SCORES}.items():
        # Without the shape checks of the tests.
        score = inspect.unwrap(score)
        arguments = (log_probs,) if name in SCORES else (log_probs, log_probs)
        with pytest.raises(ValueError, match=message):
            score(*arguments)


@cases
def test_a_nan_prediction_gives_a_nan_score_there_and_nowhere_else(score, rng_key):
    log_probs, targets = random_log_probs(rng_key)
    scores = score(log_probs.at[2, 3, 1].set(jnp.nan), targets)
    assert jnp.isnan(scores).tolist() == [point == 3 for point in range(11)]
