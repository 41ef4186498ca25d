"""What every score promises. A new score is tested by a row in ``CASES``."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

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

NUM_POINTS = 12


@functools.cache
def random_log_probs(seed=0, num_draws=7, num_points=NUM_POINTS, num_classes=4, scale=2.0):
    """Predictions at the points and at two targets; the tests share their sizes, and so the compiled programs."""
    generator = np.random.default_rng(seed)
    shapes = [(num_draws, length, num_classes) for length in (num_points, 2)]
    return tuple(log_softmax(scale * generator.normal(size=shape), axis=-1).astype(np.float32) for shape in shapes)


def test_every_registered_score_has_a_case():
    assert set(CASES) == set(SCORES) | set(TARGET_SCORES)


@cases
def test_one_finite_score_a_point(score):
    scores = score(*random_log_probs())
    assert scores.shape == (NUM_POINTS,)
    assert np.isfinite(scores).all()


@cases
def test_probabilities_of_exactly_zero_and_one_give_finite_scores_and_gradients(score):
    classes = np.random.default_rng(0).integers(0, 4, (7, NUM_POINTS))
    with np.errstate(divide="ignore"):
        log_probs = np.log(np.eye(4, dtype=np.float32)[classes])
    targets = log_probs[:, :2]
    assert np.isfinite(score(log_probs, targets)).all()
    gradients = jax.jit(jax.grad(lambda *values: score(*values).sum(), argnums=(0, 1)))(log_probs, targets)
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@cases
def test_the_order_of_draws_and_classes_does_not_matter(score):
    log_probs = random_log_probs()
    for change in (lambda array: array[::-1], lambda array: array[..., ::-1]):
        changed = jax.tree.map(change, log_probs)
        np.testing.assert_allclose(score(*changed), score(*log_probs), rtol=2e-5, atol=1e-6)


@cases
def test_draws_counted_twice_change_nothing(score):
    log_probs = random_log_probs()
    twice = jax.tree.map(lambda array: np.tile(array, (2, 1, 1)), log_probs)
    np.testing.assert_allclose(score(*twice), score(*log_probs), rtol=2e-5, atol=1e-6)


@cases
def test_a_points_score_does_not_depend_on_the_other_points(score):
    log_probs, targets = random_log_probs()
    parts = [score(log_probs[:, i : i + 4], targets) for i in range(0, NUM_POINTS, 4)]
    np.testing.assert_allclose(np.concatenate(parts), score(log_probs, targets), rtol=1e-5, atol=1e-6)


@cases
def test_vmap_agrees_with_one_call_at_a_time(score):
    parts = [random_log_probs(seed) for seed in (0, 1)]
    together = jax.jit(jax.vmap(score))(*map(np.stack, zip(*parts, strict=True)))
    np.testing.assert_allclose(together, np.stack([score(*part) for part in parts]), rtol=1e-5, atol=1e-6)


@cases
def test_float32_is_near_float64(score):
    log_probs = random_log_probs(num_draws=20, num_points=30, num_classes=10, scale=5.0)
    with jax.enable_x64(True):
        exact = score(*(log_softmax(part.astype(np.float64), axis=-1) for part in log_probs))
    assert exact.dtype == np.float64
    np.testing.assert_allclose(score(*log_probs), exact, rtol=1e-4, atol=1e-5)


@cases
def test_a_map_of_one_position_scores_as_classification_does(score):
    log_probs, targets = random_log_probs()
    dense = np.asarray(score(log_probs[:, :, None, None], targets[:, :, None, None]))
    assert dense.shape == (NUM_POINTS, 1, 1)
    np.testing.assert_allclose(dense[:, 0, 0], score(log_probs, targets), rtol=1e-6)


@cases
def test_positions_score_as_points_do(score):
    log_probs, targets = random_log_probs()
    dense = np.asarray(score(log_probs.reshape(7, 2, 2, 3, 4), targets.reshape(7, 1, 2, 1, 4)))
    np.testing.assert_allclose(dense.ravel(), score(log_probs, targets), rtol=1e-6)


@cases
def test_points_may_be_divided_over_devices(score):
    mesh = jax.make_mesh((len(jax.devices()),), ("points",))
    log_probs, targets = random_log_probs()
    predict = lambda indices: jnp.take(log_probs, indices, axis=1)
    divided = jax.jit(lambda indices: stream(lambda chunk: score(predict(chunk), targets), indices, mesh=mesh))(
        np.arange(NUM_POINTS)
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
def test_a_nan_prediction_gives_a_nan_score_there_and_nowhere_else(score):
    log_probs, targets = random_log_probs()
    spoilt = log_probs.copy()
    spoilt[2, 3, 1] = np.nan
    assert np.isnan(score(spoilt, targets)).tolist() == [point == 3 for point in range(NUM_POINTS)]
