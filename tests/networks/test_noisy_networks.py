"""Networks whose head draws: dropped weights, learned rates, epistemic indices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bal import likelihoods, networks
from bal.posteriors import mc_dropout
from bal.types import Batch
from tests.compiled import compiled_network

NETWORKS = {
    "concrete_dropout_mlp": networks.concrete_dropout_mlp(num_outputs=3, hidden_sizes=(6, 5)),
    "dropconnect_mlp": networks.dropconnect_mlp(num_outputs=3, hidden_sizes=(6, 5)),
    "epinet_mlp": networks.epinet_mlp(num_outputs=3, hidden_sizes=(6, 5), index_size=4),
}
NETWORKS = {name: compiled_network(network) for name, network in NETWORKS.items()}
noisy = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS.keys())


def batch(num_points=16):
    inputs = np.random.default_rng(5).standard_normal((num_points, 4), np.float32)
    labels = (inputs[:, 0] > 0).astype(np.int32)
    return Batch(*map(jnp.asarray, (inputs, labels, np.ones(num_points, np.float32))))


@functools.partial(jax.jit, static_argnums=(0, 3))
def outputs_of_draws(network, variables, inputs, num_draws):
    hidden = network.trunk(variables, inputs)

    def draw(key):
        return network.readout(variables, network.head(variables, hidden, key))

    return jax.vmap(draw)(jax.random.split(jax.random.key(1), num_draws))


@noisy
def test_draws_are_fixed_functions_that_differ(network, rng_key):
    inputs = np.array(batch().inputs)
    variables = network.init(rng_key, inputs)
    outputs = np.array(outputs_of_draws(network, variables, np.concatenate([inputs, inputs]), 3))
    np.testing.assert_allclose(outputs[:, :16], outputs[:, 16:], atol=1e-6)
    assert np.abs(outputs[0] - outputs[1]).max() > 1e-4
    alone = outputs_of_draws(network, variables, inputs[:1], 3)
    np.testing.assert_allclose(alone, outputs[:, :1], atol=1e-6)


@noisy
def test_mc_dropout_trains_them(network, rng_key):
    posterior = mc_dropout(network, likelihoods.categorical(), optax.adam(0.03), num_steps=60, minibatch_size=16)

    @jax.jit
    def run(rng_key, batch):
        state = posterior.init(rng_key, batch)

        def predictive(state):
            draws = posterior.sample(rng_key, state, 20)
            return posterior.likelihood.reduce(posterior.predict(state, draws, batch.inputs))

        fitted, _ = posterior.fit(rng_key, state, batch)
        return jax.lax.map(predictive, jax.tree.map(lambda *leaves: jnp.stack(leaves), state, fitted))

    nll = -np.array(run(rng_key, batch()))[:, np.arange(16), np.array(batch().labels)].mean(axis=1)
    assert nll[1] < 0.7 * nll[0]


@noisy
def test_each_example_of_a_training_step_has_noise_of_its_own(network, rng_key):
    inputs = np.ones((64, 4), np.float32)
    outputs = network.train(jax.random.key(1), network.init(rng_key, inputs), inputs).outputs
    assert len(np.unique(np.asarray(outputs)[:, 0])) > 8


def test_dropped_weights_leave_the_mean_of_the_first_layer(rng_key):
    network = compiled_network(networks.dropconnect_mlp(num_outputs=1, hidden_sizes=(500,), dropout_rate=0.25))
    variables = network.init(rng_key, jnp.ones((1, 40)))
    variables.params["hidden"][0]["kernel"] = jnp.ones((40, 500))
    hidden = np.array(network.head(variables, jnp.ones((1, 40)), jax.random.key(1)))
    # 500 sums of 40 Bernoulli weights of mean 1 and variance 1/3.
    np.testing.assert_allclose(hidden.mean(), 40.0, atol=5 * (40 / 3 / 500) ** 0.5)
    np.testing.assert_allclose(hidden.var(), 40 / 3, rtol=0.35)


def test_without_a_rate_nothing_is_dropped(rng_key):
    network = compiled_network(networks.dropconnect_mlp(num_outputs=3, hidden_sizes=(6,), dropout_rate=0.0))
    inputs = batch().inputs
    variables = network.init(rng_key, inputs)
    outputs = network.train(rng_key, variables, inputs).outputs
    np.testing.assert_allclose(outputs, networks.deterministic_outputs(network, variables, inputs), atol=1e-5)


def test_the_divergence_of_learned_rates_is_that_of_the_paper(rng_key):
    network = compiled_network(networks.concrete_dropout_mlp(num_outputs=3, hidden_sizes=(6,), prior_scale=0.5))
    variables = network.init(rng_key, jnp.ones((1, 4)))
    penalty = network.train(rng_key, variables, jnp.ones((2, 4))).penalty
    kernel = np.asarray(variables.params["layers"][0]["kernel"])
    entropy = -0.1 * np.log(0.1) - 0.9 * np.log(0.9)
    np.testing.assert_allclose(penalty, (kernel**2).sum() / (2 * 0.25 * 0.9) - 6 * entropy, rtol=1e-5)


def test_rates_grow_where_labels_say_nothing_and_stay_low_where_they_do(rng_key):
    network = networks.concrete_dropout_mlp(num_outputs=3, hidden_sizes=(16,))
    silent = likelihoods.categorical()._replace(loss=lambda params, outputs, labels: 0 * outputs[:, 0])

    def rate(likelihood, copies):
        posterior = mc_dropout(network, likelihood, optax.adam(0.05), num_steps=150, minibatch_size=16)
        points = jax.tree.map(lambda leaf: jnp.asarray(np.concatenate([leaf] * copies)), batch())
        run = jax.jit(lambda key, points: posterior.fit(key, posterior.init(key, points), points)[0])
        logit = float(np.array(run(rng_key, points).variables.params["rate_logits"])[0])
        return 1 / (1 + np.exp(-logit))

    assert rate(silent, 1) > 0.3
    assert rate(likelihoods.categorical(), 100) < 0.2


def test_an_epinet_sends_no_gradient_into_the_base_and_keeps_its_prior(rng_key):
    network = NETWORKS["epinet_mlp"]
    inputs = batch().inputs
    variables = network.init(rng_key, inputs)
    hidden = network.trunk(variables, inputs)

    def change(params, hidden):
        moved = networks.Variables(params, variables.statistics)
        return network.head(moved, hidden, jax.random.key(1))[:, 5:].sum()

    assert (np.array(jax.jit(jax.grad(change, argnums=1))(variables.params, hidden)) == 0).all()
    training = network.train(rng_key, variables, inputs)
    jax.tree.map(np.testing.assert_array_equal, training.statistics, variables.statistics)
    assert len(jax.tree.leaves(variables.statistics)) == 3


def test_invalid_sizes_and_rates_are_refused():
    for factory in (networks.dropconnect_mlp, networks.concrete_dropout_mlp, networks.epinet_mlp):
        with pytest.raises(ValueError, match="sizes"):
            factory(num_outputs=2, hidden_sizes=())
    with pytest.raises(ValueError, match="dropout_rate"):
        networks.dropconnect_mlp(num_outputs=2, dropout_rate=1.0)
    with pytest.raises(ValueError, match="index_size"):
        networks.epinet_mlp(num_outputs=2, index_size=0)
