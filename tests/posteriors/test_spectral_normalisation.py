"""Kernels before the last layer obey the bound after every kind of fit, and what training returns is kept."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bal import likelihoods, networks
from bal.posteriors import NetworkState, ddu
from bal.posteriors.training._last_layer import embed, train_embeddings
from bal.posteriors.training._spectral_normalisation import spectral_normalisation, with_spectral_bound
from bal.types import Batch

IMAGES = jax.random.normal(jax.random.key(1), (6, 8, 8, 1))
LABELS = jnp.arange(6) % 3
BATCH = Batch(IMAGES, LABELS, jnp.ones(6))
NETWORKS = {
    "cnn": networks.cnn(num_outputs=3),
    "mlp": networks.mlp(num_outputs=3, hidden_sizes=(8, 8), residual=True),
    "resnet18": networks.resnet18(num_outputs=3, width=2),
}


def norms(params):
    """Spectral norms by path, of each kernel as a matrix."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    kernels = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves if path[-1].key == "kernel"}
    return {path: np.linalg.norm(leaf.reshape(-1, leaf.shape[-1]), 2) for path, leaf in kernels.items()}


@pytest.mark.parametrize("name", ["cnn", "mlp"])
def test_steps_bound_all_kernels_but_the_last(name, rng_key):
    network, bound = NETWORKS[name], 0.5

    @jax.jit
    def run(rng_key, inputs):
        start = NetworkState(network.init(rng_key, inputs), {"log_variance": jnp.ones(())})
        # Gradients of 0: what changes is what the bound changes.
        optimizer = with_spectral_bound(optax.sgd(1.0), bound, network, start, inputs)
        trained = (start.variables.params, start.noise)

        def step(carry, _):
            params, optimizer_state = carry
            updates, optimizer_state = optimizer.update(jax.tree.map(jnp.zeros_like, params), optimizer_state, params)
            return (optax.apply_updates(params, updates), optimizer_state), None

        return trained, jax.lax.scan(step, (trained, optimizer.init(trained)), None, length=40)[0][0]

    start, end = run(rng_key, IMAGES)
    before, after = norms(start), norms(end)
    (last,) = [path for path in after if "last" in path]
    assert after.pop(last) == before.pop(last)
    assert max(before.values()) > 1.2 * bound
    for path, norm in before.items():
        # The power method approaches a norm from below, slowly where two singular values are close.
        np.testing.assert_allclose(after[path], min(norm, bound), rtol=0.03)


def test_a_fit_ends_within_the_bound(rng_key):
    posterior = ddu(
        NETWORKS["mlp"], likelihoods.categorical(), optax.adam(0.01), spectral_bound=0.5, num_steps=40, minibatch_size=4
    )
    state = jax.jit(lambda key, batch: posterior.fit(key, posterior.init(key, batch), batch)[0])(rng_key, BATCH)
    after = norms(state.variables.params)
    assert after.pop("['last']['kernel']") > 0.6
    np.testing.assert_allclose(list(after.values()), 0.5, rtol=0.03)


def test_a_kernel_below_the_bound_is_left_as_it_is_and_one_of_zeros_stays():
    small = jnp.array([[0.3, 0.0], [0.1, 0.2]])
    params = {"a": small, "b": jnp.zeros((2, 2)), "c": 10 * small}
    transformation = spectral_normalisation(0.9, {"a": True, "b": True, "c": False})
    updates, _ = jax.jit(transformation.update)(
        jax.tree.map(jnp.zeros_like, params), transformation.init(params), params
    )
    for update in jax.tree.leaves(updates):
        np.testing.assert_array_equal(update, np.zeros((2, 2)))


def test_residual_layers_keep_distances_within_the_bounds_of_the_paper(rng_key):
    network, bound = networks.mlp(num_outputs=3, hidden_sizes=(16, 16, 16), residual=True), 0.3
    posterior = ddu(
        network, likelihoods.categorical(), optax.sgd(0.5), spectral_bound=bound, num_steps=60, minibatch_size=4
    )

    @jax.jit
    def run(rng_key, batch):
        state, _ = posterior.fit(rng_key, posterior.init(rng_key, batch), batch)
        return network.trunk(state.variables, batch.inputs), embed(network, state.variables, batch.inputs)

    first, last = (
        np.linalg.norm(levels[:, None] - levels[None], axis=-1)[np.triu_indices(6, 1)]
        for levels in map(np.asarray, run(rng_key, BATCH))
    )
    # Proposition 1 of Liu et al.: two residual layers, with a margin of one percent for the power method.
    assert (last >= 0.99 * (1 - bound) ** 2 * first).all()
    assert (last <= 1.01 * (1 + bound) ** 2 * first).all()


def test_a_network_without_kernels_is_refused(rng_key):
    bare = NETWORKS["mlp"]._replace(
        init=lambda rng_key, inputs: networks.Variables({"last": {"kernel": jnp.zeros((2, 3))}}),
        trunk=lambda variables, inputs: inputs,
        head=lambda variables, hidden, key: hidden,
        readout=lambda variables, embeddings: embeddings @ variables.params["last"]["kernel"],
    )
    batch = Batch(jnp.ones((6, 2)), LABELS, jnp.ones(6))
    posterior = ddu(bare, likelihoods.categorical(), optax.sgd(0.1), num_steps=1, minibatch_size=2)
    with pytest.raises(ValueError, match="before the last layer for spectral_bound, got none"):
        posterior.fit(rng_key, posterior.init(rng_key, batch), batch)


def linen():
    from flax import linen as nn

    class Module(nn.Module):
        @nn.compact
        def __call__(self, inputs):
            return nn.Dense(3, name="last")(nn.relu(nn.Dense(5, name="first")(inputs.reshape(6, -1))))

    return networks.from_linen(Module(), num_outputs=3, last_layer="last")


def equinox():
    import equinox as eqx

    def create(rng_key):
        keys = jax.random.split(rng_key)
        layers = [eqx.nn.Linear(64, 5, key=keys[0]), eqx.nn.Lambda(jax.nn.relu), eqx.nn.Linear(5, 3, key=keys[1])]
        return eqx.nn.Sequential([eqx.nn.Lambda(jnp.ravel), *layers])

    return networks.from_equinox(create, num_outputs=3, last_layer="layers.3")


@pytest.mark.parametrize("make", [linen, equinox, lambda: NETWORKS["mlp"], lambda: NETWORKS["resnet18"]])
def test_embeddings_in_training_are_the_inputs_of_the_last_layer(make, rng_key):
    network = make()

    @jax.jit
    def run(rng_key, inputs):
        variables = network.init(rng_key, inputs)
        embeddings, training = train_embeddings(network, rng_key, variables, inputs)
        return network.readout(variables, embeddings), training.statistics, network.train(rng_key, variables, inputs)

    outputs, statistics, expected = run(rng_key, IMAGES)
    np.testing.assert_allclose(outputs, expected.outputs, rtol=1e-4, atol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), statistics, expected.statistics)
