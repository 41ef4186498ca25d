"""The U-Net: its shape, where draws begin to differ, and that training and evaluation are one function."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bal
from bal.networks import deterministic_outputs, unet
from bal.networks._convolution import convolve, convolve_doubled
from bal.networks._map_images import CPU_IMAGES

IMAGES = np.random.default_rng(0).normal(size=(3, 8, 12, 2)).astype(np.float32)


@cache
def variables():
    return jax.jit(unet(num_outputs=3, widths=(4, 6, 8)).init)(jax.random.key(0), IMAGES)


@cache
def outputs():
    """Of the mean network, of training without dropout, and of two draws."""
    network, still = unet(num_outputs=3, widths=(4, 6, 8)), unet(num_outputs=3, widths=(4, 6, 8), dropout_rate=0.0)

    @jax.jit
    def compute(variables, images):
        hidden = network.trunk(variables, images)
        drawn = [
            network.readout(variables, network.head(variables, hidden, jax.random.key(seed))) for seed in (1, 1, 2)
        ]
        trained = still.train(jax.random.key(0), variables, images).outputs
        return deterministic_outputs(network, variables, images), trained, drawn

    return compute(variables(), IMAGES)


def test_outputs_stand_at_the_positions_of_the_image():
    mean, trained, _ = outputs()
    assert mean.shape == (3, 8, 12, 3)
    np.testing.assert_allclose(trained, mean, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_the_convolution_of_repeated_positions_is_that_of_the_repeated_image(training):
    images, kernel = IMAGES[:2], np.random.default_rng(1).normal(size=(3, 3, 2, 5)).astype(np.float32)

    def repeated(images, kernel):
        return convolve(jnp.repeat(jnp.repeat(images, 2, axis=1), 2, axis=2), kernel, padding=1)

    def run(fn):
        gradients = jax.grad(lambda i, k: (fn(i, k) ** 2).sum(), argnums=(0, 1))
        return jax.jit(lambda i, k: (fn(i, k), *gradients(i, k)))(images, kernel)

    doubled = run(partial(convolve_doubled, training=training))
    for ours, plain in zip(doubled, run(repeated), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-3)


def test_images_in_pieces_are_those_of_one_piece():
    network, images = unet(num_outputs=3, widths=(4, 6, 8)), np.tile(IMAGES, (13, 1, 1, 1))
    draw = jax.jit(lambda v, images: network.head(v, network.trunk(v, images), jax.random.key(1)))
    assert len(images) > CPU_IMAGES
    np.testing.assert_allclose(draw(variables(), images)[-3:], draw(variables(), IMAGES), rtol=1e-4, atol=1e-5)


def test_a_draw_is_one_function_of_all_images():
    _, _, (first, again, other) = outputs()
    np.testing.assert_array_equal(first, again)
    assert (np.abs(np.asarray(first - other)).max(axis=(1, 2, 3)) > 1e-3).all()
    network = unet(num_outputs=3, widths=(4, 6, 8))
    alone = jax.jit(lambda v, images: network.readout(v, network.head(v, network.trunk(v, images), jax.random.key(1))))(
        variables(), IMAGES[1:2]
    )
    np.testing.assert_allclose(alone[0], first[1], rtol=1e-4, atol=1e-5)


def test_a_position_sees_its_surroundings_and_images_do_not_see_each_other():
    network = unet(num_outputs=3, widths=(4, 6, 8))
    changed = IMAGES.copy()
    changed[0, 0, 0] += 1.0
    compute = jax.jit(lambda v, images: deterministic_outputs(network, v, images))
    difference = np.abs(np.asarray(compute(variables(), changed) - outputs()[0]))
    assert difference[0].max(axis=-1)[0, 3] > 0
    np.testing.assert_array_equal(difference[1:], 0.0)


def test_trunks_in_pieces_are_the_whole():
    """More images than a CPU takes at a time."""
    network = unet(num_outputs=1, widths=(2, 3))
    images = np.random.default_rng(1).normal(size=(33, 4, 4, 1)).astype(np.float32)
    held = network.init(jax.random.key(0), jnp.asarray(images[:1]))
    whole = jax.jit(network.trunk)(held, images)
    part = jax.jit(network.trunk)(held, images[:2])
    for piece, other in zip(jax.tree.leaves(whole), jax.tree.leaves(part), strict=True):
        np.testing.assert_allclose(piece[:2], other, rtol=1e-5, atol=1e-6)


def test_invalid_settings_and_images_are_refused():
    for settings, message in (
        ({"num_outputs": 0}, "num_outputs"),
        ({"widths": (4,)}, "two levels"),
        ({"widths": (4, 0)}, "widths"),
        ({"dropout_rate": 1.0}, "dropout_rate"),
    ):
        with pytest.raises(ValueError, match=message):
            unet(**{"num_outputs": 2, **settings})
    for shape in ((1, 8, 8), (1, 6, 8, 1), (1, 2, 2, 1)):
        with pytest.raises(ValueError, match="multiples of 4"):
            unet(num_outputs=2, widths=(4, 4, 4)).init(jax.random.key(0), jnp.zeros(shape))


def test_embeddings_of_images_are_means_over_positions():
    network = unet(num_outputs=3, widths=(4, 6, 8))
    likelihood = bal.likelihoods.dense(bal.likelihoods.categorical())
    posterior = bal.posteriors.mc_dropout(network, likelihood, None)
    batch = bal.Batch(jnp.asarray(IMAGES), jnp.zeros((3, 8, 12), jnp.int32), jnp.ones(3))
    state = posterior.init(jax.random.key(0), batch)
    embeddings = jax.jit(posterior.features["embedding"])(state, batch.inputs)
    maps = jax.jit(lambda v, x: network.head(v, network.trunk(v, x), None))(state.variables, batch.inputs)
    np.testing.assert_allclose(embeddings, np.asarray(maps).mean(axis=(1, 2)), rtol=1e-4, atol=1e-6)
