"""The first points of an order, found by counting, are those of the sorted order, ties and special values included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params

from bal.selection import top_k
from bal.selection._selection import LARGE, _by_counting, first_in_order, random_order

SPECIAL = [0.0, -0.0, 1.0, 2.0, -np.inf, np.inf, 0.5, -3.0, 1e-30, -1e30]


@jax.jit(static_argnames="count")
def both(rng_key, *sort_keys, count):
    return _by_counting(rng_key, *sort_keys, count=count), random_order(rng_key, *sort_keys)[:count]


def sorts(jaxpr):
    """All sorts of a program."""
    inner = (sorts(sub) for equation in jaxpr.eqns for sub in jaxprs_in_params(equation.params))
    return [equation for equation in jaxpr.eqns if equation.primitive.name == "sort"] + sum(inner, [])


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("count", [1, 20, 300])
def test_counting_gives_the_order_of_a_sort(dtype, count):
    rng = np.random.default_rng(0)
    draws = [rng.choice(SPECIAL, 300), rng.normal(size=300), np.zeros(300)]
    for number, scores in enumerate(draws):
        for share in (0.02, 0.5):
            keys = rng.uniform(size=300) < share, jnp.asarray(scores, dtype)
            ours, sorted_order = both(jax.random.key(number), *keys, count=count)
            np.testing.assert_array_equal(ours, sorted_order)


def test_integer_keys_are_in_the_order_of_their_values():
    groups = jnp.asarray(np.random.default_rng(1).integers(0, 4, 300), jnp.int32)
    np.testing.assert_array_equal(*both(jax.random.key(0), groups, jnp.linspace(1, -1, 300), count=100))


def test_a_large_pool_is_not_sorted_and_gives_the_same_choice(rng_key):
    scores = np.random.default_rng(2).choice(np.linspace(-1, 1, 50), LARGE).astype(np.float32)
    scores[:3] = np.nan
    available = jnp.arange(LARGE) % 7 != 0
    chosen = top_k(rng_key, jnp.asarray(scores), available, batch_size=40)
    excluded = ~available | np.isnan(scores)
    expected = random_order(rng_key, excluded, jnp.where(excluded, 0.0, -scores))[:40]
    np.testing.assert_array_equal(chosen.indices, expected)
    assert int(chosen.num_invalid) == 2
    program = jax.make_jaxpr(lambda key: first_in_order(key, jnp.asarray(scores), count=40))(rng_key)
    assert {equation.outvars[0].aval.shape for equation in sorts(program.jaxpr)} == {(40,)}
