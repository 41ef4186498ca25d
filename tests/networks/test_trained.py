"""Trained modules: their weights are kept, they are cut at their last linear layer, and strategies see embeddings."""

import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx

import bal
from bal import likelihoods, networks
from bal.networks import deterministic_outputs
from bal.posteriors import laplace, last_layer_ensemble, mc_dropout
from bal.types import Dataset
from tests.compiled import compiled_network
from tests.networks.test_adapters import LINEN_MODES, EquinoxNetwork, LinenNetwork, NNXNetwork

INPUTS = jnp.asarray(np.random.default_rng(3).standard_normal((6, 4)), jnp.float32)


@nnx.jit
def trained_nnx():
    module = NNXNetwork(nnx.Rngs(5))
    module(2 + 3 * INPUTS)  # moves the running statistics
    return module


TRAINED_NNX = trained_nnx()


@jax.jit
def nnx_embeddings(inputs):
    module = nnx.clone(TRAINED_NNX)
    module.eval()
    return nnx.relu(module.norm(module.first(inputs)))


LINEN_VARIABLES = jax.jit(LinenNetwork().init)(jax.random.key(5), INPUTS)


@jax.jit
def linen_embeddings(inputs):
    layer = LINEN_VARIABLES["params"]["Dense_0"]
    # Batch normalisation that has seen nothing divides by the root of 1 + epsilon.
    return linen.relu((inputs @ layer["kernel"] + layer["bias"][None]) / jnp.sqrt(1 + 1e-5))


TRAINED_EQUINOX = eqx.filter_jit(EquinoxNetwork)(jax.random.key(5))


@jax.jit
def equinox_embeddings(inputs):
    return jax.nn.relu(jax.vmap(TRAINED_EQUINOX.first)(inputs))


# adapter -> (network, embeddings by hand, outputs by hand from these, the leaves of the last layer)
TRAINED = {
    "from_nnx": (
        networks.from_nnx(TRAINED_NNX, num_outputs=3, last_layer="last"),
        nnx_embeddings,
        jax.jit(lambda embeddings: TRAINED_NNX.last(embeddings)),
        lambda params: params["last"],
    ),
    "from_linen": (
        networks.from_linen(
            LinenNetwork(), num_outputs=3, variables=LINEN_VARIABLES, last_layer="Dense_1", **LINEN_MODES
        ),
        linen_embeddings,
        jax.jit(lambda embeddings: linen.Dense(3).apply({"params": LINEN_VARIABLES["params"]["Dense_1"]}, embeddings)),
        lambda params: params["Dense_1"],
    ),
    "from_equinox": (
        networks.from_equinox(TRAINED_EQUINOX, num_outputs=3, last_layer="last"),
        equinox_embeddings,
        jax.jit(jax.vmap(TRAINED_EQUINOX.last)),
        lambda params: params["last"],
    ),
}
PLAIN = {name: network for name, (network, *_) in TRAINED.items()}  # laplace looks into the readout
TRAINED = {name: (compiled_network(network), *rest) for name, (network, *rest) in TRAINED.items()}
trained = pytest.mark.parametrize("adapter", TRAINED)


