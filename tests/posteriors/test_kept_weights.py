"""Posteriors over a network that is not trained further, and settings of training that are missing or too many."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from bal import likelihoods, networks
from bal.posteriors import laplace, last_layer_ensemble, mc_dropout, point_estimate
from bal.posteriors.training._gradient_steps import gradient_steps
from bal.types import Batch

CATEGORICAL = likelihoods.categorical()
MLP = networks.mlp(num_outputs=3, hidden_sizes=(8,), dropout_rate=0.5)
INPUTS = jnp.asarray(np.random.default_rng(1).standard_normal((12, 4)), jnp.float32)
BATCH = Batch(INPUTS, jnp.asarray(np.arange(12) % 3), jnp.ones(12))


def fitted(posterior, rng_key, batch=BATCH):
    """State before and after a fit, and its info."""

    @jax.jit
    def run(rng_key, batch):
        state = posterior.init(rng_key, batch)
        return state, *posterior.fit(jax.random.key(5), state, batch)

    return jax.tree.map(np.array, run(rng_key, batch))


def predictions(posterior, rng_key, state, num_samples):
    run = jax.jit(lambda key, state: posterior.predict(state, posterior.sample(key, state, num_samples), INPUTS))
    return np.array(run(rng_key, state))


@pytest.mark.parametrize("build", [mc_dropout, point_estimate, laplace])
def test_without_an_optimizer_the_weights_stay(build, rng_key):
    before, after, info = fitted(build(MLP, CATEGORICAL, None), rng_key)
    jax.tree.map(np.testing.assert_array_equal, after.variables, before.variables)
    assert np.max(info.num_steps) == 0
    assert np.isnan(info.loss).all()


def test_dropout_draws_of_a_kept_network_differ(rng_key):
    posterior = mc_dropout(MLP, CATEGORICAL, None)
    _, state, _ = fitted(posterior, rng_key)
    log_probs = predictions(posterior, rng_key, state, 2)
    assert np.abs(log_probs[0] - log_probs[1]).max() > 1e-3


def test_laplace_around_a_kept_network_has_the_curvature_of_the_labelled_points(rng_key):
    posterior = laplace(MLP, CATEGORICAL, None, prior_precision=2.0)
    before, state, info = fitted(posterior, rng_key)

    @jax.jit
    def run(variables):
        embeddings = MLP.head(variables, MLP.trunk(variables, INPUTS), None)
        return embeddings, jax.nn.softmax(MLP.readout(variables, embeddings))

    embeddings, probs = (np.asarray(each, np.float64) for each in run(state.variables))
    features = np.concatenate([embeddings, np.ones((12, 1))], axis=1)
    # The trace of sum_i (phi_i phi_i^T) kron (diag(p_i) - p_i p_i^T).
    expected = sum((x @ x) * (1 - p @ p) for x, p in zip(features, probs, strict=True))
    np.testing.assert_allclose(state.curvature.eigenvalues.sum(), expected, rtol=1e-4)
    assert before.curvature.eigenvalues.sum() == 0
    assert np.isfinite(info.diagnostics["log_marginal_likelihood"])


def test_the_noise_of_a_gaussian_likelihood_stays_and_scales_the_curvature(rng_key):
    network = networks.mlp(num_outputs=1, hidden_sizes=(8,))
    batch = BATCH._replace(labels=jnp.asarray(np.array(INPUTS)[:, 0]))
    traces = []
    for likelihood in (likelihoods.gaussian(), likelihoods.gaussian(noise=0.5)):
        before, state, _ = fitted(laplace(network, likelihood, None, prior_precision=1.0), rng_key, batch)
        jax.tree.map(np.testing.assert_array_equal, state.noise, before.noise)
        traces.append(float(state.curvature.eigenvalues.sum()))
    np.testing.assert_allclose(traces[1], 4 * traces[0], rtol=1e-4)


def test_the_mean_of_snapshots_is_a_trained_network(rng_key):
    """SWAG's mean, by hand: a module whose weights are the average of two."""

    @functools.partial(nnx.jit, static_argnums=0)
    def create(seed):
        rngs = nnx.Rngs(seed)
        return nnx.Sequential(nnx.Linear(4, 8, rngs=rngs), nnx.relu, nnx.Linear(8, 3, rngs=rngs))

    snapshots = [create(0), create(1)]
    averaged = create(2)
    mean = jax.tree.map(lambda a, b: (np.array(a) + b) / 2, *(nnx.state(snapshot) for snapshot in snapshots))
    nnx.update(averaged, mean)
    posterior = point_estimate(networks.from_nnx(averaged, num_outputs=3), CATEGORICAL, None)
    _, state, _ = fitted(posterior, rng_key)
    kernels = [np.array(snapshot.layers[2].kernel[...]) for snapshot in snapshots]
    kept = state.variables.params["layers"][2]["kernel"][0]
    np.testing.assert_allclose(kept, (kernels[0] + kernels[1]) / 2, rtol=1e-6)
    log_probs = predictions(posterior, rng_key, state, 1)[0]
    expected = jax.jit(lambda inputs: jax.nn.log_softmax(averaged(inputs)))(INPUTS)
    np.testing.assert_allclose(log_probs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("build", [mc_dropout, point_estimate, laplace])
def test_settings_of_training_need_an_optimizer_and_an_optimizer_needs_them(build):
    with pytest.raises(ValueError, match="expected no minibatch_size and no num_steps for .* without an optimizer"):
        build(MLP, CATEGORICAL, None, num_steps=3, minibatch_size=4)
    with pytest.raises(
        ValueError, match="expected num_steps and minibatch_size to train with, got no num_steps and no"
    ):
        build(MLP, CATEGORICAL, optax.sgd(0.1))
    with pytest.raises(ValueError, match="got no minibatch_size"):
        build(MLP, CATEGORICAL, optax.sgd(0.1), num_steps=3)


def test_training_needs_an_optimizer():
    # Without the types that the tests check, as users call it.
    steps = inspect.unwrap(gradient_steps)
    with pytest.raises(ValueError, match="expected an optax transformation as optimizer, got None: ddu, laplace"):
        steps(MLP, CATEGORICAL, None, minibatch_size=2)


def test_an_ensemble_of_trained_last_layers_is_refused():
    module = nnx.Sequential(nnx.Linear(4, 8, rngs=nnx.Rngs(0)), nnx.relu, nnx.Linear(8, 3, rngs=nnx.Rngs(1)))
    network = networks.from_nnx(module, num_outputs=3)
    with pytest.raises(ValueError, match="drawn at random for last_layer_ensemble"):
        last_layer_ensemble(network, CATEGORICAL, optax.sgd(0.1), num_members=2, num_steps=1, minibatch_size=2)
