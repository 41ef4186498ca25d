"""Draws from elsewhere become a posterior that predicts and does not learn."""

import jax.numpy as jnp
import numpy as np
import pytest

from bal import likelihoods
from bal.posteriors import from_samples
from bal.types import Batch
from tests.compiled import compiled_posterior

BATCH = Batch(jnp.ones((6, 4)), jnp.zeros(6, jnp.int32), jnp.ones(6))


def apply(params, inputs):
    return inputs @ params["kernel"] + params["bias"][None]


def stacked(num_draws=5):
    kernel = np.random.default_rng(0).standard_normal((num_draws, 4, 3), np.float32)
    return {"kernel": jnp.asarray(kernel), "bias": jnp.zeros((num_draws, 3))}


def test_predictions_are_those_of_each_draw(rng_key):
    params, inputs = stacked(), np.random.default_rng(1).standard_normal((6, 4), np.float32)
    posterior = compiled_posterior(from_samples(apply, params, likelihoods.categorical()))
    state, _ = posterior.fit(rng_key, posterior.init(rng_key, BATCH), BATCH)
    log_probs = posterior.predict(state, posterior.sample(rng_key, state, None), inputs)
    for s in range(5):
        outputs = np.asarray(inputs, np.float64) @ np.asarray(params["kernel"])[s]
        expected = outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(np.asarray(log_probs)[s], expected, rtol=1e-4, atol=1e-5)


def test_fewer_draws_are_taken_without_repetition(rng_key):
    posterior = compiled_posterior(from_samples(apply, stacked(), likelihoods.categorical()))
    draws = posterior.sample(rng_key, posterior.init(rng_key, BATCH), 3)
    assert len(set(np.array(draws.params["kernel"])[:, 0, 0].tolist())) == 3


def test_each_draw_may_have_its_own_noise(rng_key):
    noise = {"log_variance": jnp.asarray(np.log([1.0, 4.0]), jnp.float32)}
    posterior = compiled_posterior(
        from_samples(lambda w, x: x @ w, jnp.ones((2, 4, 1)), likelihoods.gaussian(), stacked_noise=noise)
    )
    state = posterior.init(rng_key, BATCH._replace(labels=jnp.zeros(6)))
    variance = posterior.predict(state, state, BATCH.inputs).variance
    np.testing.assert_allclose(np.array(variance)[:, 0], [1.0, 4.0], rtol=1e-5)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"kernel": jnp.ones((5, 4, 3)), "bias": jnp.zeros((4, 3))}, "same leading axis.*bias': 4.*kernel': 5"),
        ({"kernel": jnp.ones((0, 4, 3))}, "at least one draw"),
        ({"kernel": jnp.ones((5, 4, 3)), "scale": 1.0}, "stacked_params.scale with a leading axis"),
    ],
)
def test_params_whose_leading_axes_differ_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        from_samples(apply, params, likelihoods.categorical())


def test_outputs_that_do_not_fit_the_inputs_are_refused(rng_key):
    posterior = from_samples(lambda params, x: apply(params, x)[0], stacked(), likelihoods.categorical())
    with pytest.raises(ValueError, match=r"apply to return outputs \[n, ...\] for n = 6 points, got \[3\]"):
        posterior.init(rng_key, BATCH)
