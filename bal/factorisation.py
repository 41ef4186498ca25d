"""Factorisations of matrices, and solutions with them, of which a CPU runs one at a time.

Under ``vmap`` JAX makes one LAPACK call of many, which divides them over XLA's threads and waits for them in one of
these threads. Two such calls at once, of the model and of its evaluation for example, take both threads of a machine of
two cores, and wait forever (seen in JAX 0.10.2). So on a CPU a ``vmap`` of these functions is a loop, which is not
slower: OpenBLAS has threads of its own.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def _plain_eigh(matrix: Array) -> tuple[Array, Array]:
    return tuple(jnp.linalg.eigh(matrix))


def _plain_upper_factor(rows: Array) -> Array:
    return jnp.linalg.qr(rows, mode="r")


def _one_at_a_time(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A function of matrices whose calls under ``vmap`` follow one another on a CPU."""
    call = jax.custom_batching.custom_vmap(fn)

    @call.def_vmap
    def rule(axis_size: int, is_batched: list[bool], *matrices: Array) -> tuple[Any, Any]:
        axes = [0 if batched else None for batched in is_batched]

        def in_a_loop(*matrices: Array) -> Any:
            def of_one(index: Array) -> Any:
                # Another vmap, around the loop, meets the same rule.
                return call(*(each if axis is None else each[index] for each, axis in zip(matrices, axes, strict=True)))

            return jax.lax.map(of_one, jnp.arange(axis_size))

        results = jax.lax.platform_dependent(*matrices, cpu=in_a_loop, default=jax.vmap(fn, in_axes=axes))
        return results, jax.tree.map(lambda _: True, results)

    return call


_eigh = _one_at_a_time(_plain_eigh)
_upper_factor = _one_at_a_time(_plain_upper_factor)
_cholesky = _one_at_a_time(lambda matrix: jnp.linalg.cholesky(matrix, symmetrize_input=False))


def _solver(lower: bool, transposed: bool) -> Callable[[Array, Array], Array]:
    def solve(factor: Array, b: Array) -> Array:
        return jax.scipy.linalg.solve_triangular(factor, b, lower=lower, trans=int(transposed))

    return _one_at_a_time(solve)


_SOLVES = {(lower, transposed): _solver(lower, transposed) for lower in (False, True) for transposed in (False, True)}


@jax.custom_jvp
def cholesky(matrix: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """The lower triangular L with L L' = A, for a symmetric positive definite A; NaN for others.

    Example:
      >>> cholesky(jnp.array([[4.0, 0.0], [0.0, 9.0]])).tolist()
      [[2.0, 0.0], [0.0, 3.0]]
    """
    return _cholesky(0.5 * (matrix + matrix.T))


@cholesky.defjvp
def _cholesky_jvp(primals, tangents):
    """Murray 2016, Differentiation of the Cholesky decomposition, arXiv:1602.07527."""
    factor, tangent = cholesky(*primals), 0.5 * (tangents[0] + tangents[0].T)
    whitened = solve_triangular(factor, solve_triangular(factor, tangent, lower=True).T, lower=True)
    half = jnp.tril(whitened) - 0.5 * jnp.diag(jnp.diagonal(whitened))
    return factor, factor @ half


def solve_triangular(
    factor: Float[Array, "n n"], b: Float[Array, "n *m"], *, lower: bool, transposed: bool = False
) -> Float[Array, "n *m"]:
    """X with T X = B, or T' X = B if transposed, for a triangular T.

    Example:
      >>> solve_triangular(jnp.array([[2.0, 0.0], [1.0, 1.0]]), jnp.array([2.0, 3.0]), lower=True).tolist()
      [1.0, 2.0]
    """
    triangle = jnp.tril(factor) if lower else jnp.triu(factor)
    return jax.lax.custom_linear_solve(
        lambda x: (triangle.T if transposed else triangle) @ x,
        b,
        solve=lambda _, b: _SOLVES[lower, transposed](factor, b),
        transpose_solve=lambda _, b: _SOLVES[lower, not transposed](factor, b),
    )


def cho_solve(factor: Float[Array, "n n"], b: Float[Array, "n *m"]) -> Float[Array, "n *m"]:
    """X with L L' X = B, for the factor L of :func:`cholesky`.

    Example:
      >>> cho_solve(jnp.array([[2.0, 0.0], [0.0, 3.0]]), jnp.array([4.0, 18.0])).tolist()
      [1.0, 2.0]
    """
    return solve_triangular(factor, solve_triangular(factor, b, lower=True), lower=True, transposed=True)


@jax.custom_jvp
def eigh(matrix: Float[Array, "n n"]) -> tuple[Float[Array, " n"], Float[Array, "n n"]]:
    """Eigenvalues of a symmetric matrix in increasing order, and its eigenvectors as columns.

    Example:
      >>> eigh(jnp.array([[3.0, 0.0], [0.0, 2.0]]))[0].tolist()
      [2.0, 3.0]
    """
    return _eigh(matrix)


# A vmap has no transpose, so the derivatives of these two are JAX's.
@eigh.defjvp
def _eigh_jvp(primals, tangents):
    return jax.jvp(_plain_eigh, primals, tangents)


@jax.custom_jvp
def upper_factor(rows: Float[Array, "m n"]) -> Float[Array, "k n"]:
    """R of the factorisation X = Q R with orthonormal columns in Q, so that R' R = X' X.

    Example:
      >>> abs(upper_factor(jnp.array([[3.0], [4.0]]))).tolist()
      [[5.0]]
    """
    return _upper_factor(rows)


@upper_factor.defjvp
def _upper_factor_jvp(primals, tangents):
    return jax.jvp(_plain_upper_factor, primals, tangents)
