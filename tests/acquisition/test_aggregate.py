"""One score for an image from the scores of its positions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.acquisition import AGGREGATES, SCORES, aggregate, foreground, top_fraction
from bal.types import Gaussian

RNG = np.random.default_rng(0)
LOG_PROBS = jax.nn.log_softmax(jnp.asarray(RNG.normal(size=(5, 3, 4, 6, 3)), jnp.float32))  # S n H W C
MAPS = jnp.asarray(RNG.uniform(size=(3, 4, 6)), jnp.float32)


@pytest.mark.parametrize("how", sorted(AGGREGATES))
def test_a_constant_map_has_its_constant_and_one_position_its_own_score(how):
    constant = np.asarray(aggregate(jnp.full((3, 4, 6), 0.7), LOG_PROBS, how))
    np.testing.assert_allclose(constant, 0.7 * (24 if how == "sum" else 1), rtol=1e-6)
    one = np.asarray(aggregate(MAPS[:, :1, :1], LOG_PROBS[:, :, :1, :1], how))
    np.testing.assert_allclose(one, MAPS[:, 0, 0], rtol=1e-6)
    np.testing.assert_array_equal(aggregate(MAPS[:, 0, 0], LOG_PROBS[:, :, 0, 0], how), MAPS[:, 0, 0])


def test_each_aggregate_is_that_of_numpy():
    maps = np.asarray(MAPS, np.float64).reshape(3, -1)
    probs = np.exp(np.asarray(LOG_PROBS, np.float64)).mean(axis=0)
    weights = (1 - probs[..., 0]).reshape(3, -1)
    expected = {
        "foreground": (weights * maps).sum(axis=1) / weights.sum(axis=1),
        "max": maps.max(axis=1),
        "mean": maps.mean(axis=1),
        "sum": maps.sum(axis=1),
        "top_fraction": np.sort(maps)[:, -2:].mean(axis=1),  # a tenth of 24 positions
    }
    assert set(expected) == set(AGGREGATES)
    for how, values in expected.items():
        np.testing.assert_allclose(aggregate(MAPS, LOG_PROBS, how), values, rtol=1e-5)
    last = foreground(background=2)(MAPS, LOG_PROBS)
    weights = (1 - probs[..., 2]).reshape(3, -1)
    np.testing.assert_allclose(last, (weights * maps).sum(axis=1) / weights.sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(aggregate(MAPS, LOG_PROBS, top_fraction(1.0)), maps.mean(axis=1), rtol=1e-5)


@pytest.mark.parametrize("name", sorted(SCORES))
def test_a_map_of_one_position_scores_as_a_point(name):
    points = LOG_PROBS.reshape(5, -1, 3)
    maps = points[:, :, None, None]
    of_maps = jax.jit(lambda predictions: aggregate(SCORES[name](predictions), predictions, "mean"))
    np.testing.assert_allclose(of_maps(maps), jax.jit(SCORES[name])(points), rtol=1e-6, atol=1e-7)


def test_an_image_without_foreground_scores_0_and_has_a_finite_gradient():
    sure = jnp.log(jnp.eye(3)[jnp.zeros((2, 1, 2, 2), jnp.int32)])
    assert foreground()(MAPS[:1, :2, :2], sure).tolist() == [0.0]
    gradient = jax.grad(lambda maps: foreground()(maps, sure).sum())(MAPS[:1, :2, :2])
    assert np.isfinite(np.asarray(gradient)).all()


def test_what_is_not_an_aggregate_is_refused():
    with pytest.raises(ValueError, match="expected aggregate to be one of 'mean'"):
        aggregate(MAPS, LOG_PROBS, "means")
    for fraction in (0.0, 1.1, float("nan")):
        with pytest.raises(ValueError, match="fraction above 0"):
            top_fraction(fraction)
    with pytest.raises(ValueError, match="log-probabilities .* for aggregate='foreground'"):
        aggregate(MAPS, Gaussian(MAPS[None], MAPS[None]), "foreground")
