"""A network of token ids: its trunk against NumPy, padding, order, and draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.networks import deterministic_outputs, text_mlp

NETWORK = text_mlp(num_outputs=2, num_tokens=12, embedding_size=4, hidden_sizes=(6, 5), dropout_rate=0.5)
IDS = np.array([[3, 4, 0, 0], [4, 3, 0, 0], [0, 0, 0, 0], [11, 2, 2, 5]], np.int32)


@pytest.fixture(scope="module")
def variables():
    return jax.jit(NETWORK.init)(jax.random.key(0), IDS)


def test_the_trunk_is_the_mean_embedding_and_one_layer(variables):
    params = jax.tree.map(np.asarray, variables.params)
    means = [params["words"]["embedding"][ids[ids > 0]].mean(axis=0) if ids.any() else np.zeros(4) for ids in IDS]
    expected = np.maximum(np.stack(means) @ params["first"]["kernel"] + params["first"]["bias"], 0)
    trunk = jax.jit(NETWORK.trunk)(variables, IDS)
    np.testing.assert_allclose(trunk, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(trunk[0], trunk[1], rtol=1e-6)


def test_more_padding_changes_nothing_and_large_ids_are_the_last_token(variables):
    outputs = jax.jit(lambda ids: deterministic_outputs(NETWORK, variables, ids))
    wider = np.pad(IDS, ((0, 0), (0, 3)))
    wider[3, 0] = 40
    np.testing.assert_allclose(outputs(wider), outputs(IDS), rtol=1e-5, atol=1e-6)


def test_padding_has_no_gradient_and_training_is_the_network_with_noise(variables):
    @jax.jit
    def gradient(params, rng_key):
        return jax.grad(lambda p: NETWORK.train(rng_key, variables._replace(params=p), jnp.asarray(IDS)).outputs.sum())(
            params
        )

    of_words = np.asarray(gradient(variables.params, jax.random.key(1))["words"]["embedding"])
    assert (of_words[0] == 0).all()
    assert (np.abs(of_words[[3, 4]]).sum(axis=1) > 0).all()
    assert (of_words[[1, 6, 7, 8, 9, 10]] == 0).all()
    features = jax.jit(NETWORK.features)(variables, jnp.asarray(IDS))
    trained = jax.jit(NETWORK.train)(jax.random.key(1), variables, IDS).features
    np.testing.assert_allclose(features["hidden_0"], trained["hidden_0"], rtol=1e-5)
    assert not np.allclose(features["hidden_1"], trained["hidden_1"])


def test_draws_differ_and_each_is_one_function(variables):
    @jax.jit
    def draw(rng_key, ids):
        return NETWORK.readout(variables, NETWORK.head(variables, NETWORK.trunk(variables, ids), rng_key))

    first, second = (draw(key, jnp.asarray(IDS)) for key in jax.random.split(jax.random.key(2)))
    assert not np.allclose(first, second)
    np.testing.assert_allclose(
        draw(jax.random.split(jax.random.key(2))[0], jnp.asarray(IDS[::-1])), first[::-1], rtol=1e-5
    )
