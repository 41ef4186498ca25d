"""The worst moment of small computations, by hand."""

import jax
import jax.numpy as jnp
import pytest

from bal.planning._liveness import worst_moment

N = 100
X = jax.ShapeDtypeStruct((N, N), jnp.float32)
SIZE = 4 * N * N


def held(fn, *arguments):
    return worst_moment(jax.make_jaxpr(fn)(*arguments).jaxpr).bytes


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (lambda x: x @ x, SIZE),
        # Element-wise results exist where a product needs them, and not where a sum does.
        (lambda x: jnp.exp(x) @ x, 2 * SIZE),
        (lambda x: jnp.exp(x).sum(), 4),
        (lambda x: (x[:, None] * x[None]).sum(), 4),
        # One product is freed once the next one is there.
        (lambda x: x @ x @ x @ x, 2 * SIZE),
        (lambda x: (x @ x) @ (x.T @ x), 3 * SIZE),
        # What nobody uses is not computed.
        (lambda x: (x @ x, x.sum())[1], 4),
        # A call is what it calls.
        (lambda x: jax.jit(jnp.exp)(x).sum(), 4),
    ],
)
def test_arrays_count_while_they_are_needed(fn, expected):
    assert held(fn, X) == expected


def test_a_loop_holds_its_results_and_one_turn():
    turns = jax.ShapeDtypeStruct((7, N, N), jnp.float32)
    # The slice, the product, and the stacked sums.
    assert held(lambda xs: jax.lax.map(lambda x: (x @ x).sum(), xs), turns) == 2 * SIZE + 7 * 4
    carried = held(lambda x: jax.lax.fori_loop(0, 7, lambda _, y: y @ y, x @ x), X)
    assert 0 <= carried - 2 * SIZE < 16  # the carry and the product, and the number of the turn


def test_the_dearer_branch_counts():
    assert held(lambda x: jax.lax.cond(x[0, 0] > 0, lambda: x.sum(), lambda: (x @ x).sum()), X) >= SIZE