@trained
def test_weights_and_embeddings_are_those_of_the_module_whatever_the_key(adapter, rng_key):
    network, embeddings, outputs, last = TRAINED[adapter]
    assert network.trained
    assert network.embeds
    variables = network.init(rng_key, INPUTS)
    jax.tree.map(np.testing.assert_array_equal, variables, network.init(jax.random.key(9), INPUTS))
    by_hand = embeddings(INPUTS)
    np.testing.assert_allclose(network.head(variables, INPUTS, None), by_hand, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(network.readout(variables, by_hand), outputs(by_hand), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        deterministic_outputs(network, variables, INPUTS), outputs(by_hand), rtol=1e-4, atol=1e-5
    )
    assert set(last(variables.params)) == {"kernel", "bias"}
    assert sorted(last(variables.params)["kernel"].shape) == [3, 8]


@trained
def test_a_draw_of_embeddings_is_one_mask_for_all_points(adapter, rng_key):
    network, embeddings, _, _ = TRAINED[adapter]
    variables = network.init(rng_key, INPUTS)
    first, second = (network.head(variables, INPUTS, key) for key in jax.random.split(rng_key))
    expected = np.asarray(embeddings(INPUTS))
    # Dropout at a rate of .5 is the last thing before the last layer: a unit is dropped for all points, or doubled.
    for draw in (np.asarray(first), np.asarray(second)):
        kept = (draw != 0).any(axis=0)
        np.testing.assert_allclose(draw, 2 * expected * kept[None], rtol=1e-4, atol=1e-5)
    assert ((np.array(first) != 0).any(axis=0) != (np.array(second) != 0).any(axis=0)).any()


def badge_and_bait():
    """What each of them asks for, as one batch: one program for both."""
    both = [strategy(batch_size=2) for strategy in (bal.strategies.badge, bal.strategies.bait)]

    def select(rng_key, view):
        return jax.tree.map(lambda *leaves: jnp.hstack(leaves), *(each.select(rng_key, view) for each in both))

    return bal.Strategy(4, select, both[0].takes, tuple({*both[0].needs, *both[1].needs}))


@trained
def test_strategies_over_embeddings_ask_with_a_model_that_is_not_trained_further(adapter, rng_key):
    network = PLAIN[adapter]
    pool = jnp.asarray(np.random.default_rng(0).standard_normal((12, 4)), jnp.float32)
    dataset = Dataset(pool, jnp.asarray(np.arange(12) % 3))
    posterior = laplace(network, likelihoods.categorical(), None, prior_precision=8.0)
    learner = bal.build(posterior, badge_and_bait(), num_samples=2, num_initial=4, num_rounds=1)
    state, info = jax.jit(lambda key, data: learner.ask(key, learner.init(key, data), data))(rng_key, dataset)
    for name, asked in zip(("badge", "bait"), info.selection.indices.reshape(2, 2).tolist(), strict=True):
        assert len(set(asked)) == 2, name
    assert info.fit.num_steps == 0
    jax.tree.map(np.testing.assert_array_equal, state.posterior.variables, TRAINED[adapter][0].init(rng_key, pool))
    assert np.max(jax.tree.leaves(state.posterior.curvature.eigenvalues)[0]) > 0


def test_a_network_that_ends_in_a_last_layer_of_vectors_is_cut_without_a_name(rng_key):
    sequence = nnx.Sequential(nnx.Linear(4, 8, rngs=nnx.Rngs(0)), nnx.relu, nnx.Linear(8, 3, rngs=nnx.Rngs(1)))
    perceptron = eqx.nn.MLP(4, 3, 8, 2, key=rng_key)
    found = [
        networks.from_nnx(sequence, num_outputs=3),
        networks.from_nnx(NNXNetwork, num_outputs=3),
        networks.from_linen(LinenNetwork(), num_outputs=3, variables=LINEN_VARIABLES),
        networks.from_equinox(perceptron, num_outputs=3),
    ]
    found = [compiled_network(network) for network in found]
    for network in found:
        variables = network.init(rng_key, INPUTS)
        assert network.head(variables, INPUTS, None).shape == (6, 8)
    by_hand = jax.jit(lambda inputs: nnx.relu(sequence.layers[0](inputs)))(INPUTS)
    np.testing.assert_allclose(found[0].head(found[0].init(rng_key, INPUTS), INPUTS, None), by_hand, rtol=1e-5)


class Ending(nnx.Module):
    """Something after its last linear layer, or that layer twice, or images."""

    def __init__(self, kind, rngs):
        self.kind = kind
        self.first, self.last = nnx.Linear(4, 3, rngs=rngs), nnx.Linear(3, 3, rngs=rngs)
        self.convolution = nnx.Conv(1, 4, (2, 2), rngs=rngs)

    def __call__(self, inputs):
        if self.kind == "images":
            return self.last(self.first(nnx.relu(self.convolution(inputs)).mean(axis=(1, 2))))
        hidden = nnx.relu(self.first(inputs))
        if self.kind == "twice":
            return self.last(self.last(hidden))
        return nnx.softmax(self.last(hidden))


@pytest.mark.parametrize(
    ("kind", "last_layer", "message"),
    [
        ("softmax", "last", "'last', got a network that does more after it: .*softmax"),
        ("softmax", "first", "'first', got a network that does more after it"),
        ("twice", "last", "'last', got a network that calls it 2 times"),
        ("images", "first", "'first', got a network that does more after it"),
    ],
)
def test_a_layer_after_which_anything_happens_is_refused(kind, last_layer, message, rng_key):
    network = networks.from_nnx(Ending(kind, nnx.Rngs(0)), num_outputs=3, last_layer=last_layer)
    inputs = jnp.zeros((2, 3, 3, 1)) if kind == "images" else INPUTS
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(network.init, rng_key, inputs)


def test_networks_without_an_embedding_work_and_say_so_to_those_who_ask_for_one(rng_key):
    for kind in ("softmax", "images"):
        network = networks.from_nnx(Ending(kind, nnx.Rngs(0)), num_outputs=3)
        assert not network.embeds
        inputs = jnp.zeros((2, 3, 3, 1)) if kind == "images" else INPUTS
        outputs = jax.eval_shape(
            lambda key, inputs, of=network: deterministic_outputs(of, of.init(key, inputs), inputs), rng_key, inputs
        )
        assert outputs.shape == (len(inputs), 3)
    posterior = mc_dropout(network, likelihoods.categorical(), None)
    assert "embedding" not in posterior.features
    with pytest.raises(ValueError, match="embedding"):
        bal.build(posterior, bal.strategies.badge(batch_size=2), num_samples=2, num_initial=2, num_rounds=1)
    with pytest.raises(ValueError, match=r"last_layer=\.\.\."):
        laplace(network, likelihoods.categorical(), None)
    with pytest.raises(ValueError, match=r"last_layer=\.\.\."):
        last_layer_ensemble(
            network, likelihoods.categorical(), optax.sgd(0.1), num_members=2, num_steps=1, minibatch_size=2
        )
    laplace(network, likelihoods.categorical(), None, curvature="diagonal")


@pytest.mark.parametrize("last_layer", ["head", "first", "norm"])
def test_the_message_lists_the_linear_layers(last_layer, rng_key):
    nnx_layers = "'first' (4 to 8), 'last' (8 to 3)"
    with pytest.raises(ValueError, match=f"last_layer of from_nnx .*'{last_layer}'") as raised:
        networks.from_nnx(TRAINED_NNX, num_outputs=3, last_layer=last_layer)
    assert nnx_layers in str(raised.value)
    with pytest.raises(ValueError, match=f"last_layer of from_equinox .*'{last_layer}'") as raised:
        networks.from_equinox(EquinoxNetwork, num_outputs=3, last_layer=last_layer)
    assert nnx_layers in str(raised.value)
    with pytest.raises(ValueError, match="from_linen .*'Dense_0' .4 to 8., 'Dense_1' .8 to 3."):
        networks.from_linen(LinenNetwork(), num_outputs=3, variables=LINEN_VARIABLES, last_layer=last_layer)
    untrained = networks.from_linen(LinenNetwork(), num_outputs=3, last_layer=last_layer)
    with pytest.raises(ValueError, match="from_linen .*'Dense_0' .4 to 8., 'Dense_1' .8 to 3."):
        jax.eval_shape(untrained.init, rng_key, INPUTS)


# Without the types that the tests check, as users call them.
from_nnx, from_linen = inspect.unwrap(networks.from_nnx), inspect.unwrap(networks.from_linen)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: from_nnx("model", num_outputs=3), "from_nnx, got 'model' of type str"),
        (lambda: networks.from_equinox("model", num_outputs=3), "from_equinox, got 'model' of type str"),
        (lambda: from_linen("model", num_outputs=3), "from_linen, got 'model'"),
        (lambda: from_linen(LinenNetwork, num_outputs=3), r"make an instance, such as LinenNetwork\(\)"),
        (lambda: from_nnx(nnx.Linear, num_outputs=3), "which takes other arguments"),
        (lambda: networks.from_equinox(eqx.nn.Linear, num_outputs=3), "which takes other arguments"),
        (lambda: from_nnx(lambda rngs: None, num_outputs=3), "from_nnx, got NoneType"),
        (lambda: networks.from_equinox(lambda key: {"a": 1}, num_outputs=3), "from_equinox, got dict"),
        (lambda: networks.from_linen(LinenNetwork(), num_outputs=3, variables={"Dense_0": {}}), "'Dense_0'"),
    ],
)
def test_what_is_no_module_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@trained
def test_outputs_that_do_not_fit_a_trained_module_are_refused(adapter, rng_key):
    make = {
        "from_nnx": lambda: networks.from_nnx(TRAINED_NNX, num_outputs=2),
        "from_linen": lambda: networks.from_linen(LinenNetwork(), num_outputs=2, variables=LINEN_VARIABLES),
        "from_equinox": lambda: networks.from_equinox(TRAINED_EQUINOX, num_outputs=2),
    }[adapter]
    with pytest.raises(ValueError, match=rf"the network of {adapter} to return \[n, 2\]"):
        jax.eval_shape(make().init, rng_key, INPUTS)
