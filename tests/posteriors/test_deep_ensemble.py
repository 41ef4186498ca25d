"""Members of an ensemble that are trained together are those trained one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from bal import likelihoods, networks
from bal.posteriors import deep_ensemble, gradient_fit
from bal.types import Batch

NETWORK = networks.mlp(num_outputs=2, hidden_sizes=(6,), dropout_rate=0.2)
SETTINGS = {"num_steps": 20, "minibatch_size": 8}


def test_members_trained_in_one_vmap_equal_members_trained_one_by_one(rng_key):
    inputs = jax.random.normal(rng_key, (12, 2))
    batch = Batch(inputs, (inputs[:, 0] > 0).astype(jnp.int32), jnp.ones(12))
    optimizer, likelihood = optax.adam(0.01), likelihoods.categorical()
    together = deep_ensemble(NETWORK, likelihood, optimizer, num_members=3, **SETTINGS)
    in_turn = deep_ensemble(NETWORK, likelihood, optimizer, num_members=3, members_at_once=1, **SETTINGS)
    state = together.init(rng_key, batch)
    fitted, _ = jax.jit(together.fit)(rng_key, state, batch)
    other, _ = jax.jit(in_turn.fit)(rng_key, state, batch)
    alone = jax.jit(gradient_fit(NETWORK, likelihood, optimizer, **SETTINGS))
    for member, key in enumerate(jax.random.split(rng_key, 3)):
        one, _ = alone(key, jax.tree.map(lambda leaf, member=member: leaf[member], state), batch)
        for states in (fitted, other):
            jax.tree.map(
                lambda leaf, expected, member=member: np.testing.assert_allclose(leaf[member], expected, atol=1e-5),
                states,
                one,
            )
