"""Streaming: the same result whatever the chunk, and nothing of the size of the pool on the way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.memory import CPU_CHUNK_BYTES
from bal.streaming import map_chunks, stream


@pytest.mark.parametrize("chunk_size", [1, 3, 4, 10, 11, 100, None])
def test_chunks_of_any_size_give_the_whole(chunk_size):
    inputs = jnp.arange(22.0).reshape(11, 2)
    result = stream(lambda x: {"sum": x.sum(axis=1), "twice": 2 * x}, inputs, chunk_size=chunk_size)
    np.testing.assert_array_equal(result["sum"], inputs.sum(axis=1))
    np.testing.assert_array_equal(result["twice"], 2 * inputs)


@pytest.mark.parametrize("chunk_size", [1, 4, 5, 11, 12])
def test_points_may_lie_along_any_axis(chunk_size):
    predictions = jnp.arange(66.0).reshape(3, 11, 2)
    sizes = []

    def total(chunk):
        sizes.append(chunk.shape[1])
        return chunk.sum(axis=(0, 2))

    np.testing.assert_array_equal(map_chunks(total, predictions, chunk_size, axis=1), predictions.sum(axis=(0, 2)))
    assert max(sizes) <= chunk_size


def test_no_array_of_the_whole_pool_times_the_width_is_made():
    num_points, width = 200_000, 1000
    weights = jnp.ones((3, width))
    fn = jax.jit(lambda x: stream(lambda chunk: (chunk @ weights).sum(axis=1), x))
    memory = fn.lower(jnp.zeros((num_points, 3))).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 4 * CPU_CHUNK_BYTES < num_points * width * 4


def test_a_chunk_below_one_is_refused():
    with pytest.raises(ValueError, match="chunk_size"):
        stream(lambda x: x, jnp.zeros(3), chunk_size=0)


def test_points_are_divided_over_devices(rng_key):
    mesh = jax.make_mesh((jax.device_count(),), ("pool",))
    inputs = jax.random.normal(rng_key, (10, 3))
    kernel = jax.random.normal(rng_key, (3, 2))
    fn = lambda kernel, x: stream(lambda chunk: (chunk @ kernel, chunk.sum(axis=1)), x, mesh=mesh)
    result, scores = jax.jit(fn)(kernel, inputs)
    np.testing.assert_allclose(result, inputs @ kernel, rtol=1e-6)
    np.testing.assert_allclose(scores, inputs.sum(axis=1), rtol=1e-6)
    # A rule looks at all scores again and again, so each device has all of them.
    assert scores.sharding.is_fully_replicated
    assert len(scores.devices()) == 8
