"""Members of a last-layer ensemble are last layers on one body."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bal import likelihoods, networks
from bal.posteriors import NetworkState, gradient_fit, last_layer_ensemble
from bal.types import Batch

NETWORK = networks.mlp(num_outputs=3, hidden_sizes=(6, 5))
SETTINGS = {"num_steps": 10, "minibatch_size": 8}


def batch():
    inputs = np.random.default_rng(5).standard_normal((12, 2), np.float32)
    return Batch(*map(jnp.asarray, (inputs, (inputs[:, 0] > 0).astype(np.int32), np.ones(12, np.float32))))


def test_members_differ_in_the_readout_only_and_predict_as_networks():
    posterior = last_layer_ensemble(NETWORK, likelihoods.categorical(), optax.adam(0.1), num_members=3, **SETTINGS)

    @jax.jit
    def run(batch, inputs):
        state, _ = posterior.fit(jax.random.key(1), posterior.init(jax.random.key(0), batch), batch)
        return state, posterior.predict(state, posterior.sample(jax.random.key(3), state, None), inputs)

    @jax.jit
    def outputs(params, inputs):
        return jax.nn.log_softmax(networks.deterministic_outputs(NETWORK, networks.Variables(params), inputs))

    inputs = np.random.default_rng(2).standard_normal((4, 2), np.float32)
    state, predictions = jax.tree.map(np.array, run(batch(), inputs))
    body, members = state.variables.params
    assert members["first"]["kernel"] is None
    assert members["last"]["kernel"].shape == (3, 5, 3)
    for member in range(3):
        last = jax.tree.map(lambda leaf, member=member: leaf[member], members["last"])
        np.testing.assert_allclose(predictions[member], outputs({**body, "last": last}, inputs), atol=1e-5)
    assert np.abs(predictions[0] - predictions[1]).max() > 1e-3


def test_one_member_is_trained_as_one_network():
    posterior = last_layer_ensemble(NETWORK, likelihoods.categorical(), optax.sgd(0.1), num_members=1, **SETTINGS)
    fit_alone = gradient_fit(NETWORK, likelihoods.categorical(), optax.sgd(0.1), **SETTINGS)

    @jax.jit
    def run(batch):
        start = posterior.init(jax.random.key(0), batch)
        body, members = start.variables.params
        last = jax.tree.map(lambda leaf: leaf[0], members["last"])
        alone = NetworkState(networks.Variables({**body, "last": last}), start.noise)
        return posterior.fit(jax.random.key(1), start, batch), fit_alone(jax.random.key(1), alone, batch)

    (fitted, info), (trained, info_alone) = jax.tree.map(np.array, run(batch()))
    np.testing.assert_allclose(info.loss, info_alone.loss, rtol=1e-5)
    last = fitted.variables.params[1]["last"]["kernel"][0]
    np.testing.assert_allclose(last, trained.variables.params["last"]["kernel"], atol=1e-5)


def test_no_member_is_refused():
    with pytest.raises(ValueError, match="num_members"):
        last_layer_ensemble(NETWORK, likelihoods.categorical(), optax.sgd(0.1), num_members=0, **SETTINGS)
