"""Stochastic-gradient MCMC against the known posterior of a linear-Gaussian model."""

import jax
import numpy as np
import pytest

from bal import likelihoods
from bal.posteriors import sghmc, sgld
from tests.posteriors import closed_form

LINEAR = closed_form.linear_network()
METHODS = {"sgld": (sgld, {}), "sghmc": (sghmc, {"friction": 0.2})}
CHAIN = {"num_steps": 20_000, "num_cycles": 20, "draws_per_cycle": 20, "exploration": 0.2, "minibatch_size": 24}


def fit(posterior, batch):
    run = jax.jit(lambda batch: posterior.fit(jax.random.key(1), posterior.init(jax.random.key(0), batch), batch)[0])
    return jax.tree.map(np.array, run(batch))


@pytest.mark.parametrize("name", METHODS)
def test_draws_have_the_mean_and_spread_of_the_closed_form(name):
    method, settings = METHODS[name]
    batch = closed_form.regression_batch(num_padding=3)
    exact = closed_form.exact_posterior(batch)
    rate = 0.01 if name == "sgld" else 0.002
    settings = {**CHAIN, **settings, "minibatch_size": 256}
    posterior = method(LINEAR, closed_form.known_noise(), learning_rate=rate, **settings)
    draws = closed_form.stacked_weights(fit(posterior, batch).draws.variables.params)
    assert draws.shape == (400, 3)
    deviation = np.diagonal(exact.covariance) ** 0.5
    # 400 draws, correlated within their 20 cycles: the equivalent of at least 60, standard errors of 0.13 and 0.09.
    assert (np.abs(draws.mean(axis=0) - exact.mean) < 0.5 * deviation).all()
    np.testing.assert_allclose(draws.std(axis=0) / deviation, 1.0, atol=0.35)
    # Inputs are correlated, and so are their weights.
    correlation = exact.covariance[0, 1] / (deviation[0] * deviation[1])
    np.testing.assert_allclose(np.corrcoef(draws.T)[0, 1], correlation, atol=0.3)


@pytest.mark.parametrize("name", METHODS)
def test_without_temperature_the_chain_is_training(name):
    method, settings = METHODS[name]
    batch = closed_form.regression_batch()
    settings = {**CHAIN, **settings, "num_steps": 2_000, "num_cycles": 1, "minibatch_size": 512}
    posterior = method(LINEAR, closed_form.known_noise(), learning_rate=0.02, temperature=0.0, **settings)
    draws = closed_form.stacked_weights(fit(posterior, batch).draws.variables.params)
    np.testing.assert_allclose(draws[-1], closed_form.exact_posterior(batch).mean, atol=0.02)


def test_draws_are_the_networks_that_the_chain_visits():
    batch = closed_form.regression_batch()
    settings = {**CHAIN, "num_steps": 40, "num_cycles": 2, "draws_per_cycle": 3}
    posterior = sgld(LINEAR, closed_form.known_noise(), learning_rate=0.01, **settings)
    state = fit(posterior, batch)
    assert posterior.max_samples == 6
    weights = closed_form.stacked_weights(state.draws.variables.params)
    assert len(np.unique(weights[:, 0])) == 6
    np.testing.assert_array_equal(weights[-1], closed_form.stacked_weights(state.variables.params))
    sample = jax.jit(posterior.sample, static_argnums=2)
    few = closed_form.stacked_weights(sample(jax.random.key(0), state, 4).variables.params)
    assert {tuple(row) for row in few} <= {tuple(row) for row in weights}


def test_invalid_settings_are_refused():
    def build(**changed):
        settings = {**CHAIN, "num_steps": 100, "num_cycles": 4, **changed}
        return sgld(LINEAR, likelihoods.gaussian(), learning_rate=0.1, **settings)

    with pytest.raises(ValueError, match="num_cycles"):
        build(num_cycles=3)
    with pytest.raises(ValueError, match="exploration"):
        build(exploration=1.0)
    with pytest.raises(ValueError, match="a step for each of the"):
        build(draws_per_cycle=24)
    with pytest.raises(ValueError, match="early_stopping"):
        build(early_stopping=object())
    with pytest.raises(ValueError, match="minibatch_size"):
        build(minibatch_size=0)
