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
    inputs = jax.random.normal(jax.random.key(5), (12, 2))
    return Batch(inputs, (inputs[:, 0] > 0).astype(jnp.int32), jnp.ones(12))


def test_members_differ_in_the_readout_only_and_predict_as_networks():
    posterior = last_layer_ensemble(NETWORK, likelihoods.categorical(), optax.adam(0.1), num_members=3, **SETTINGS)
    start = jax.jit(posterior.init)(jax.random.key(0), batch())
    state, _ = jax.jit(posterior.fit)(jax.random.key(1), start, batch())
    body, members = state.variables.params
    assert members["first"]["kernel"] is None
    assert members["last"]["kernel"].shape == (3, 5, 3)
    inputs = jax.random.normal(jax.random.key(2), (4, 2))
    predictions = jax.jit(posterior.predict)(state, posterior.sample(jax.random.key(3), state, None), inputs)
    for member in range(3):
        last = jax.tree.map(lambda leaf, member=member: leaf[member], members["last"])
        outputs = networks.deterministic_outputs(NETWORK, networks.Variables({**body, "last": last}), inputs)
        np.testing.assert_allclose(predictions[member], jax.nn.log_softmax(outputs), atol=1e-5)
    assert jnp.abs(predictions[0] - predictions[1]).max() > 1e-3


def test_one_member_is_trained_as_one_network():
    posterior = last_layer_ensemble(NETWORK, likelihoods.categorical(), optax.sgd(0.1), num_members=1, **SETTINGS)
    start = jax.jit(posterior.init)(jax.random.key(0), batch())
    body, members = start.variables.params
    fitted, info = jax.jit(posterior.fit)(jax.random.key(1), start, batch())
    alone = NetworkState(
        networks.Variables({**body, "last": jax.tree.map(lambda leaf: leaf[0], members["last"])}), start.noise
    )
    fit_alone = jax.jit(gradient_fit(NETWORK, likelihoods.categorical(), optax.sgd(0.1), **SETTINGS))
    trained, info_alone = fit_alone(jax.random.key(1), alone, batch())
    np.testing.assert_allclose(info.loss, info_alone.loss, rtol=1e-5)
    last = fitted.variables.params[1]["last"]["kernel"][0]
    np.testing.assert_allclose(last, trained.variables.params["last"]["kernel"], atol=1e-5)


def test_no_member_is_refused():
    with pytest.raises(ValueError, match="num_members"):
        last_layer_ensemble(NETWORK, likelihoods.categorical(), optax.sgd(0.1), num_members=0, **SETTINGS)
