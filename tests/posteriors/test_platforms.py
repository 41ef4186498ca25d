"""Posteriors lower for accelerators that these tests do not have; nothing is compiled."""

import jax
import jax.export
import jax.numpy as jnp
import optax
import pytest

from bal import likelihoods, networks
from bal.posteriors import ddu, gaussian_process, laplace, mc_dropout, sngp
from bal.types import Batch

TRAINING = {"num_steps": 2, "minibatch_size": 2}
CATEGORICAL = likelihoods.categorical()
IMAGES = Batch(jnp.ones((4, 8, 8, 1)), jnp.zeros(4, jnp.int32), jnp.ones(4))
POINTS = IMAGES._replace(inputs=jnp.ones((4, 3)))
MLP = networks.mlp(num_outputs=3, hidden_sizes=(4,))
CASES = {
    "ddu": (ddu(MLP, CATEGORICAL, optax.sgd(0.1), **TRAINING), POINTS),
    "gaussian_process": (gaussian_process(optax.sgd(0.1), num_steps=2), POINTS._replace(labels=jnp.zeros(4))),
    "laplace": (laplace(MLP, CATEGORICAL, optax.sgd(0.1), **TRAINING), POINTS),
    "mc_dropout": (
        mc_dropout(networks.cnn(num_outputs=3, variant="gal"), CATEGORICAL, optax.sgd(0.1), **TRAINING),
        IMAGES,
    ),
    "sngp": (sngp(MLP, CATEGORICAL, optax.sgd(0.1), num_features=8, **TRAINING), POINTS),
}


@pytest.mark.parametrize("name", CASES)
def test_a_fit_and_its_predictions_lower_for_every_platform(name):
    posterior, batch = CASES[name]

    def fit_and_predict(rng_key, batch):
        state, info = posterior.fit(rng_key, posterior.init(rng_key, batch), batch)
        return posterior.predict(
            state, posterior.sample(rng_key, state, posterior.max_samples or 2), batch.inputs
        ), info

    platforms = ("cuda", "rocm", "tpu")
    exported = jax.export.export(jax.jit(fit_and_predict), platforms=platforms)(jax.random.key(0), batch)
    assert exported.platforms == platforms
