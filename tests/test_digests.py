"""Digests of programs and values: equal for equals, other for everything that decides a result."""

import jax
import jax.numpy as jnp
import numpy as np

from bal.digests import digest_of_program, digest_of_values, program_text


def program(scale, weights):
    # A function with a rule of its own is printed with its address; a program within holds the weights.
    inner = jax.jit(lambda x: jax.nn.relu(scale * x) @ weights)
    return jax.make_jaxpr(lambda x: jax.lax.map(inner, x))(jnp.ones((2, 3)))


def test_a_program_is_its_text_and_its_arrays():
    weights = np.arange(3.0, dtype=np.float32)
    first = program(2.0, weights)
    assert digest_of_program(first) == digest_of_program(program(2.0, weights.copy()))
    assert "0x" not in program_text(first)
    for other in (program(3.0, weights), program(2.0, weights + 1)):
        assert digest_of_program(first) != digest_of_program(other)
    assert program_text(first) == program_text(program(2.0, weights + 1))


def test_values_differ_in_numbers_dtype_shape_and_key():
    key = jax.random.key(0)
    trees = [
        {"a": np.zeros(4, np.float32), "key": key},
        {"a": np.zeros(4, np.int32), "key": key},
        {"a": np.zeros((2, 2), np.float32), "key": key},
        {"a": np.ones(4, np.float32), "key": key},
        {"a": np.zeros(4, np.float32), "key": jax.random.key(1)},
        "text",
        "texts",
    ]
    digests = [digest_of_values(tree) for tree in trees]
    assert len(set(digests)) == len(trees)
    assert digest_of_values({"a": jnp.zeros(4), "key": jax.random.key(0)}) == digests[0]
    # What is traced has a shape and no values.
    traced = []
    for value in (0.0, 1.0):
        jax.make_jaxpr(lambda x: traced.append(digest_of_values(x)))(value)
    assert traced[0] == traced[1]
