"""Factorisations: those of NumPy and SciPy, their derivatives, and no LAPACK call of several matrices."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.linalg

import bal
from bal import factorisation

SIZE = 12


@pytest.fixture(scope="module")
def matrices():
    rows = np.random.default_rng(0).normal(size=(3, 30, SIZE)).astype(np.float32)
    matrices = np.einsum("sni,snj->sij", rows, rows) + np.eye(SIZE, dtype=np.float32)
    return jnp.asarray(rows), jnp.asarray(matrices), jnp.asarray(rows[:, :SIZE, :2])


def _r(rows):
    """Rows of R with a positive diagonal: the signs are arbitrary."""
    factor = factorisation.upper_factor(rows)
    return factor * jnp.sign(jnp.diagonal(factor))[:, None]


CASES = {
    "cholesky": (factorisation.cholesky, lambda rows, a, b: (a,), lambda a: np.linalg.cholesky(a)),
    "eigh": (lambda a: factorisation.eigh(a)[0], lambda rows, a, b: (a,), lambda a: np.linalg.eigvalsh(a)),
    "upper_factor": (_r, lambda rows, a, b: (rows,), lambda rows: np.linalg.cholesky(rows.T @ rows).T),
    "lower": (
        lambda a, b: factorisation.solve_triangular(a, b, lower=True),
        lambda rows, a, b: (a, b),
        lambda a, b: scipy.linalg.solve_triangular(a, b, lower=True),
    ),
    "upper, transposed, of a vector": (
        lambda a, b: factorisation.solve_triangular(a, b, lower=False, transposed=True),
        lambda rows, a, b: (a, b[..., 0]),
        lambda a, b: scipy.linalg.solve_triangular(a, b, lower=False, trans="T"),
    ),
    "cho_solve": (
        lambda a, b: factorisation.cho_solve(factorisation.cholesky(a), b),
        lambda rows, a, b: (a, b),
        lambda a, b: np.linalg.solve(a, b),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_matrix_of_a_vmap_has_the_result_that_it_has_alone(matrices, name):
    fn, arguments, oracle = CASES[name]
    given = arguments(*matrices)
    found = jax.vmap(fn)(*given)
    for number in range(3):
        alone = [each[number] for each in given]
        assert np.array_equal(found[number], fn(*alone))
        np.testing.assert_allclose(
            found[number], oracle(*(np.asarray(each, np.float64) for each in alone)), rtol=2e-3, atol=1e-4
        )


@pytest.mark.parametrize("name", CASES)
def test_derivatives_are_those_of_finite_differences(matrices, name):
    fn, arguments, _ = CASES[name]
    given = [each[0] for each in arguments(*matrices)]
    direction = jnp.asarray(np.random.default_rng(1).normal(size=given[0].shape), jnp.float32)
    if name in ("cholesky", "eigh", "cho_solve"):
        direction = direction + direction.T  # these read one triangle of a symmetric matrix

    def along(step):
        return jnp.sin(fn(given[0] + step * direction, *given[1:])).sum()

    expected = (along(0.02) - along(-0.02)) / 0.04
    np.testing.assert_allclose(jax.grad(along)(0.0), expected, rtol=0.02, atol=0.01)
    np.testing.assert_allclose(
        jax.vmap(jax.grad(along))(jnp.zeros(2)), [jax.grad(along)(0.0)] * 2, rtol=1e-4, atol=1e-5
    )


def _batched_calls(fn, *arguments) -> list[str]:
    """LAPACK calls of several matrices in the program for a CPU."""
    text = jax.jit(fn).lower(*arguments).as_text()
    calls = re.findall(r"custom_call @(lapack_\w+).*? : \(tensor<([\dx]+)xf32>", text)
    assert calls, "expected a program with LAPACK calls"
    return [name for name, shape in calls if len(shape.split("x")) > 2]


def test_what_jax_makes_of_a_vmap_is_one_call_of_several_matrices(matrices):
    """The reason for the room: where this fails, JAX no longer does what could stop a program."""
    assert _batched_calls(jax.vmap(jnp.linalg.cholesky), matrices[1])
    assert not _batched_calls(jax.vmap(factorisation.cholesky), matrices[1])
    nested = jax.vmap(jax.vmap(factorisation.cholesky))
    assert not _batched_calls(nested, jnp.broadcast_to(matrices[1], (2, *matrices[1].shape)))


LINEAR = bal.networks.mlp(num_outputs=1, hidden_sizes=(8,))
GAUSSIAN = bal.likelihoods.gaussian()
TRAINING = {"num_steps": 2, "minibatch_size": 4}
POSTERIORS = {
    "bayesian_linear": lambda: bal.posteriors.bayesian_linear(noise=0.5),
    "gaussian_process": lambda: bal.posteriors.gaussian_process(optimizer=optax.adam(1e-2), num_steps=2),
    "laplace": lambda: bal.posteriors.laplace(LINEAR, GAUSSIAN, optax.adam(1e-2), **TRAINING),
    "sngp": lambda: bal.posteriors.sngp(LINEAR, GAUSSIAN, optax.adam(1e-2), num_features=16, **TRAINING),
}


@pytest.mark.parametrize("name", POSTERIORS)
def test_a_step_of_several_seeds_has_no_lapack_call_of_several_matrices(rng_key, name):
    inputs = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    labels = inputs.sum(axis=1)
    dataset = bal.datasets.from_arrays(inputs[:20], labels[:20], inputs[20:], labels[20:])
    rule = bal.strategies.bait(batch_size=2)
    learner = bal.build(POSTERIORS[name](), rule, num_samples=8, num_initial=4, num_rounds=1)
    keys = jax.random.split(rng_key, 3)
    states = jax.eval_shape(jax.vmap(learner.init, in_axes=(0, None)), keys, dataset)
    assert not _batched_calls(jax.vmap(learner.step, in_axes=(0, 0, None)), keys, states, dataset)
