"""Foreign networks: the same outputs as at home, draws that are one function, and errors that name the adapter."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx

from bal import likelihoods, metrics, networks
from bal.networks import deterministic_outputs
from bal.posteriors import deep_ensemble
from bal.types import Batch
from tests.compiled import compiled_network


class LinenNetwork(linen.Module):
    @linen.compact
    def __call__(self, inputs, train: bool = False, noisy: bool = False):
        hidden = linen.Dense(8)(inputs)
        hidden = linen.BatchNorm(use_running_average=not train, momentum=0.9)(hidden)
        hidden = linen.Dropout(0.5, deterministic=not (train or noisy))(linen.relu(hidden))
        return linen.Dense(3)(hidden)


class NNXNetwork(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(4, 8, rngs=rngs)
        self.norm = nnx.BatchNorm(8, momentum=0.9, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.last = nnx.Linear(8, 3, rngs=rngs)

    def __call__(self, inputs):
        return self.last(self.dropout(nnx.relu(self.norm(self.first(inputs)))))


class EquinoxNetwork(eqx.Module):
    first: eqx.nn.Linear
    dropout: eqx.nn.Dropout
    last: eqx.nn.Linear

    def __init__(self, rng_key):
        key_first, key_last = jax.random.split(rng_key)
        self.first = eqx.nn.Linear(4, 8, key=key_first)
        self.dropout = eqx.nn.Dropout(0.5)
        self.last = eqx.nn.Linear(8, 3, key=key_last)

    def __call__(self, point, *, key=None):
        return self.last(self.dropout(jax.nn.relu(self.first(point)), key=key))


def init_functions(rng_key, inputs):
    return {"kernel": jax.random.normal(rng_key, (inputs.shape[1], 3)), "bias": jnp.zeros(3)}


def apply_functions(params, inputs):
    return inputs @ params["kernel"] + params["bias"][None]


LINEN_MODES = {"train_with": {"train": True}, "draw_with": {"noisy": True}}
ADAPTED = {
    "from_equinox": networks.from_equinox(EquinoxNetwork, num_outputs=3),
    "from_functions": networks.from_functions(init_functions, apply_functions, num_outputs=3),
    "from_linen": networks.from_linen(LinenNetwork(), num_outputs=3, **LINEN_MODES),
    "from_nnx": networks.from_nnx(NNXNetwork, num_outputs=3),
}
ADAPTED = {name: compiled_network(network) for name, network in ADAPTED.items()}
adapted = pytest.mark.parametrize("network", ADAPTED.values(), ids=ADAPTED.keys())
noisy = pytest.mark.parametrize("name", ["from_equinox", "from_linen", "from_nnx"])


def points(count, mean=0.0):
    return jnp.asarray(np.random.default_rng(0).normal(mean, size=(count, 4)), jnp.float32)


@functools.partial(jax.jit, static_argnums=0)
def at_home(name, variables, inputs, rng_key):
    """The outputs as the foreign library computes them, of the parameters that the adapter drew from the key."""
    if name == "from_equinox":
        return jax.vmap(eqx.nn.inference_mode(EquinoxNetwork(rng_key)))(inputs)
    if name == "from_nnx":
        module = NNXNetwork(nnx.Rngs(rng_key))
        module.eval()
        return module(inputs)
    if name == "from_linen":
        return LinenNetwork().apply(LinenNetwork().init(rng_key, inputs), inputs)
    return apply_functions(variables.params, inputs)


@pytest.mark.parametrize("name", ADAPTED)
def test_outputs_are_those_of_the_foreign_library(name, rng_key):
    inputs = points(6)
    variables = ADAPTED[name].init(rng_key, inputs)
    outputs = deterministic_outputs(ADAPTED[name], variables, inputs)
    np.testing.assert_allclose(outputs, at_home(name, variables, inputs, rng_key), rtol=1e-5, atol=1e-6)


@noisy
def test_a_draw_is_one_function_for_all_points(name, rng_key):
    network = ADAPTED[name]
    inputs = points(6)
    variables = network.init(rng_key, inputs)
    draw = network.head(variables, network.trunk(variables, inputs), rng_key)
    part = network.head(variables, network.trunk(variables, np.array(inputs)[2:5]), rng_key)
    np.testing.assert_allclose(np.array(draw)[2:5], part, rtol=1e-5, atol=1e-6)
    other = network.head(variables, inputs, jax.random.key(7))
    assert np.abs(np.array(draw) - other).max() > 1e-3


@noisy
def test_training_noise_is_fresh_for_each_example(name, rng_key):
    network = ADAPTED[name]
    inputs = np.array(points(1) + 0.01 * np.array(points(32)))
    variables = network.init(rng_key, inputs)
    outputs = network.train(rng_key, variables, inputs).outputs
    assert np.std(outputs, axis=0).max() > 0.1


@pytest.mark.parametrize("name", ["from_linen", "from_nnx"])
def test_training_updates_batch_statistics_and_predicting_does_not_depend_on_the_batch(name, rng_key):
    network = ADAPTED[name]
    inputs = points(16, mean=5.0)
    variables = network.init(rng_key, inputs)
    statistics = network.train(rng_key, variables, inputs).statistics
    assert jax.tree.structure(statistics) == jax.tree.structure(variables.statistics)
    moved = jax.tree.map(lambda a, b: np.abs(np.array(a) - b).max() > 0.1, statistics, variables.statistics)
    assert any(jax.tree.leaves(moved))
    variables = variables._replace(statistics=statistics)
    outputs = deterministic_outputs(network, variables, inputs)
    few = deterministic_outputs(network, variables, np.array(inputs)[:3])
    np.testing.assert_allclose(few, np.array(outputs)[:3], rtol=1e-4, atol=1e-5)


@adapted
def test_adapted_networks_train_in_an_ensemble_under_vmap(network, rng_key):
    inputs = np.array(points(32))
    labels = (inputs[:, 0] > 0).astype(np.int32) + (inputs[:, 1] > 0)
    batch = Batch(*map(jnp.asarray, (inputs, labels, np.ones(32, np.float32))))
    posterior = deep_ensemble(
        network, likelihoods.categorical(), optax.adam(0.1), num_members=2, num_steps=60, minibatch_size=16
    )

    @jax.jit
    def run(rng_key, batch):
        state, _ = posterior.fit(rng_key, posterior.init(rng_key, batch), batch)
        log_probs = posterior.likelihood.reduce(posterior.predict(state, state, batch.inputs))
        return metrics.accuracy(log_probs, batch.labels, batch.weights)

    assert float(run(rng_key, batch)) > 0.7


def test_kernels_of_equinox_carry_weight_decay(rng_key):
    params = ADAPTED["from_equinox"].init(rng_key, jnp.zeros((1, 4))).params
    assert params["first"]["kernel"].shape == (8, 4)
    assert params["first"]["bias"].shape == (8,)


@pytest.mark.parametrize(
    ("network", "got"),
    [
        (networks.from_functions(init_functions, lambda p, x: apply_functions(p, x)[:, 0], num_outputs=3), r"\[5\]"),
        (networks.from_functions(init_functions, apply_functions, num_outputs=10), r"\[5, 3\]"),
        (networks.from_linen(linen.Dense(3), num_outputs=2), r"\[5, 3\]"),
        (networks.from_nnx(lambda rngs: nnx.Linear(4, 3, rngs=rngs), num_outputs=2), r"\[5, 3\]"),
        (networks.from_equinox(EquinoxNetwork, num_outputs=2), r"\[5, 3\]"),
    ],
    ids=["from_functions", "from_functions", "from_linen", "from_nnx", "from_equinox"],
)
def test_outputs_of_another_shape_are_refused(network, got, rng_key, request):
    name = request.node.callspec.id.rstrip("01")
    with pytest.raises(ValueError, match=rf"the network of {name} to return \[n, \d+\] for inputs \[5, 4\], got {got}"):
        jax.eval_shape(network.init, rng_key, jnp.zeros((5, 4)))


def test_outputs_that_are_not_an_array_are_refused(rng_key):
    network = networks.from_functions(init_functions, lambda params, inputs: (inputs, inputs), num_outputs=4)
    with pytest.raises(ValueError, match="to return one array"):
        jax.eval_shape(network.init, rng_key, jnp.zeros((5, 4)))


def test_a_network_without_noise_has_no_draws(rng_key):
    network = ADAPTED["from_functions"]
    variables = network.init(rng_key, jnp.zeros((1, 4)))
    with pytest.raises(ValueError, match="one of from_functions that has none"):
        network.head(variables, jnp.zeros((1, 4)), rng_key)


def test_equinox_modules_with_state_are_refused():
    with pytest.raises(ValueError, match="without state"):
        networks.from_equinox(lambda key: eqx.nn.BatchNorm(3, "batch", mode="batch"), num_outputs=3)
