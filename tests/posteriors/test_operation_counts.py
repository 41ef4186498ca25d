"""What posterior samples share is computed once: shown by counting operations, not by a clock."""

import jax
import jax.numpy as jnp
import optax
import pytest

from bal import likelihoods, networks
from bal.posteriors import laplace, last_layer_ensemble, mc_dropout, sngp
from bal.types import Batch

NUM_SAMPLES, NUM_POINTS, WIDTH = 7, 11, 13
NETWORK = networks.mlp(num_outputs=3, hidden_sizes=(WIDTH, 5), dropout_rate=0.5)
SETTINGS = {"num_steps": 1, "minibatch_size": 4}
SHARED_TRUNK = {
    "laplace": laplace(NETWORK, likelihoods.categorical(), optax.sgd(0.1), **SETTINGS),
    "last_layer_ensemble": last_layer_ensemble(
        NETWORK, likelihoods.categorical(), optax.sgd(0.1), num_members=NUM_SAMPLES, **SETTINGS
    ),
    "mc_dropout": mc_dropout(NETWORK, likelihoods.categorical(), optax.sgd(0.1), **SETTINGS),
    "sngp": sngp(NETWORK, likelihoods.categorical(), optax.sgd(0.1), num_features=19, **SETTINGS),
}


def products(jaxpr):
    """Multiplications of each matrix product in a program: size of the result times the contracted size."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            shape = equation.invars[0].aval.shape
            size = 1
            for axis in contracted:
                size *= shape[axis]
            yield size, equation.outvars[0].aval.size
        for parameter in equation.params.values():
            for inner in parameter if isinstance(parameter, tuple | list) else (parameter,):
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    yield from products(inner)


@pytest.mark.parametrize("name", SHARED_TRUNK)
def test_the_trunk_is_evaluated_once_whatever_the_number_of_samples(name, rng_key):
    posterior = SHARED_TRUNK[name]
    batch = Batch(jnp.ones((4, 17)), jnp.zeros(4, jnp.int32), jnp.ones(4))
    state = jax.eval_shape(posterior.init, rng_key, batch)
    draws = jax.eval_shape(lambda state: posterior.sample(rng_key, state, NUM_SAMPLES), state)
    jaxpr = jax.make_jaxpr(posterior.predict)(state, draws, jnp.ones((NUM_POINTS, 17))).jaxpr
    # The trunk is the product that contracts the 17 inputs: [points, 17] @ [17, width], with no axis of samples.
    assert [size for contracted, size in products(jaxpr) if contracted == 17] == [NUM_POINTS * WIDTH]
    # The readout runs once a sample.
    assert max(size for contracted, size in products(jaxpr)) >= NUM_SAMPLES * NUM_POINTS * 3
