"""The loss-prediction module: its formula, and networks that are not of this library."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal import networks
from bal.networks import loss_prediction


def test_it_is_the_formula_of_the_paper(rng_key):
    random = np.random.default_rng(0)
    features = {
        "image": random.standard_normal((4, 3, 2, 5), np.float32),
        "dense": random.standard_normal((4, 6), np.float32),
    }
    prediction = loss_prediction(hidden_size=7)
    apply = jax.jit(prediction.apply)
    params = jax.jit(prediction.init)(rng_key, features)
    predicted = np.array(apply(params, features))
    exact = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    for n in range(4):
        hidden = []
        for name in ("dense", "image"):
            level = np.asarray(features[name], np.float64)[n]
            pooled = level.reshape(-1, level.shape[-1]).mean(axis=0)
            layer = exact["levels"][name]
            hidden.append(np.maximum(pooled @ layer["kernel"] + layer["bias"], 0))
        expected = np.concatenate(hidden) @ exact["last"]["kernel"][:, 0] + exact["last"]["bias"][0]
        np.testing.assert_allclose(predicted[n], expected, rtol=1e-4, atol=1e-6)
    # The order in which features come does not matter.
    names = ("image", "dense")  # inside the program, whose argument is in the order of the alphabet
    turned = jax.jit(lambda params, features: prediction.apply(params, {name: features[name] for name in names}))
    np.testing.assert_array_equal(turned(params, features), predicted)


def test_it_has_the_size_of_the_paper_on_a_resnet(rng_key):
    network = networks.resnet18(num_outputs=10)
    images = jnp.zeros((1, 32, 32, 3))
    features = jax.eval_shape(lambda: network.features(network.init(rng_key, images), images))
    params = jax.eval_shape(lambda: loss_prediction().init(rng_key, features))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == (64 + 128 + 256 + 512 + 4) * 128 + 4 * 128 + 1


def test_a_network_from_functions_may_have_features(rng_key):
    def init(rng_key, inputs):
        return {"kernel": jax.random.normal(rng_key, (inputs.shape[1], 3))}

    def apply(params, inputs):
        return jnp.tanh(inputs @ params["kernel"])

    plain = networks.from_functions(init, apply, num_outputs=3)
    assert plain.features is None
    network = networks.from_functions(
        init, apply, num_outputs=3, features=lambda params, inputs: {"outputs": apply(params, inputs)}
    )
    inputs = jnp.ones((2, 4))
    variables = jax.eval_shape(network.init, rng_key, inputs)
    assert jax.eval_shape(network.features, variables, inputs)["outputs"].shape == (2, 3)
    assert jax.eval_shape(network.train, rng_key, variables, inputs).features["outputs"].shape == (2, 3)


def test_invalid_sizes_and_features_are_refused(rng_key):
    with pytest.raises(ValueError, match="hidden_size"):
        loss_prediction(hidden_size=0)
    for features in ({}, {"scalar": jnp.zeros(3)}):
        with pytest.raises(ValueError, match="expected features by name"):
            loss_prediction().init(rng_key, features)
