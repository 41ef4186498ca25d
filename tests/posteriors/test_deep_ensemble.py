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
    inputs = np.random.default_rng(0).standard_normal((12, 2), np.float32)
    batch = Batch(*map(jnp.asarray, (inputs, (inputs[:, 0] > 0).astype(np.int32), np.ones(12, np.float32))))
    optimizer, likelihood = optax.adam(0.01), likelihoods.categorical()
    together = deep_ensemble(NETWORK, likelihood, optimizer, num_members=3, **SETTINGS)
    in_turn = deep_ensemble(NETWORK, likelihood, optimizer, num_members=3, members_at_once=1, **SETTINGS)
    state = jax.tree.map(np.array, jax.jit(together.init)(rng_key, batch))
    kernels = state.variables.params["last"]["kernel"]
    assert len(np.unique(kernels.reshape(3, -1), axis=0)) == 3, "members start from weights of their own"
    fitted, other = (jax.tree.map(np.array, jax.jit(of.fit)(rng_key, state, batch)[0]) for of in (together, in_turn))
    alone = jax.jit(gradient_fit(NETWORK, likelihood, optimizer, **SETTINGS))
    for member, key in enumerate(jax.random.split(rng_key, 3)):
        one, _ = alone(key, jax.tree.map(lambda leaf, member=member: leaf[member], state), batch)
        for states in (fitted, other):
            jax.tree.map(
                lambda leaf, expected, member=member: np.testing.assert_allclose(leaf[member], expected, atol=1e-5),
                states,
                one,
            )
