"""The sketch of full gradients against the tangent kernel."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.posteriors import gradient_features


def mlp(params, inputs):
    hidden = jnp.tanh(inputs @ params["first"] + params["bias"][None])
    return hidden @ params["second"]


def problem(rng_key, num_outputs):
    keys = jax.random.split(rng_key, 4)
    params = {
        "first": jax.random.normal(keys[0], (3, 8)),
        "bias": jax.random.normal(keys[1], (8,)),
        "second": jax.random.normal(keys[2], (8, num_outputs)),
    }
    return params, jax.random.normal(keys[3], (20, 3))


def tangent_kernel(params, inputs):
    jacobian = jax.jacrev(lambda params: mlp(params, inputs))(params)
    parts = [np.asarray(leaf, np.float64).reshape(*leaf.shape[:2], -1) for leaf in jacobian.values()]
    return sum(np.einsum("ncp,mcp->nm", part, part) for part in parts)


def test_as_many_features_as_parameters_are_exact(rng_key):
    params, inputs = problem(rng_key, 1)
    num_params = sum(leaf.size for leaf in params.values())
    for num_features in (num_params, num_params + 7):
        features = gradient_features(rng_key, mlp, params, inputs, num_features=num_features)
        assert features.shape == (20, num_features)
        np.testing.assert_allclose(features @ features.T, tangent_kernel(params, inputs), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("num_outputs", [1, 3])
def test_the_mean_over_keys_is_the_tangent_kernel(num_outputs, rng_key):
    params, inputs = problem(rng_key, num_outputs)

    def gram(key):
        features = gradient_features(key, mlp, params, inputs, num_features=16)
        return features @ features.T

    grams = np.asarray(jax.jit(jax.vmap(gram))(jax.random.split(rng_key, 400)), np.float64)
    errors = (grams.mean(axis=0) - tangent_kernel(params, inputs)) / (grams.std(axis=0) / 20)
    assert np.abs(errors).max() < 4.5
    assert 0.7 < errors.std() < 1.4


def test_outputs_without_an_axis_are_one_output_and_pieces_make_the_whole(rng_key):
    params, inputs = problem(rng_key, 1)
    whole = gradient_features(rng_key, mlp, params, inputs, num_features=16)
    flat = gradient_features(rng_key, lambda *args: mlp(*args)[:, 0], params, inputs, num_features=16)
    parts = [gradient_features(rng_key, mlp, params, inputs[i : i + 7], num_features=16) for i in range(0, 20, 7)]
    np.testing.assert_allclose(flat, whole, rtol=1e-6)
    np.testing.assert_allclose(jnp.concatenate(parts), whole, rtol=1e-5, atol=1e-5)


def test_a_sketch_of_no_features_is_refused(rng_key):
    with pytest.raises(ValueError, match="num_features"):
        gradient_features(rng_key, mlp, *problem(rng_key, 1), num_features=0)
