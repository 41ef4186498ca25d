"""ResNet-18: its size, its batch statistics, and that it trains in the shared loop under vmap."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bal import likelihoods, networks
from bal.networks._convolution import convolve, convolve_for_training
from bal.posteriors import deep_ensemble
from bal.types import Batch


def test_it_has_the_parameters_of_the_paper():
    network = networks.resnet18(num_outputs=10)
    variables = jax.eval_shape(lambda: network.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3))))
    # The usual figure for CIFAR-10.
    assert sum(leaf.size for leaf in jax.tree.leaves(variables.params)) == 11_173_962


NETWORK = networks.resnet18(num_outputs=2, width=2)
LABELS = np.arange(16, dtype=np.int32) % 2
IMAGES = (0.3 * np.random.default_rng(0).standard_normal((16, 8, 8, 1)) + LABELS[:, None, None, None]).astype(
    np.float32
)


@functools.cache
def ensemble():
    """A trained ensemble: compiling takes seconds, so the tests share it."""
    posterior = deep_ensemble(
        NETWORK,
        likelihoods.categorical(),
        optax.adam(0.01),
        num_members=2,
        num_steps=40,
        minibatch_size=8,
        members_at_once=2,
    )

    rng_key = jax.random.key(0)
    run = jax.jit(lambda batch: posterior.fit(rng_key, posterior.init(rng_key, batch), batch)[0])
    return posterior, run(Batch(*map(jnp.asarray, (IMAGES, LABELS, np.ones(16, np.float32)))))


def test_it_trains_in_an_ensemble_with_batch_statistics_of_each_member():
    posterior, state = ensemble()
    means = np.array(state.variables.statistics["stem"]["norm"]["mean"])
    assert means.shape == (2, 2)
    assert np.abs(means[0] - means[1]).max() > 1e-3
    predict = jax.jit(posterior.predict)
    log_probs = np.array(predict(state, state, IMAGES))
    assert (np.exp(log_probs).mean(axis=0).argmax(axis=-1) == LABELS).mean() > 0.8
    # A prediction does not depend on the batch it is made in.
    others = np.concatenate([IMAGES[:3], 5 + 3 * IMAGES[3:]])
    np.testing.assert_allclose(np.array(predict(state, state, others))[:, :3], log_probs[:, :3], rtol=1e-3, atol=1e-4)


def test_its_features_are_the_four_stages_and_predictions_use_running_statistics(rng_key):
    variables = jax.tree.map(lambda leaf: np.array(leaf)[0], ensemble()[1].variables)

    @jax.jit
    def run(variables, images):
        trained = NETWORK.train(rng_key, variables, images).features
        return NETWORK.features(variables, images), trained, NETWORK.trunk(variables, images)

    images = IMAGES[:3]
    features, trained, embeddings = jax.tree.map(np.array, run(variables, images))
    # The same image among others.
    among_others = run(variables, np.concatenate([images[:1], 5 + 3 * images[1:]]))[0]
    shapes = {"stage_0": (3, 8, 8, 2), "stage_1": (3, 4, 4, 4), "stage_2": (3, 2, 2, 8), "stage_3": (3, 1, 1, 16)}
    assert {name: level.shape for name, level in features.items()} == shapes
    assert {name: level.shape for name, level in trained.items()} == shapes
    np.testing.assert_allclose(features["stage_3"].mean(axis=(1, 2)), embeddings, rtol=1e-4, atol=1e-5)
    alike = np.array(among_others["stage_3"])[:1]
    np.testing.assert_allclose(alike, features["stage_3"][:1], rtol=1e-4, atol=1e-5)
    assert not np.allclose(trained["stage_3"], features["stage_3"], atol=1e-3)


@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (1, 2)])
def test_both_forms_of_a_strided_padded_convolution_are_equal(size, stride):
    random = np.random.default_rng(0)
    images = jnp.asarray(random.standard_normal((2, 7, 8, 3), np.float32))
    kernel = jnp.asarray(random.standard_normal((size, size, 3, 4), np.float32))
    settings = {"stride": stride, "padding": size // 2}

    @jax.jit
    def run(kernel):
        def total(kernel, convolution):
            values = convolution(images, kernel, **settings)
            return jnp.sin(values).sum(), values

        return [jax.grad(total, has_aux=True)(kernel, fn) for fn in (convolve_for_training, convolve)]

    gradients, values = zip(*run(kernel), strict=True)
    np.testing.assert_allclose(*values, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(*gradients, rtol=1e-3, atol=1e-4)


def test_images_that_are_too_small_and_invalid_sizes_are_refused(rng_key):
    with pytest.raises(ValueError, match=r"at least 8x8, got inputs of shape \[n, 4, 4, 1\]"):
        jax.eval_shape(networks.resnet18(num_outputs=2).init, rng_key, jnp.zeros((1, 4, 4, 1)))
    with pytest.raises(ValueError, match="expected width to be a whole number of at least 1"):
        networks.resnet18(num_outputs=2, width=0)
