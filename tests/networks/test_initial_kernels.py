"""Initial kernels: their spread is that of He et al., and a network draws all of them at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from bal.networks import center_net, resnet18, unet
from bal.networks._kernels import draw_kernels


class Layers(nnx.Module):
    def __init__(self):
        self.first = nnx.Param(jnp.zeros((3, 3, 16, 64)))
        self.second = nnx.Param(jnp.zeros((3, 3, 16, 64)))
        self.bias = nnx.Param(jnp.ones(16))


@pytest.mark.parametrize(("fan", "num_inputs"), [("in", 9 * 16), ("out", 9 * 64)])
def test_kernels_are_normal_with_the_spread_of_he(fan, num_inputs):
    layers = Layers()
    draw_kernels(layers, jax.random.key(0), fan=fan)
    first, second = np.asarray(layers.first[...]).ravel(), np.asarray(layers.second[...]).ravel()
    for weights in (first, second):
        standard = weights * np.sqrt(num_inputs / 2)
        # 9,216 weights: four standard errors of each moment.
        assert abs(standard.mean()) < 4 / 96
        assert abs(standard.std() - 1) < 4 / (96 * np.sqrt(2))
        assert abs((standard**4).mean() - 3) < 4 * np.sqrt(96) / 96
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / 96
    np.testing.assert_array_equal(layers.bias[...], np.ones(16))


@pytest.mark.parametrize(
    "network",
    [unet(num_outputs=2), center_net(num_classes=2), resnet18(num_outputs=3, width=4)],
    ids=["unet", "center_net", "resnet18"],
)
def test_a_network_calls_the_generator_twice(network):
    """For its kernels and for its last layer: each further call takes XLA a second."""
    program = str(jax.make_jaxpr(network.init)(jax.random.key(0), jnp.zeros((1, 32, 32, 1))))
    assert program.count("random_bits") == 2
    for kernel in jax.tree.leaves(jax.jit(network.init)(jax.random.key(0), jnp.zeros((1, 32, 32, 1))).params):
        assert kernel.ndim < 2 or float(kernel.std()) > 0
