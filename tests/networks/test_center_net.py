"""CenterNet: its cells, where draws begin to differ, and that training and evaluation are one function."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import bal
from bal.networks import center_net, deterministic_outputs

IMAGES = np.random.default_rng(0).normal(size=(3, 16, 24, 2)).astype(np.float32)
NETWORK = center_net(num_classes=2, widths=(4, 6))


@cache
def variables():
    return jax.jit(NETWORK.init)(jax.random.key(0), IMAGES)


@jax.jit
def compute(variables, images):
    """Outputs of the mean network, of training without dropout, and of three draws, two of them from one key."""
    still = center_net(num_classes=2, widths=(4, 6), dropout_rate=0.0)
    hidden = NETWORK.trunk(variables, images)
    drawn = [NETWORK.readout(variables, NETWORK.head(variables, hidden, jax.random.key(seed))) for seed in (1, 1, 2)]
    trained = still.train(jax.random.key(0), variables, images)
    return deterministic_outputs(NETWORK, variables, images), trained, drawn, NETWORK.features(variables, images)


def test_outputs_stand_in_cells_of_four_pixels():
    mean, trained, _, features = compute(variables(), IMAGES)
    assert mean.shape == (3, 4, 6, 6)
    np.testing.assert_allclose(trained.outputs, mean, rtol=1e-4, atol=1e-5)
    assert {name: level.shape for name, level in features.items()} == {
        "down_0": (3, 4, 6, 4),
        "down_1": (3, 2, 3, 6),
        "up_0": (3, 4, 6, 4),
    }
    for name, level in features.items():
        np.testing.assert_allclose(trained.features[name], level, rtol=1e-4, atol=1e-5)


def test_centres_are_rare_before_training():
    """Whatever the image: the loss of an untrained network would otherwise be a hundred times as large."""
    probs = jax.nn.sigmoid(compute(variables(), IMAGES)[0][..., :2])
    np.testing.assert_allclose(probs, 0.1, atol=0.02)
    np.testing.assert_allclose(jax.nn.sigmoid(compute(variables(), np.zeros_like(IMAGES))[0][..., :2]), 0.1, rtol=1e-5)


def test_a_draw_is_one_function_of_all_images():
    _, _, (first, again, other), _ = compute(variables(), IMAGES)
    np.testing.assert_array_equal(first, again)
    assert (np.abs(np.asarray(first - other)).max(axis=(1, 2, 3)) > 1e-4).all()
    np.testing.assert_allclose(compute(variables(), IMAGES[::-1])[2][0][::-1], first, rtol=1e-4, atol=1e-5)


def test_images_do_not_see_each_other():
    changed = IMAGES.copy()
    changed[0, 0, 0] += 1.0
    difference = np.abs(np.asarray(compute(variables(), changed)[0] - compute(variables(), IMAGES)[0]))
    assert difference[0].max() > 0
    np.testing.assert_array_equal(difference[1:], 0.0)


def test_dropout_is_noise_of_each_image_in_training():
    same = np.repeat(IMAGES[:1], 8, axis=0)
    trained = np.asarray(jax.jit(NETWORK.train)(jax.random.key(0), variables(), same).outputs)
    assert np.ptp(trained, axis=0).max() > 1e-4


def test_embeddings_of_images_are_means_over_cells():
    posterior = bal.posteriors.mc_dropout(NETWORK, bal.likelihoods.boxes(), None)
    labels = bal.detection.padded_boxes([np.zeros((0, 4))] * 3, [np.zeros(0, int)] * 3, room=2)
    state = posterior.init(jax.random.key(0), bal.Batch(jnp.asarray(IMAGES), labels, jnp.ones(3)))
    embeddings = jax.jit(posterior.features["embedding"])(state, IMAGES)
    maps = jax.jit(lambda v, x: NETWORK.head(v, NETWORK.trunk(v, x), None))(state.variables, IMAGES)
    np.testing.assert_allclose(embeddings, np.asarray(maps).mean(axis=(1, 2)), rtol=1e-4, atol=1e-6)


def test_invalid_settings_and_images_are_refused():
    for settings, message in (
        ({"num_classes": 0}, "num_classes"),
        ({"widths": ()}, "widths"),
        ({"widths": (4, 0)}, "widths"),
        ({"dropout_rate": 1.0}, "dropout_rate"),
    ):
        with pytest.raises(ValueError, match=message):
            center_net(**{"num_classes": 2, **settings})
    for shape in ((1, 16, 16), (1, 12, 16, 1), (1, 4, 4, 1)):
        with pytest.raises(ValueError, match="multiples of 8"):
            NETWORK.init(jax.random.key(0), jnp.zeros(shape))
