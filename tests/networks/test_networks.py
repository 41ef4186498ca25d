"""Networks: the parts are one network, draws are shared by all points, derivatives of every kind work."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.networks import NETWORKS, cnn, deterministic_outputs, mlp
from bal.networks._convolution import convolve, convolve_for_training, max_pool
from bal.networks._dropout import DropoutLinear, dropout_mask

# Networks whose draws are dropout masks: name -> (network, shape of one input). The others have files of their own.
CASES = {
    "mlp": (mlp(num_outputs=3, hidden_sizes=(8, 6), dropout_rate=0.3), (4,)),
    "gal": (cnn(num_outputs=3, variant="gal"), (10, 10, 1)),
    "batchbald": (cnn(num_outputs=3, variant="batchbald"), (16, 16, 1)),
}
cases = pytest.mark.parametrize(("network", "shape"), CASES.values(), ids=CASES.keys())


def setup(network, shape, count=5):
    inputs = jax.random.normal(jax.random.key(1), (count, *shape))
    return network.init(jax.random.key(0), inputs), inputs


def outputs(network, variables, inputs, rng_key):
    return network.readout(variables, network.head(variables, network.trunk(variables, inputs), rng_key))


# registered name -> where it is tested
TESTED = {
    "cnn": "test_networks",
    "concrete_dropout_mlp": "test_noisy_networks",
    "dropconnect_mlp": "test_noisy_networks",
    "epinet_mlp": "test_noisy_networks",
    "mlp": "test_networks",
    "resnet18": "test_resnet",
    "variational_cnn": "test_variational",
    "variational_mlp": "test_variational",
}


def test_every_registered_network_is_tested_somewhere():
    assert set(TESTED) == set(NETWORKS)
    for name, module in TESTED.items():
        assert f"{name}(" in (Path(__file__).parent / f"{module}.py").read_text(), name


@cases
def test_a_draw_is_one_function_of_a_point_whatever_the_batch(network, shape, rng_key):
    variables, inputs = setup(network, shape)
    whole = outputs(network, variables, inputs, rng_key)
    alone = jnp.concatenate([outputs(network, variables, inputs[i : i + 1], rng_key) for i in range(5)])
    np.testing.assert_allclose(alone, whole, rtol=1e-4, atol=1e-5)


@cases
def test_draws_differ_and_the_mean_network_is_none_of_them(network, shape, rng_key):
    variables, inputs = setup(network, shape)
    first, second = (outputs(network, variables, inputs, key) for key in jax.random.split(rng_key))
    mean = deterministic_outputs(network, variables, inputs)
    assert not np.allclose(first, second)
    assert not np.allclose(first, mean)


@cases
def test_training_noise_differs_between_examples(network, shape, rng_key):
    variables, inputs = setup(network, shape)
    same = jnp.repeat(inputs[:1], 5, axis=0)
    trained = network.train(rng_key, variables, same).outputs
    assert not np.allclose(trained[0], trained[1])


@cases
def test_training_and_sampling_are_the_same_network_up_to_noise(network, shape):
    """The mean of many training passes is that of many draws, within four standard errors."""
    variables, inputs = setup(network, shape, count=2)
    keys = jax.random.split(jax.random.key(5), 3000)
    trained = jax.lax.map(lambda key: network.train(key, variables, inputs).outputs, keys, batch_size=100)
    sampled = jax.lax.map(lambda key: outputs(network, variables, inputs, key), keys, batch_size=100)
    error = 4 * np.sqrt((trained.var(axis=0) + sampled.var(axis=0)) / 3000)
    assert (np.abs(trained.mean(axis=0) - sampled.mean(axis=0)) < error).all()


@cases
def test_features_are_those_of_the_prediction_and_training_has_the_same_ones_with_noise(network, shape, rng_key):
    variables, inputs = setup(network, shape)
    features = network.features(variables, inputs)
    np.testing.assert_allclose(
        list(features.values())[-1],
        network.head(variables, network.trunk(variables, inputs), None),
        rtol=1e-4,
        atol=1e-5,
    )
    noisy = network.train(rng_key, variables, inputs).features
    assert {name: level.shape for name, level in noisy.items()} == {n: level.shape for n, level in features.items()}
    assert all(level.shape[0] == 5 for level in features.values())
    first, *_, last = features
    # Before the first dropout there is no noise.
    np.testing.assert_allclose(noisy[first], features[first], rtol=1e-4, atol=1e-5)
    assert not np.allclose(noisy[last], features[last])


@cases
def test_first_and_second_derivatives_work(network, shape, rng_key):
    variables, inputs = setup(network, shape, count=2)
    tangents = jax.tree.map(jnp.ones_like, variables.params)

    def loss(params):
        return (network.train(rng_key, variables._replace(params=params), inputs).outputs ** 2).sum()

    gradient = jax.grad(loss)(variables.params)
    _, directional = jax.jvp(loss, (variables.params,), (tangents,))
    total = sum(jax.tree.leaves(jax.tree.map(jnp.sum, gradient)))
    np.testing.assert_allclose(directional, total, rtol=1e-3, atol=1e-3)
    _, product = jax.jvp(jax.grad(loss), (variables.params,), (tangents,))
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(product))
    by_input = jax.grad(lambda x: outputs(network, variables, x, rng_key).sum())(inputs)
    assert jnp.abs(by_input).max() > 0


@cases
def test_networks_work_under_vmap_over_parameters(network, shape, rng_key):
    _, inputs = setup(network, shape)
    keys = jax.random.split(rng_key, 3)
    stacked = jax.vmap(lambda key: network.init(key, inputs))(keys)
    together = jax.vmap(lambda variables: deterministic_outputs(network, variables, inputs))(stacked)
    alone = [deterministic_outputs(network, network.init(key, inputs), inputs) for key in keys]
    np.testing.assert_allclose(together, jnp.stack(alone), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 8])  # full patches and row patches
def test_the_convolution_for_training_is_the_plain_one_with_the_same_gradients(channels, rng_key):
    key_images, key_kernel = jax.random.split(rng_key)
    images = jax.random.normal(key_images, (3, 9, 8, channels))
    kernel = jax.random.normal(key_kernel, (4, 3, channels, 5))
    np.testing.assert_allclose(convolve_for_training(images, kernel), convolve(images, kernel), rtol=1e-4, atol=1e-4)
    gradients = [
        jax.grad(lambda i, k, f=f: (f(i, k) ** 2).sum(), argnums=(0, 1))(images, kernel)
        for f in (convolve_for_training, convolve)
    ]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-2), *gradients)
    products = [
        jax.jvp(jax.grad(lambda k, f=f: (f(images, k) ** 4).sum()), (kernel,), (jnp.ones_like(kernel),))[1]
        for f in (convolve_for_training, convolve)
    ]
    np.testing.assert_allclose(*products, rtol=1e-3, atol=1e-3 * float(jnp.abs(products[0]).max()))


def test_the_convolution_equals_a_loop_over_positions(rng_key):
    images, kernel = jax.random.normal(rng_key, (2, 5, 6, 2)), jax.random.normal(rng_key, (3, 2, 2, 3))
    expected = np.zeros((2, 3, 5, 3))
    for x in range(3):
        for y in range(5):
            patch = np.asarray(images)[:, x : x + 3, y : y + 2]
            expected[:, x, y] = np.einsum("nabi,abio->no", patch, kernel)
    np.testing.assert_allclose(convolve(images, kernel), expected, rtol=1e-4, atol=1e-5)


def test_max_pooling_leaves_out_an_odd_edge():
    images = jnp.arange(15.0).reshape(1, 3, 5, 1)
    assert max_pool(images)[0, :, :, 0].tolist() == [[6.0, 8.0]]


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.3, 0.5])
def test_masks_drop_the_stated_share_and_have_mean_one(rate, rng_key):
    mask = dropout_mask(rng_key, (300, 301), rate)
    dropped = float((mask == 0).mean())
    assert abs(dropped - rate) <= 4 * np.sqrt(rate * (1 - rate) / mask.size)
    assert set(np.unique(mask).round(5)) <= {0.0, np.float32(1 / (1 - rate)).round(5)}


def test_a_shared_mask_on_the_kernel_is_a_mask_on_the_inputs(rng_key):
    from flax import nnx

    layer = DropoutLinear(6, 4, 0.5, nnx.Rngs(params=rng_key))
    inputs = jax.random.normal(rng_key, (3, 6))
    expected = layer.linear(inputs * dropout_mask(rng_key, (6,), 0.5)[None])
    np.testing.assert_allclose(layer.sample(inputs, rng_key), expected, rtol=1e-5, atol=1e-6)


def test_parameter_counts_are_those_of_the_papers():
    images = jnp.zeros((1, 28, 28, 1))
    count = lambda network: sum(leaf.size for leaf in jax.tree.leaves(network.init(jax.random.key(0), images).params))
    gal = (16 * 32 + 32) + (16 * 32 * 32 + 32) + (3872 * 128 + 128) + (128 * 10 + 10)
    assert count(cnn(num_outputs=10, variant="gal")) == gal
    assert count(cnn(num_outputs=10, variant="batchbald")) == 184_586


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mlp(num_outputs=0), "num_outputs"),
        (lambda: mlp(num_outputs=2, hidden_sizes=()), "hidden_sizes"),
        (lambda: mlp(num_outputs=2, hidden_sizes=(8, 0)), "every number in hidden_sizes"),
        (lambda: mlp(num_outputs=2, dropout_rate=1.0), "dropout_rate"),
        (lambda: cnn(num_outputs=2, variant="resnet"), "batchbald"),
        (lambda: cnn(num_outputs=2).init(jax.random.key(0), jnp.zeros((1, 4, 4, 1))), "at least 8x8"),
        (lambda: cnn(num_outputs=2).init(jax.random.key(0), jnp.zeros((1, 64))), "height, width, channels"),
    ],
)
def test_invalid_settings_and_images_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
