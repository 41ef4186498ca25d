"""Networks: the parts are one network, draws are shared by all points, derivatives of every kind work."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.networks import NETWORKS, cnn, deterministic_outputs, mlp
from bal.networks._convolution import convolve, convolve_for_training, max_pool
from bal.networks._dropout import DropoutLinear, dropout_mask, dropout_masks

# Networks whose draws are dropout masks: name -> (network, shape of one input). The others have files of their own.
CASES = {
    "mlp": (mlp(num_outputs=3, hidden_sizes=(8, 6), dropout_rate=0.3), (4,)),
    "residual mlp": (mlp(num_outputs=3, hidden_sizes=(6, 6), dropout_rate=0.3, residual=True), (4,)),
    "gal": (cnn(num_outputs=3, variant="gal"), (10, 10, 1)),
    "batchbald": (cnn(num_outputs=3, variant="batchbald"), (16, 16, 1)),
}
cases = pytest.mark.parametrize(("network", "shape"), CASES.values(), ids=CASES.keys())


def normal(*shape):
    return jnp.asarray(np.random.default_rng(0).standard_normal(shape, np.float32))


@functools.cache
def setup(network, shape):
    inputs = normal(5, *shape)
    return jax.jit(network.init)(jax.random.key(0), inputs), inputs


@functools.partial(jax.jit, static_argnums=0)
def outputs(network, variables, inputs, rng_key):
    return network.readout(variables, network.head(variables, network.trunk(variables, inputs), rng_key))


@functools.partial(jax.jit, static_argnums=0)
def train(network, rng_key, variables, inputs):
    return network.train(rng_key, variables, inputs)


@functools.partial(jax.jit, static_argnums=0)
def mean_outputs(network, variables, inputs):
    return deterministic_outputs(network, variables, inputs)


# registered name -> where it is tested
TESTED = {
    "center_net": "test_center_net",
    "cnn": "test_networks",
    "concrete_dropout_mlp": "test_noisy_networks",
    "dropconnect_mlp": "test_noisy_networks",
    "epinet_mlp": "test_noisy_networks",
    "mlp": "test_networks",
    "resnet18": "test_resnet",
    "text_mlp": "test_text_mlp",
    "unet": "test_unet",
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
    alone = np.concatenate([outputs(network, variables, point, rng_key) for point in np.split(np.array(inputs), 5)])
    np.testing.assert_allclose(alone, whole, rtol=1e-4, atol=1e-5)


@cases
def test_draws_differ_and_the_mean_network_is_none_of_them(network, shape, rng_key):
    variables, inputs = setup(network, shape)
    first, second = (outputs(network, variables, inputs, key) for key in jax.random.split(rng_key))
    mean = mean_outputs(network, variables, inputs)
    assert not np.allclose(first, second)
    assert not np.allclose(first, mean)


@cases
def test_training_noise_differs_between_examples(network, shape, rng_key):
    variables, inputs = setup(network, shape)
    same = np.repeat(np.array(inputs)[:1], 5, axis=0)
    trained = np.array(train(network, rng_key, variables, same).outputs)
    assert not np.allclose(trained[0], trained[1])


@cases
def test_training_and_sampling_are_the_same_network_up_to_noise(network, shape):
    """The mean of many training passes is that of many draws, within four standard errors."""
    variables, inputs = setup(network, shape)
    inputs = jnp.asarray(np.array(inputs)[:2])
    keys = jax.random.split(jax.random.key(5), 3000)

    @jax.jit
    def run(variables, inputs, keys):
        trained = jax.lax.map(lambda key: network.train(key, variables, inputs).outputs, keys, batch_size=100)
        return trained, jax.lax.map(lambda key: outputs(network, variables, inputs, key), keys, batch_size=100)

    trained, sampled = map(np.array, run(variables, inputs, keys))
    error = 4 * np.sqrt((trained.var(axis=0) + sampled.var(axis=0)) / 3000)
    assert (np.abs(trained.mean(axis=0) - sampled.mean(axis=0)) < error).all()


@cases
def test_features_are_those_of_the_prediction_and_training_has_the_same_ones_with_noise(network, shape, rng_key):
    variables, inputs = setup(network, shape)
    names = []  # a compiled function returns a dict in the order of the alphabet

    @jax.jit
    def run(variables, inputs):
        features = network.features(variables, inputs)
        names.extend(features)
        return features, network.head(variables, network.trunk(variables, inputs), None)

    features, embeddings = run(variables, inputs)
    np.testing.assert_allclose(features[names[-1]], embeddings, rtol=1e-4, atol=1e-5)
    noisy = train(network, rng_key, variables, inputs).features
    assert {name: level.shape for name, level in noisy.items()} == {n: level.shape for n, level in features.items()}
    assert all(level.shape[0] == 5 for level in features.values())
    first, *_, last = names
    # Before the first dropout there is no noise.
    np.testing.assert_allclose(noisy[first], features[first], rtol=1e-4, atol=1e-5)
    assert not np.allclose(noisy[last], features[last])


@cases
def test_first_and_second_derivatives_work(network, shape, rng_key):
    variables, inputs = setup(network, shape)
    inputs = jnp.asarray(np.array(inputs)[:2])
    tangents = jax.tree.map(np.ones_like, variables.params)

    def loss(params):
        return (network.train(rng_key, variables._replace(params=params), inputs).outputs ** 2).sum()

    @jax.jit
    def run(params, tangents, inputs):
        _, directional = jax.jvp(loss, (params,), (tangents,))
        gradient, product = jax.jvp(jax.grad(loss), (params,), (tangents,))
        return gradient, directional, product, jax.grad(lambda x: outputs(network, variables, x, rng_key).sum())(inputs)

    gradient, directional, product, by_input = run(variables.params, tangents, inputs)
    total = sum(np.array(leaf).sum() for leaf in jax.tree.leaves(gradient))
    np.testing.assert_allclose(directional, total, rtol=1e-3, atol=1e-3)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(product))
    assert np.abs(by_input).max() > 0


@cases
def test_networks_work_under_vmap_over_parameters(network, shape, rng_key):
    _, inputs = setup(network, shape)
    keys = jax.random.split(rng_key, 3)
    run = lambda key: deterministic_outputs(network, network.init(key, inputs), inputs)
    together = jax.jit(jax.vmap(run))(keys)
    alone = jax.jit(lambda keys: jax.lax.map(run, keys))(keys)
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


FORMS = (convolve_for_training, convolve)


@pytest.mark.parametrize("channels", [1, 8])  # full patches and row patches
def test_the_convolution_for_training_is_the_plain_one_with_the_same_gradients(channels):
    images, kernel = normal(3, 9, 8, channels), normal(4, 3, channels, 5)

    def run(f):
        gradient = jax.grad(lambda i, k: (f(i, k) ** 2).sum(), argnums=(0, 1))(images, kernel)
        _, product = jax.jvp(jax.grad(lambda k: (f(images, k) ** 4).sum()), (kernel,), (jnp.ones_like(kernel),))
        return f(images, kernel), gradient, product

    values, gradients, products = zip(*(jax.jit(run, static_argnums=0)(f) for f in FORMS), strict=True)
    np.testing.assert_allclose(*values, rtol=1e-4, atol=1e-4)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-2), *gradients)
    np.testing.assert_allclose(*products, rtol=1e-3, atol=1e-3 * float(np.abs(products[0]).max()))


def test_the_convolution_equals_a_loop_over_positions():
    images, kernel = normal(2, 5, 6, 2), normal(3, 2, 2, 3)
    expected = np.zeros((2, 3, 5, 3))
    for x in range(3):
        for y in range(5):
            patch = np.asarray(images)[:, x : x + 3, y : y + 2]
            expected[:, x, y] = np.einsum("nabi,abio->no", patch, kernel)
    np.testing.assert_allclose(jax.jit(convolve)(images, kernel), expected, rtol=1e-4, atol=1e-5)


def test_max_pooling_leaves_out_an_odd_edge():
    images = np.arange(15, dtype=np.float32).reshape(1, 3, 5, 1)
    assert np.array(jax.jit(max_pool)(images))[0, :, :, 0].tolist() == [[6.0, 8.0]]


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.3, 0.5])
def test_masks_drop_the_stated_share_and_have_mean_one(rate, rng_key):
    mask = np.array(jax.jit(lambda key: dropout_mask(key, (300, 301), rate))(rng_key))
    dropped = float((mask == 0).mean())
    assert abs(dropped - rate) <= 4 * np.sqrt(rate * (1 - rate) / mask.size)
    assert set(np.unique(mask).round(5)) <= {0.0, np.float32(1 / (1 - rate)).round(5)}


def test_a_shared_mask_on_the_kernel_is_a_mask_on_the_inputs(rng_key):
    from flax import nnx

    @jax.jit
    def run(rng_key):
        layer = DropoutLinear(6, 4, nnx.Rngs(params=rng_key))
        inputs, mask = jax.random.normal(rng_key, (3, 6)), dropout_mask(rng_key, (6,), 0.5)
        return layer.sample(inputs, mask), layer.linear(inputs * mask[None])

    np.testing.assert_allclose(*run(rng_key), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rate", [0.3, 0.5])
def test_masks_of_several_keys_are_those_of_each_key(rate, rng_key):
    keys, shapes = jax.random.split(rng_key, 3), [(40, 3), (7,), (90,)]
    together = jax.jit(lambda keys: dropout_masks(keys, shapes, rate))(keys)
    alone = jax.jit(lambda keys: [dropout_mask(key, shape, rate) for key, shape in zip(keys, shapes, strict=True)])
    for mask, expected in zip(together, alone(keys), strict=True):
        np.testing.assert_array_equal(mask, expected)
        assert len(np.unique(mask)) == 2


def test_parameter_counts_are_those_of_the_papers():
    images = jnp.zeros((1, 28, 28, 1))
    shapes = lambda network: jax.eval_shape(network.init, jax.random.key(0), images).params
    count = lambda network: sum(leaf.size for leaf in jax.tree.leaves(shapes(network)))
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
        (lambda: mlp(num_outputs=2, hidden_sizes=(8, 4), residual=True), "one width for residual layers"),
        (lambda: cnn(num_outputs=2, variant="resnet"), "batchbald"),
        (lambda: jax.eval_shape(cnn(num_outputs=2).init, jax.random.key(0), jnp.zeros((1, 4, 4, 1))), "at least 8x8"),
        (
            lambda: jax.eval_shape(cnn(num_outputs=2).init, jax.random.key(0), jnp.zeros((1, 64))),
            "height, width, channels",
        ),
    ],
)
def test_invalid_settings_and_images_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
