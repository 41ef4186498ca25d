"""Sums over points do not depend on chunks and devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.accumulation import accumulate

POINTS = {"inputs": np.arange(11.0, dtype=np.float32), "labels": np.arange(11) % 3}
WEIGHTS = jnp.array([1.0, 2, 0, 1, 1, 3, 1, 0, 1, 1, 5])


def moments(points, weights):
    # A point of weight 0 may hold anything.
    values = jnp.where(weights > 0, points["inputs"], 0.0)
    kept = {"values": points["inputs"] ** 2, "labels": points["labels"], "weights": weights}
    return {"weight": weights.sum(), "first": (weights * values).sum()}, kept


def expected():
    sums = {"weight": WEIGHTS.sum(), "first": (WEIGHTS * POINTS["inputs"]).sum()}
    return sums, {"values": POINTS["inputs"] ** 2, "labels": POINTS["labels"], "weights": WEIGHTS}


def assert_trees_equal(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), a, b)


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 4, 7, 10, 11, 100, None])
def test_every_point_counts_once_whatever_the_chunk(chunk_size):
    assert_trees_equal(accumulate(moments, POINTS, WEIGHTS, chunk_size=chunk_size), expected())


@pytest.mark.parametrize("num_devices", [2, 4])
@pytest.mark.parametrize("chunk_size", [1, 2, None])
def test_devices_add_up_their_own_points(num_devices, chunk_size):
    mesh = jax.make_mesh((num_devices,), ("pool",), devices=jax.devices()[:num_devices])
    assert_trees_equal(accumulate(moments, POINTS, WEIGHTS, chunk_size=chunk_size, mesh=mesh), expected())


def test_the_chunk_follows_from_the_memory_budget():
    sizes = []

    def fn(points, weights):
        sizes.append(weights.shape[0])
        return weights.sum(), ()

    accumulate(fn, POINTS, WEIGHTS, memory_budget=32)  # a float32 is the largest array a point
    assert sizes[-1] <= 32 // 4
    assert accumulate(fn, POINTS, WEIGHTS, memory_budget=32)[0] == WEIGHTS.sum()


def test_nothing_to_add_and_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="at least one point"):
        accumulate(moments, {"inputs": jnp.zeros(0), "labels": jnp.zeros(0)}, jnp.zeros(0))
    with pytest.raises(ValueError, match="chunk_size"):
        accumulate(moments, POINTS, WEIGHTS, chunk_size=0)
    with pytest.raises(ValueError, match="one length"):
        accumulate(moments, POINTS, WEIGHTS[:5])


def test_predictions_of_all_points_never_exist_whole():
    num_points, width = 200_000, 1000
    kernel = jnp.ones((3, width))

    def fn(inputs, weights):
        return (weights[:, None] * (inputs @ kernel)).sum(axis=0), ()

    program = jax.jit(lambda inputs: accumulate(fn, inputs, jnp.ones(num_points), memory_budget=2**22)[0])
    memory = program.lower(jnp.zeros((num_points, 3))).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 2**25 < num_points * width * 4
