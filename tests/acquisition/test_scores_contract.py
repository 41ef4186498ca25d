"""What every score promises. A new score is tested by a row in ``CASES``."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal import acquisition
from bal.acquisition import SCORES

# name -> (log_probs [S, N, C] -> scores [N])
CASES = {name: getattr(acquisition, name) for name in SCORES}

cases = pytest.mark.parametrize("score", CASES.values(), ids=CASES.keys())


def random_log_probs(rng_key, shape=(7, 11, 4), scale=2.0):
    return jax.nn.log_softmax(scale * jax.random.normal(rng_key, shape))


def test_every_registered_score_has_a_case():
    assert set(CASES) == set(SCORES)


@cases
def test_one_finite_score_a_point(score, rng_key):
    scores = score(random_log_probs(rng_key))
    assert scores.shape == (11,)
    assert jnp.isfinite(scores).all()


@cases
def test_probabilities_of_exactly_zero_and_one_give_finite_scores_and_gradients(score, rng_key):
    classes = jax.random.randint(rng_key, (5, 6), 0, 3)
    log_probs = jnp.log(jax.nn.one_hot(classes, 3))
    assert jnp.isfinite(score(log_probs)).all()
    assert jnp.isfinite(jax.grad(lambda values: score(values).sum())(log_probs)).all()


@cases
def test_the_order_of_draws_and_classes_does_not_matter(score, rng_key):
    log_probs = random_log_probs(rng_key)
    np.testing.assert_allclose(score(log_probs[::-1]), score(log_probs), rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(score(log_probs[..., ::-1]), score(log_probs), rtol=2e-5, atol=1e-6)


@cases
def test_draws_counted_twice_change_nothing(score, rng_key):
    log_probs = random_log_probs(rng_key)
    np.testing.assert_allclose(score(jnp.tile(log_probs, (2, 1, 1))), score(log_probs), rtol=2e-5, atol=1e-6)


@cases
def test_a_points_score_does_not_depend_on_the_other_points(score, rng_key):
    log_probs = random_log_probs(rng_key)
    parts = [score(log_probs[:, i : i + 4]) for i in range(0, 11, 4)]
    np.testing.assert_allclose(jnp.concatenate(parts), score(log_probs), rtol=1e-5, atol=1e-6)


@cases
def test_jit_and_vmap_agree_with_eager(score, rng_key):
    log_probs = random_log_probs(rng_key, (3, 7, 5, 4))
    eager = jnp.stack([score(part) for part in log_probs])
    np.testing.assert_allclose(jax.jit(jax.vmap(score))(log_probs), eager, rtol=1e-5, atol=1e-6)


@cases
def test_float32_is_near_float64(score, rng_key):
    log_probs = random_log_probs(rng_key, (20, 30, 10), scale=5.0)
    with jax.enable_x64(True):
        exact = score(jax.nn.log_softmax(jnp.asarray(np.asarray(log_probs), jnp.float64)))
    np.testing.assert_allclose(score(log_probs), exact, rtol=1e-4, atol=1e-5)


@cases
def test_a_nan_prediction_gives_a_nan_score_there_and_nowhere_else(score, rng_key):
    scores = score(random_log_probs(rng_key).at[2, 3, 1].set(jnp.nan))
    assert jnp.isnan(scores).tolist() == [point == 3 for point in range(11)]
