"""Inputs may be several arrays, and whole numbers: what counts is the axis of points that they share."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bal import likelihoods, networks
from bal.posteriors import (
    bayesian_linear,
    bayesian_network,
    ddu,
    deep_ensemble,
    from_samples,
    gaussian_process,
    laplace,
    last_layer_ensemble,
    learning_loss,
    mc_dropout,
    numpyro_svi,
    sgld,
    sngp,
    swag,
)
from bal.types import Batch

BASE = networks.mlp(num_outputs=3, hidden_sizes=(8, 4), dropout_rate=0.5)
INPUTS = {"image": jnp.ones((6, 2, 2), jnp.uint8), "meta": jnp.ones((6, 3))}
BATCH = Batch(INPUTS, jnp.arange(6) % 3, jnp.ones(6))
TRAINING = {"num_steps": 2, "minibatch_size": 2}


def joined(inputs):
    leaves = [leaf.reshape(leaf.shape[0], -1).astype(jnp.float32) for leaf in jax.tree.leaves(inputs)]
    return jnp.concatenate(leaves, axis=1)


NETWORK = networks.preprocessed(BASE, joined)
TRAINED = (NETWORK, likelihoods.categorical(), optax.sgd(0.1))


def guide(inputs, labels=None):
    from numpyro.infer.autoguide import AutoNormal

    return AutoNormal(bayesian_network(NETWORK))(inputs, labels)


POSTERIORS = {
    "ddu": ddu(*TRAINED, **TRAINING),
    "deep_ensemble": deep_ensemble(*TRAINED, num_members=2, **TRAINING),
    "from_samples": from_samples(lambda w, x: joined(x) @ w, jnp.ones((4, 7, 3)), likelihoods.categorical()),
    "laplace": laplace(*TRAINED, **TRAINING),
    "laplace diagonal": laplace(*TRAINED, curvature="diagonal", **TRAINING),
    "last_layer_ensemble": last_layer_ensemble(*TRAINED, num_members=2, **TRAINING),
    "learning_loss": learning_loss(*TRAINED, **TRAINING),
    "mc_dropout": mc_dropout(*TRAINED, **TRAINING),
    "numpyro_svi": numpyro_svi(bayesian_network(NETWORK), guide, *TRAINED[1:], num_steps=2),
    "sgld": sgld(*TRAINED[:2], learning_rate=0.1, num_steps=200, minibatch_size=2),
    "sngp": sngp(*TRAINED, num_features=8, **TRAINING),
    "swag": swag(*TRAINED, steps_between=1, num_snapshots=2, rank=2, **TRAINING),
}


@pytest.mark.parametrize("name", POSTERIORS)
def test_posteriors_take_inputs_of_several_arrays(name):
    posterior = POSTERIORS[name]

    def fit_and_predict(rng_key, batch):
        state, _ = posterior.fit(rng_key, posterior.init(rng_key, batch), batch)
        draws = posterior.sample(rng_key, state, 1)
        features = {name: feature(state, batch.inputs) for name, feature in posterior.features.items()}
        return posterior.predict(state, draws, batch.inputs), features

    log_probs, features = jax.eval_shape(fit_and_predict, jax.random.key(0), BATCH)
    assert log_probs.shape == (1, 6, 3)
    assert {leaf.shape[0] for leaf in features.values()} <= {6}


def test_closed_forms_refuse_several_arrays_and_convert_whole_numbers(rng_key):
    labelled = BATCH._replace(labels=jnp.arange(6.0))
    process = gaussian_process(optax.sgd(0.1), num_steps=0, lengthscale=50.0)
    for posterior in (process, bayesian_linear(noise=1.0)):
        with pytest.raises(ValueError, match="inputs that are one array, got 2 arrays in a dict"):
            posterior.init(rng_key, labelled)
    linear = bayesian_linear(joined, noise=1.0)
    assert jax.eval_shape(linear.init, rng_key, labelled).mean.shape == (7,)
    pixels = np.arange(0, 240, 10, dtype=np.uint8).reshape(6, 2, 2)

    @jax.jit
    def means(inputs):
        batch = labelled._replace(inputs=inputs)
        state, _ = process.fit(rng_key, process.init(rng_key, batch), batch)
        return process.moments(state, inputs).mean

    np.testing.assert_allclose(means(pixels), means(pixels.astype(np.float32)), rtol=1e-5)
