"""How many points share the memory of a device."""

import jax
import jax.numpy as jnp
import pytest

from bal import memory
from bal.memory import bytes_a_point, bytes_of, chunk_bytes, noted_passes, points_a_chunk


def test_the_chunk_follows_from_the_largest_array_that_grows_with_the_points():
    weights = jnp.ones((3, 1000))
    assert bytes_a_point(lambda x: (x @ weights).sum(axis=1), jnp.ones((5, 3))) == 4000
    # Arrays of the size of the parameters do not count, however large, nor does what is inside a loop over draws.
    draws = jnp.ones((7, 3, 50))
    grown = bytes_a_point(lambda x: jax.lax.map(lambda w: (x @ w).sum(axis=1), draws).sum(axis=0), jnp.ones((5, 3)))
    assert grown == 200


def test_chunks_on_a_cpu_do_not_depend_on_the_machine():
    assert chunk_bytes() == 2**24
    assert chunk_bytes(2**40) == 2**24
    assert chunk_bytes(2**20) == 2**15


@pytest.mark.parametrize(("stats", "expected"), [({"bytes_limit": 2**36}, 2**31), ({}, 2**28), (None, 2**28)])
def test_chunks_on_an_accelerator_follow_from_its_memory(monkeypatch, stats, expected):
    class Device:
        platform = "gpu"

        def memory_stats(self):
            return stats

    monkeypatch.setattr(memory.jax, "devices", lambda: [Device()])
    monkeypatch.setattr(memory.jax, "default_backend", lambda: "gpu")
    assert chunk_bytes() == expected
    assert chunk_bytes(2**30) == 2**25


def test_passes_are_noted_while_they_are_traced():
    twice = lambda x: 2 * x
    inputs = jnp.zeros((10, 3))
    with noted_passes() as passes:
        assert points_a_chunk(twice, inputs, chunk_size=None, memory_budget=48) == 4
        assert points_a_chunk(twice, inputs, chunk_size=100, memory_budget=None) == 100
    points_a_chunk(twice, inputs, chunk_size=None, memory_budget=48)
    assert passes == [(10, 4, 12), (10, 10, 12)]


@pytest.mark.parametrize(("budget", "size", "counts"), [(120, 10, [64]), (119, 9, [64, 128])])
def test_where_all_points_fit_one_trace_tells(budget, size, counts):
    traced = []

    def twice(x):
        traced.append(len(x))
        return 2 * x

    assert points_a_chunk(twice, jnp.zeros((10, 3)), chunk_size=None, memory_budget=budget) == size
    assert traced == counts


def test_bytes_are_those_of_the_arrays():
    assert bytes_of({"a": jnp.zeros((3, 2)), "b": jax.ShapeDtypeStruct((5,), jnp.int8), "c": None}) == 29
