"""What networks take as inputs: floats, integers as they are stored, what a transform makes, and several arrays."""

import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from bal import networks
from bal.networks import deterministic_outputs
from tests.compiled import compiled_network

SHAPES = {"mlp": (4,), "cnn": (8, 8, 1)}
NETWORKS = {
    "mlp": compiled_network(networks.mlp(num_outputs=3, hidden_sizes=(8,))),
    "cnn": compiled_network(networks.cnn(num_outputs=3)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_integers_are_cast_to_floats_and_not_scaled(name, rng_key):
    network = NETWORKS[name]
    inputs = np.random.default_rng(0).integers(0, 256, (34, *SHAPES[name]), np.uint8)
    floats = inputs.astype(np.float32)
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
    network = compiled_network(networks.preprocessed(plain, lambda inputs: inputs["image"] / 255))
    plain = compiled_network(plain)
    inputs = {"image": np.random.default_rng(0).integers(0, 256, (5, 4), np.uint8), "name": np.arange(5)}
    scaled = np.array(jax.jit(lambda image: image / 255)(inputs["image"]))
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
    with pytest.raises(ValueError, match=r"one array, got .*: combine them with bal.networks.preprocessed"):
        plain.init(rng_key, {"image": jnp.zeros((2, 4)), "meta": jnp.zeros((2, 1))})
    with pytest.raises(ValueError, match="transform to be a function"):
        inspect.unwrap(networks.preprocessed)(plain, "image")
    network = networks.preprocessed(plain, lambda inputs: inputs.reshape(-1, 2))
    with pytest.raises(ValueError, match=r"keep the number of points, got leaves of lengths \[4\] from \[2\]"):
        network.init(rng_key, jnp.zeros((2, 4)))


class TwoInputsNNX(nnx.Module):
    def __init__(self, rngs):
        self.hidden, self.head = nnx.Linear(5, 8, rngs=rngs), nnx.Linear(8, 3, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, inputs):
        image = inputs["image"].reshape(-1, 4) / 255
        return self.head(self.dropout(nnx.relu(self.hidden(jnp.concatenate([image, inputs["meta"]], axis=1)))))


class TwoInputsEquinox(eqx.Module):
    body: eqx.nn.Linear
    head: eqx.nn.Linear

    def __call__(self, point):
        return self.head(jax.nn.relu(self.body(jnp.concatenate([point["image"].reshape(-1) / 255, point["meta"]]))))


class TwoInputsLinen(linen.Module):
    @linen.compact
    def __call__(self, inputs):
        hidden = jnp.concatenate([inputs["image"].reshape(-1, 4) / 255, inputs["meta"]], axis=1)
        hidden = linen.relu(linen.Dense(8, name="body")(hidden))
        return linen.Dense(3, name="head")(hidden)


TWO_INPUTS = {
    "from_nnx": lambda: networks.from_nnx(TwoInputsNNX(nnx.Rngs(0)), num_outputs=3, last_layer="head"),
    "from_linen": lambda: networks.from_linen(TwoInputsLinen(), num_outputs=3, last_layer="head"),
    "from_equinox": lambda: networks.from_equinox(
        lambda key: TwoInputsEquinox(eqx.nn.Linear(5, 8, key=key), eqx.nn.Linear(8, 3, key=key)),
        num_outputs=3,
        last_layer="head",
    ),
}


@pytest.mark.parametrize("adapter", TWO_INPUTS)
def test_inputs_of_several_arrays_go_through(adapter, rng_key):
    network = compiled_network(TWO_INPUTS[adapter]())
    inputs = {
        "image": np.random.default_rng(0).integers(0, 256, (5, 2, 2), np.uint8),
        "meta": np.random.default_rng(1).standard_normal((5, 1), np.float32),
    }
    variables = network.init(rng_key, inputs)
    embeddings = network.head(variables, network.trunk(variables, inputs), None)
    assert embeddings.shape == (5, 8)
    assert network.train(rng_key, variables, inputs).outputs.shape == (5, 3)
    part = jax.tree.map(lambda leaf: leaf[1:3], inputs)
    np.testing.assert_allclose(network.head(variables, part, None), np.array(embeddings)[1:3], rtol=1e-5, atol=1e-6)
    if adapter == "from_nnx":
        assert network.head(variables, inputs, rng_key).shape == (5, 8)
