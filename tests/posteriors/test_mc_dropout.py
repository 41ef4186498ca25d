"""Monte Carlo dropout needs a network whose draws differ; images in pieces are those of one piece."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from bal import likelihoods, networks
from bal.networks._map_images import CPU_IMAGES
from bal.posteriors import mc_dropout
from bal.regions import Regions
from bal.types import Batch

IMAGES = Batch(jnp.ones((2, 10, 10, 1)), jnp.zeros(2, jnp.int32), jnp.ones(2))


class Dropping(nnx.Module):
    """A network of one's own."""

    def __init__(self, rate, rngs):
        self.first, self.last = nnx.Linear(100, 4, rngs=rngs), nnx.Linear(4, 3, rngs=rngs)
        self.dropout = nnx.Dropout(rate, rngs=rngs)

    def __call__(self, inputs):
        return self.last(self.dropout(self.first(inputs.reshape(inputs.shape[0], -1))))


def dropping(rate):
    return networks.from_nnx(lambda rngs: Dropping(rate, rngs), num_outputs=3)


def init(network):
    posterior = mc_dropout(network, likelihoods.categorical(), optax.sgd(0.1), num_steps=1, minibatch_size=2)
    return jax.eval_shape(posterior.init, jax.random.key(0), IMAGES)


@pytest.mark.parametrize(
    "network",
    [
        networks.mlp(num_outputs=3, hidden_sizes=(8, 4)),
        networks.dropconnect_mlp(num_outputs=3, hidden_sizes=(8,), dropout_rate=0.0),
        networks.resnet18(num_outputs=3, width=4),
        dropping(0.0),
    ],
    ids=["mlp", "dropconnect", "resnet", "nnx"],
)
def test_a_network_whose_draws_are_all_the_same_is_refused(network):
    with pytest.raises(ValueError, match="network with noise for mc_dropout"):
        init(network)


@pytest.mark.parametrize(
    "network",
    [
        networks.mlp(num_outputs=3, hidden_sizes=(8,), dropout_rate=0.1),
        networks.dropconnect_mlp(num_outputs=3, hidden_sizes=(8,), dropout_rate=0.1),
        networks.concrete_dropout_mlp(num_outputs=3, hidden_sizes=(8,)),
        networks.epinet_mlp(num_outputs=3, hidden_sizes=(8,)),
        networks.cnn(num_outputs=3, variant="gal"),
        dropping(0.1),
    ],
    ids=["mlp", "dropconnect", "concrete", "epinet", "cnn", "nnx"],
)
def test_a_network_with_noise_is_accepted(network):
    assert init(network).variables.params


@pytest.mark.parametrize("grid", [None, (2, 2)], ids=["images", "regions"])
def test_maps_of_many_images_are_those_of_few(grid):
    """A CPU predicts all draws of some images before the next ones."""
    images = np.random.default_rng(0).normal(size=(CPU_IMAGES + 1, 4, 4, 1)).astype(np.float32)
    network, likelihood = networks.unet(num_outputs=2, widths=(2, 3)), likelihoods.dense(likelihoods.categorical())
    network = network if grid is None else networks.on_regions(network)
    posterior = mc_dropout(network, likelihood, optax.sgd(0.1), num_steps=1, minibatch_size=2)
    few = Batch(images[-2:], np.zeros((2, 4, 4), np.int32), np.ones(2, np.float32))
    state = jax.jit(posterior.init)(jax.random.key(0), few)
    draws, predict = posterior.sample(jax.random.key(1), state, 3), jax.jit(posterior.predict)
    inputs = [each if grid is None else Regions(each, None, grid) for each in (images, images[-2:])]
    many, last = (np.asarray(predict(state, draws, each)) for each in inputs)
    points, side = (1, 4) if grid is None else (4, 2)
    assert many.shape == (3, points * len(images), side, side, 2)
    np.testing.assert_allclose(many[:, -2 * points :], last, rtol=1e-4, atol=1e-5)
