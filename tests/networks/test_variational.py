"""Variational layers: gradients right in the mean and less variable than naive ones, the divergence in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.extend.random import threefry_2x32
from scipy import stats

from bal import networks
from bal.networks import VariationalConv, VariationalDense, divergence_from_prior, draw_gaussian_weights
from bal.networks._training_noise import random_words, training_noise

ESTIMATORS = ("local_reparameterisation", "flipout")


def dense(estimator="flipout", num_inputs=4, num_outputs=3):
    layer = VariationalDense(num_inputs, num_outputs, estimator=estimator, rngs=nnx.Rngs(params=jax.random.key(0)))
    deviations = np.linspace(-3.0, -1.0, num_inputs * num_outputs, dtype=np.float32)
    layer.kernel_log_deviation[...] = jnp.asarray(deviations.reshape(num_inputs, num_outputs))
    layer.bias_log_deviation[...] = jnp.asarray(np.linspace(-2.0, -1.0, num_outputs, dtype=np.float32))
    return layer


def normal(*shape):
    return jnp.asarray(np.random.default_rng(0).standard_normal(shape, np.float32))


def gradients(layer, forward, inputs, targets, num_draws):
    """Gradient of a quadratic loss by all parameters, under many keys: [num_draws, number of parameters]."""
    graph, params = nnx.split(layer)

    def loss(params, key):
        return ((forward(nnx.merge(graph, params), inputs, key) - targets) ** 2).sum(axis=1).mean()

    def gradient(key):
        return jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(jax.grad(loss)(params, key))])

    return np.array(jax.jit(jax.vmap(gradient))(jax.random.split(jax.random.key(1), num_draws)))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_gradient_has_the_mean_of_naive_sampling_and_less_variance(estimator, rng_key):
    inputs, targets = normal(16, 4), np.ones((16, 3), np.float32)
    layer = dense(estimator)
    ours = gradients(layer, lambda module, x, key: module.train_step(x, key), inputs, targets, 20_000)
    naive = gradients(layer, lambda module, x, key: module.sample(x, key), inputs, targets, 20_000)
    standard_error = np.sqrt((ours.var(axis=0) + naive.var(axis=0)) / 20_000)
    assert (np.abs(ours.mean(axis=0) - naive.mean(axis=0)) < 5 * standard_error).all()
    # Flipout still shares the sizes of the weights' deviations, and so reduces less.
    factor = 0.75 if estimator == "flipout" else 0.5
    assert ours.var(axis=0).sum() < factor * naive.var(axis=0).sum()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_outputs_of_a_training_step_have_the_mean_and_variance_of_the_weights(estimator, rng_key):
    layer, inputs = dense(estimator), normal(3, 4)
    keys = jax.random.split(jax.random.key(1), 20_000)
    outputs = np.array(jax.jit(jax.vmap(lambda key: layer.train_step(inputs, key)))(keys))
    deviation = np.exp(layer.kernel_log_deviation[...])
    variance = np.square(np.array(inputs)) @ deviation**2 + np.exp(layer.bias_log_deviation[...])[None] ** 2
    mean = np.array(inputs) @ np.array(layer.kernel_mean[...]) + np.array(layer.bias_mean[...])[None]
    np.testing.assert_allclose(outputs.mean(axis=0), mean, atol=5 * np.sqrt(variance.max() / 20_000))
    np.testing.assert_allclose(outputs.var(axis=0), variance, rtol=0.06)  # five standard errors: 5 sqrt(2 / 20000)


def test_noise_of_training_is_standard_normal_and_its_numbers_are_independent(rng_key):
    noise = np.asarray(jax.jit(training_noise, static_argnums=1)(rng_key, (400_001,)), np.float64)
    assert abs(noise.mean()) < 5 / 400_000**0.5
    np.testing.assert_allclose(noise.var(), 1.0, atol=5 * (2 / 400_000) ** 0.5)
    # The distance of Kolmogorov and Smirnov is above this in one of a million samples.
    assert stats.kstest(noise, "norm").statistic < 2.7 / 400_000**0.5
    assert 4.0 < np.abs(noise).max() < 4.4  # 65,536 quantiles end at 4.3
    # The numbers from one word, and those from one counter.
    for apart in (100_001, 200_002):
        assert abs(np.corrcoef(noise[:-apart], noise[apart:])[0, 1]) < 5 / (400_001 - apart) ** 0.5


def test_random_words_are_those_of_the_generator_of_jax(rng_key):
    key = jax.random.key_data(rng_key)
    run = jax.jit(
        lambda key: (jnp.concatenate(random_words(key, 7)), threefry_2x32(key, jnp.arange(14, dtype=jnp.uint32)))
    )
    np.testing.assert_array_equal(*run(key))


def test_flipout_decorrelates_the_examples_of_a_minibatch(rng_key):
    layer, inputs = dense("flipout"), jnp.ones((2, 4))
    outputs = jax.jit(jax.vmap(lambda key: layer.train_step(inputs, key)[:, 0]))(jax.random.split(rng_key, 5_000))
    assert abs(np.corrcoef(np.array(outputs).T)[0, 1]) < 0.07
    shared = np.array(jax.jit(jax.vmap(lambda key: layer.sample(inputs, key)[:, 0]))(jax.random.split(rng_key, 100)))
    np.testing.assert_allclose(shared[:, 0], shared[:, 1], rtol=1e-6)


def test_a_flipped_convolution_equals_the_convolution_with_the_flipped_kernel(rng_key):
    # With one image, signs on channels are signs on the kernel, so that its variance is that of naive sampling.
    layer = VariationalConv(2, 3, (2, 2), rngs=nnx.Rngs(params=rng_key))
    layer.kernel_log_deviation[...] = jnp.zeros((2, 2, 2, 3))
    images = normal(1, 3, 3, 2)
    keys = jax.random.split(jax.random.key(1), 4_000)
    flipout = np.array(jax.jit(jax.vmap(lambda key: layer.train_step(images, key)))(keys))[:, 0]
    naive = np.array(jax.jit(jax.vmap(lambda key: layer.sample(images, key)))(keys))[:, 0]
    assert flipout.shape == (4_000, 2, 2, 3)
    scale = float(naive.var(axis=0).max())
    np.testing.assert_allclose(flipout.mean(axis=0), naive.mean(axis=0), atol=7 * (scale / 4_000) ** 0.5)
    covariances = [np.cov(outputs[:, :, :, 0].reshape(4_000, -1).T) for outputs in (flipout, naive)]
    np.testing.assert_allclose(*covariances, atol=0.12 * scale)


def test_divergence_is_that_of_gaussians_and_zero_at_the_prior():
    params = {"x_mean": jnp.array([1.0, -2.0]), "x_log_deviation": jnp.array([0.5, 2.0]), "kernel": jnp.ones(3)}
    mean, deviation = np.array([1.0, -2.0]), np.exp([0.5, 2.0])
    expected = (np.log(0.7 / deviation) + (deviation**2 + mean**2) / (2 * 0.7**2) - 0.5).sum()
    divergence = jax.jit(divergence_from_prior)
    np.testing.assert_allclose(divergence(params, 0.7), expected, rtol=1e-5)
    at_prior = {"x_mean": jnp.zeros(2), "x_log_deviation": jnp.full(2, np.log(0.7)), "kernel": jnp.ones(3)}
    np.testing.assert_allclose(divergence(at_prior, 0.7), 0.0, atol=1e-6)
    assert divergence_from_prior({"kernel": jnp.ones(3)}, 1.0) == 0


def test_drawn_weights_take_the_place_of_the_means_and_leave_the_rest(rng_key):
    params = {"layer": {"x_mean": jnp.full(10_000, 3.0), "x_log_deviation": jnp.zeros(10_000)}, "kernel": jnp.ones(3)}
    draw = jax.jit(draw_gaussian_weights)(rng_key, params)
    assert draw["kernel"] is None
    assert draw["layer"]["x_log_deviation"] is None
    np.testing.assert_allclose(np.mean(draw["layer"]["x_mean"]), 3.0, atol=0.035)  # five standard errors
    np.testing.assert_allclose(np.std(draw["layer"]["x_mean"]), 1.0, rtol=0.035)


def test_an_unknown_estimator_is_refused():
    with pytest.raises(ValueError, match="flipout"):
        networks.variational_mlp(num_outputs=2, estimator="score")
    with pytest.raises(ValueError, match="flipout"):
        networks.variational_cnn(num_outputs=2, estimator="score")
    with pytest.raises(ValueError, match="flipout"):
        dense("score")


def test_the_convolutional_network_trains_and_predicts_images(rng_key):
    network = networks.variational_cnn(num_outputs=2)
    images = jnp.ones((2, 8, 8, 1))

    @jax.jit
    def run(rng_key, images):
        variables = network.init(rng_key, images)
        trained = network.train(rng_key, variables, images).outputs
        return trained, networks.deterministic_outputs(network, variables, images)

    for outputs in run(rng_key, images):
        assert outputs.shape == (2, 2)
        assert np.isfinite(outputs).all()
    with pytest.raises(ValueError, match="8x8"):
        jax.eval_shape(network.init, rng_key, jnp.ones((1, 7, 8, 1)))
