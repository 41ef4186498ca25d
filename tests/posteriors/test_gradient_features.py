"""The sketch of full gradients against the tangent kernel."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bal import likelihoods, networks
from bal.posteriors import deep_ensemble, gradient_features, last_layer_ensemble, mc_dropout
from bal.types import Batch

NETWORK = networks.mlp(num_outputs=1, hidden_sizes=(32, 16), dropout_rate=0.5)  # 705 parameters
SETTINGS = {"num_steps": 1, "minibatch_size": 2}
BATCH = Batch(jnp.asarray(np.random.default_rng(0).standard_normal((12, 3)), jnp.float32), jnp.zeros(12), jnp.ones(12))
FACTORIES = {
    "deep_ensemble": lambda *args: deep_ensemble(*args, num_members=3, **SETTINGS),
    "last_layer_ensemble": lambda *args: last_layer_ensemble(*args, num_members=3, **SETTINGS),
    "mc_dropout": lambda *args: mc_dropout(*args, **SETTINGS),
}


def mlp(params, inputs):
    hidden = jnp.tanh(inputs @ params["first"] + params["bias"][None])
    return hidden @ params["second"]


sketch = jax.jit(gradient_features, static_argnums=1, static_argnames="num_features")


def problem(num_outputs):
    shapes = {"first": (3, 8), "bias": (8,), "second": (8, num_outputs), "inputs": (20, 3)}
    random = np.random.default_rng(0)
    params = {name: jnp.asarray(random.standard_normal(shape), jnp.float32) for name, shape in shapes.items()}
    return params, params.pop("inputs")


def tangent_kernel(params, inputs):
    jacobian = jax.jit(jax.jacrev(mlp))(params, inputs)
    parts = [np.asarray(leaf, np.float64).reshape(*leaf.shape[:2], -1) for leaf in jacobian.values()]
    return sum(np.einsum("ncp,mcp->nm", part, part) for part in parts)


def test_as_many_features_as_parameters_are_exact(rng_key):
    params, inputs = problem(1)
    num_params = sum(leaf.size for leaf in params.values())
    for num_features in (num_params, num_params + 7):
        features = np.array(sketch(rng_key, mlp, params, inputs, num_features=num_features))
        assert features.shape == (20, num_features)
        np.testing.assert_allclose(features @ features.T, tangent_kernel(params, inputs), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("num_outputs", [1, 3])
def test_the_mean_over_keys_is_the_tangent_kernel(num_outputs, rng_key):
    params, inputs = problem(num_outputs)

    def gram(key):
        features = gradient_features(key, mlp, params, inputs, num_features=16)
        return features @ features.T

    grams = np.asarray(jax.jit(jax.vmap(gram))(jax.random.split(rng_key, 400)), np.float64)
    errors = (grams.mean(axis=0) - tangent_kernel(params, inputs)) / (grams.std(axis=0) / 20)
    assert np.abs(errors).max() < 4.5
    assert 0.7 < errors.std() < 1.4


def test_outputs_without_an_axis_are_one_output_and_pieces_make_the_whole(rng_key):
    params, inputs = problem(1)
    whole = sketch(rng_key, mlp, params, inputs, num_features=16)
    flat = sketch(rng_key, lambda *args: mlp(*args)[:, 0], params, inputs, num_features=16)
    parts = [sketch(rng_key, mlp, params, piece, num_features=16) for piece in np.split(np.array(inputs), 2)]
    np.testing.assert_allclose(flat, whole, rtol=1e-6)
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-5, atol=1e-5)


def test_a_sketch_of_no_features_is_refused(rng_key):
    with pytest.raises(ValueError, match="num_features"):
        gradient_features(rng_key, mlp, *problem(1), num_features=0)


@pytest.mark.parametrize("name", FACTORIES)
def test_the_gradients_of_posteriors_have_the_tangent_kernel_of_all_their_members(name, rng_key):
    posterior = FACTORIES[name](NETWORK, likelihoods.gaussian(), optax.sgd(0.1))
    batch = BATCH
    state = jax.jit(posterior.init)(rng_key, batch)
    features = np.array(jax.jit(posterior.features["gradient"])(state, batch.inputs))

    def outputs(params, number):
        variables = networks.Variables(params)
        if name == "last_layer_ensemble":
            body, members = params
            own = jax.tree.map(lambda leaf: leaf[number], members)
            variables = networks.Variables({**body, "last": own["last"]})
        elif name == "deep_ensemble":
            variables = jax.tree.map(lambda leaf: leaf[number], variables)
        return networks.deterministic_outputs(NETWORK, variables, batch.inputs)[:, 0]

    kernel = np.zeros((12, 12))
    jacobian_of = jax.jit(jax.jacrev(outputs))
    for number in range(1 if name == "mc_dropout" else 3):
        jacobian = jacobian_of(state.variables.params, number)
        rows = np.concatenate([np.reshape(leaf, (12, -1)) for leaf in jax.tree.leaves(jacobian)], axis=1)
        kernel += rows.astype(np.float64) @ rows.T
    # The error of a sketch of 512 numbers is about 1/sqrt(512) of the trace of the kernel, here over entries.
    error = np.linalg.norm(features @ features.T - kernel) / np.linalg.norm(kernel)
    assert error < 0.15


def test_the_sketch_is_the_same_for_all_inputs_and_differs_between_members(rng_key):
    posterior = FACTORIES["deep_ensemble"](NETWORK, likelihoods.gaussian(), optax.sgd(0.1))
    state = jax.tree.map(np.array, jax.jit(posterior.init)(rng_key, BATCH))
    same = jax.tree.map(lambda leaf: np.repeat(leaf[:1], 3, axis=0), state)
    gradient = jax.jit(posterior.features["gradient"])
    inputs = np.array(BATCH.inputs)
    features = np.array(gradient(same, inputs))
    reverse = np.array(gradient(same, inputs[::-1].copy()))
    np.testing.assert_allclose(reverse[::-1], features, rtol=1e-5, atol=1e-6)
    # Three times the same sketch would have nine times the kernel of one member, not three times.
    one = FACTORIES["mc_dropout"](NETWORK, likelihoods.gaussian(), optax.sgd(0.1)).features["gradient"]
    alone = np.array(jax.jit(one)(jax.tree.map(lambda leaf: leaf[0], same), inputs))
    ratio = np.square(features).sum() / np.square(alone).sum()
    assert 2.5 < ratio < 3.5


def test_large_networks_have_fewer_full_gradients_at_a_time(rng_key):
    size = 2**23 + 1
    jaxpr = jax.make_jaxpr(
        lambda params, inputs: gradient_features(rng_key, lambda w, x: x @ w, params, inputs, num_features=4)
    )(jax.ShapeDtypeStruct((size,), jnp.float32), jax.ShapeDtypeStruct((3, size), jnp.float32))
    (loop,) = [equation for equation in jaxpr.eqns if equation.primitive.name == "scan"]
    assert loop.params["length"] == 3
