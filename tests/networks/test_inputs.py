"""What the networks of this library take as inputs: floats, integers as they are stored, and what a transform makes."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal import networks
from bal.networks import deterministic_outputs

SHAPES = {"mlp": (4,), "cnn": (8, 8, 1)}
NETWORKS = {
    "mlp": networks.mlp(num_outputs=3, hidden_sizes=(8,)),
    "cnn": networks.cnn(num_outputs=3),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_integers_are_cast_to_floats_and_not_scaled(name, rng_key):
    network = NETWORKS[name]
    inputs = jax.random.randint(rng_key, (34, *SHAPES[name]), 0, 256).astype(jnp.uint8)
    floats = inputs.astype(jnp.float32)
    variables = network.init(rng_key, inputs)
    jax.tree.map(np.testing.assert_array_equal, variables, network.init(rng_key, floats))
    np.testing.assert_array_equal(
        deterministic_outputs(network, variables, inputs), deterministic_outputs(network, variables, floats)
    )
    np.testing.assert_array_equal(
        network.train(rng_key, variables, inputs[:4]).outputs, network.train(rng_key, variables, floats[:4]).outputs
    )
    jax.tree.map(
        np.testing.assert_array_equal,
        network.features(variables, inputs[:4]),
        network.features(variables, floats[:4]),
    )


def test_a_transform_comes_before_all_else(rng_key):
    plain = networks.mlp(num_outputs=3, hidden_sizes=(8,), dropout_rate=0.5)
    network = networks.preprocessed(plain, lambda inputs: inputs["image"] / 255)
    inputs = {"image": jax.random.randint(rng_key, (5, 4), 0, 256).astype(jnp.uint8), "name": jnp.arange(5)}
    scaled = inputs["image"] / 255
    variables = network.init(rng_key, inputs)
    jax.tree.map(np.testing.assert_array_equal, variables, plain.init(rng_key, scaled))
    np.testing.assert_array_equal(
        deterministic_outputs(network, variables, inputs), deterministic_outputs(plain, variables, scaled)
    )
    jax.tree.map(
        np.testing.assert_array_equal,
        network.train(rng_key, variables, inputs),
        plain.train(rng_key, variables, scaled),
    )
    jax.tree.map(np.testing.assert_array_equal, network.features(variables, inputs), plain.features(variables, scaled))


def test_inputs_and_transforms_that_do_not_fit_are_refused(rng_key):
    plain = networks.mlp(num_outputs=3, hidden_sizes=(8,))
    with pytest.raises(ValueError, match=r"one array, got .*: make them one with bal.networks.preprocessed"):
        plain.init(rng_key, {"image": jnp.zeros((2, 4)), "meta": jnp.zeros((2, 1))})
    with pytest.raises(ValueError, match="transform to be a function"):
        inspect.unwrap(networks.preprocessed)(plain, "image")
    network = networks.preprocessed(plain, lambda inputs: inputs.reshape(-1, 2))
    with pytest.raises(ValueError, match=r"keep the number of points, got leaves of lengths \[4\] from \[2\]"):
        network.init(rng_key, jnp.zeros((2, 4)))
