"""A query can be designed: scores have gradients by the inputs, all the way through a posterior's predictions."""

import functools

import jax
import jax.numpy as jnp
import optax
import pytest

import bal
from bal.acquisition import GAUSSIAN_SCORES, SCORES, TARGET_SCORES

# Flat where no vote changes, and here no label changes the class that an untrained network predicts at a target.
FLAT = {"variation_ratio", "vote_entropy", "expected_error_reduction"}
scores = pytest.mark.parametrize(("name", "score"), [*SCORES.items(), *TARGET_SCORES.items(), *GAUSSIAN_SCORES.items()])


@functools.cache
def untrained(kind):
    """Predictions of a dropout network as it is made, a function of the inputs."""
    likelihood, num_outputs = {"real": (bal.likelihoods.gaussian(), 1), "classes": (bal.likelihoods.categorical(), 3)}[
        kind
    ]
    network = bal.networks.mlp(num_outputs=num_outputs, hidden_sizes=(8, 8), dropout_rate=0.4)
    posterior = bal.posteriors.mc_dropout(network, likelihood, optax.adam(1e-3), num_steps=1, minibatch_size=1)
    labels = jnp.zeros(1, jnp.int32 if num_outputs > 1 else jnp.float32)
    state = posterior.init(jax.random.key(0), bal.Batch(jnp.zeros((1, 4)), labels, jnp.zeros(1)))
    draws = posterior.sample(jax.random.key(1), state, 5)
    return jax.jit(lambda inputs: posterior.predict(state, draws, inputs))


@scores
def test_gradients_by_the_inputs_are_finite_through_a_posterior(name, score, rng_key):
    predict = untrained("real" if name in GAUSSIAN_SCORES else "classes")
    targets = (predict(jnp.ones((2, 4))),) if name in TARGET_SCORES or name == "gaussian_epig" else ()

    def total(inputs):
        return score(predict(inputs), *targets).sum()

    # Ordinary inputs; one so large that the predictions are saturated; and 0, where all dropout masks agree.
    inputs = jnp.concatenate([jax.random.normal(rng_key, (3, 4)), jnp.full((1, 4), 1e4), jnp.zeros((1, 4))])
    gradients = jax.jit(jax.grad(total))(inputs)
    assert jnp.isfinite(gradients).all()
    assert (jnp.abs(gradients[:3]).max() > 0) == (name not in FLAT)
