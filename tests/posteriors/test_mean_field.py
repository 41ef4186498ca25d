"""Mean-field variational inference agrees with the closed form up to its factorisation."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bal import likelihoods, networks
from bal.posteriors import mean_field
from tests.posteriors import closed_form

BAYESIAN_LINEAR = networks.variational_mlp(num_outputs=1, hidden_sizes=())


def fit(posterior, batch):
    run = jax.jit(lambda batch: posterior.fit(jax.random.key(1), posterior.init(jax.random.key(0), batch), batch)[0])
    return jax.tree.map(np.array, run(batch))


def gaussian_weights(state):
    """Means and standard deviations of weights and bias: [F], [F]."""
    last = state.variables.params["last"]
    mean = np.concatenate([last["kernel_mean"][:, 0], last["bias_mean"]])
    return mean, np.exp(np.concatenate([last["kernel_log_deviation"][:, 0], last["bias_log_deviation"]]))


@pytest.mark.parametrize("estimator", ["local_reparameterisation", "flipout"])
def test_a_linear_gaussian_model_gets_the_exact_means_and_the_best_factorised_variances(estimator):
    batch = closed_form.regression_batch(num_padding=4)
    exact = closed_form.exact_posterior(batch, prior_precision=1 / 0.7**2)
    network = networks.variational_mlp(num_outputs=1, hidden_sizes=(), estimator=estimator)
    optimizer = optax.adam(optax.cosine_decay_schedule(0.05, 3000))
    posterior = mean_field(
        network, closed_form.known_noise(), optimizer, prior_scale=0.7, num_steps=3000, minibatch_size=64
    )
    mean, deviation = gaussian_weights(fit(posterior, batch))
    # The factorised Gaussian of least divergence has the exact mean, and the inverse diagonal of the precision.
    best = np.diagonal(np.linalg.inv(exact.covariance)) ** -0.5
    np.testing.assert_allclose(mean, exact.mean, atol=0.02)  # a fifth of a posterior standard deviation
    np.testing.assert_allclose(deviation, best, rtol=0.06)
    assert (deviation < np.diagonal(exact.covariance) ** 0.5 * 1.02).all()


def test_draws_have_the_moments_of_the_weights_and_predictions_those_of_the_functions():
    batch = closed_form.regression_batch()
    posterior = mean_field(
        BAYESIAN_LINEAR, closed_form.known_noise(), optax.adam(0.05), num_steps=50, minibatch_size=24
    )
    state = fit(posterior, batch)
    mean, deviation = gaussian_weights(state)
    inputs = np.array([[1.0, -2.0], [0.0, 0.0]], np.float32)
    run = jax.jit(lambda key, *args: posterior.predict(args[0], posterior.sample(key, args[0], 20_000), args[1]).mean)
    predictions = np.array(run(jax.random.key(2), state, inputs))
    features = np.concatenate([inputs, np.ones((2, 1))], axis=1)
    spread = np.sqrt(features**2 @ deviation**2)
    np.testing.assert_allclose(predictions.mean(axis=0), features @ mean, atol=5 * spread.max() / 141)
    np.testing.assert_allclose(predictions.std(axis=0), spread, rtol=0.025)  # five standard errors


def test_the_divergence_weighs_less_with_more_labels():
    # With data that say nothing (outputs are ignored), the weights go to the prior however many labels there are; with
    # a temperature of 0 they stay where the data loss leaves them.
    silent = closed_form.known_noise()._replace(loss=lambda params, outputs, labels: 0 * outputs[:, 0])
    batch = closed_form.regression_batch()
    states = [
        fit(
            mean_field(BAYESIAN_LINEAR, silent, optax.sgd(0.1), temperature=temperature, num_steps=3, minibatch_size=4),
            batch._replace(weights=jnp.asarray(np.arange(24) < count, jnp.float32)),
        )
        for temperature, count in ((1.0, 8), (1.0, 16), (0.0, 8))
    ]
    few, many, cold = (gaussian_weights(state)[1].mean() for state in states)
    assert few > many > cold
    np.testing.assert_allclose((few - cold) / (many - cold), 2.0, rtol=0.05)


def test_warm_up_brings_the_divergence_in():
    silent = closed_form.known_noise()._replace(loss=lambda params, outputs, labels: 0 * outputs[:, 0])
    batch = closed_form.regression_batch()

    def deviation(num_warmup_steps):
        settings = {"num_warmup_steps": num_warmup_steps, "num_steps": 1, "minibatch_size": 4}
        return gaussian_weights(fit(mean_field(BAYESIAN_LINEAR, silent, optax.sgd(0.1), **settings), batch))[1].mean()

    start = gaussian_weights(mean_field_start(batch))[1].mean()
    np.testing.assert_allclose((deviation(0.0) - start) / (deviation(10.0) - start), 10.0, rtol=0.05)


def mean_field_start(batch):
    posterior = mean_field(BAYESIAN_LINEAR, closed_form.known_noise(), optax.sgd(0.1), num_steps=1, minibatch_size=4)
    return jax.tree.map(np.array, jax.jit(posterior.init)(jax.random.key(0), batch))


def test_prior_scale_temperature_and_warm_up_can_be_swept_in_one_program():
    batch = closed_form.regression_batch()

    def run(setting):
        posterior = mean_field(
            BAYESIAN_LINEAR,
            closed_form.known_noise(),
            optax.adam(0.05),
            prior_scale=setting,
            temperature=setting,
            num_warmup_steps=setting,
            num_steps=20,
            minibatch_size=8,
        )
        state, _ = posterior.fit(jax.random.key(1), posterior.init(jax.random.key(0), batch), batch)
        return state.variables.params["last"]

    swept = jax.jit(jax.vmap(run))(jnp.array([0.1, 1.0]))
    for name in ("kernel_log_deviation", "bias_log_deviation"):
        assert (np.array(swept[name])[0] != np.array(swept[name])[1]).all()


def test_a_network_without_gaussian_weights_is_refused(rng_key):
    posterior = mean_field(
        networks.mlp(num_outputs=2), likelihoods.categorical(), optax.sgd(0.1), num_steps=1, minibatch_size=1
    )
    batch = closed_form.regression_batch()
    with pytest.raises(ValueError, match="variational layers"):
        jax.eval_shape(posterior.init, rng_key, batch._replace(labels=jnp.zeros(24, jnp.int32)))
