"""Kernels and transforms against dense matrices in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from bal.selection import (
    LINEAR,
    OUTER,
    condition,
    covariance_kernel,
    ensemble_features,
    gradient_factors,
    matrix_kernel,
    max_dist,
)
from bal.selection._checks import check_labelled, check_rows


def dense(kernel, points, num_points):
    columns = np.asarray(kernel.columns(points, points))
    assert columns.shape == (num_points, num_points)
    return columns


def distances(kernel, points, num_points):
    """One centre at a time, and all at once, which must agree."""
    alone = [
        kernel.squared_distances(points, jax.tree.map(lambda leaf, i=i: leaf[i : i + 1], points))[:, 0]
        for i in range(num_points)
    ]
    rounding = 1e-6 * float(kernel.diagonal(points).max())
    np.testing.assert_allclose(kernel.squared_distances(points, points), np.stack(alone, axis=1), atol=rounding)
    return np.stack(alone)


@pytest.fixture
def factors(rng_key):
    key_left, key_right = jax.random.split(rng_key)
    return jax.random.normal(key_left, (7, 3)), jax.random.normal(key_right, (7, 5))


def outer_features(factors):
    left, right = (np.asarray(leaf, np.float64) for leaf in factors)
    return np.einsum("nc,nd->ncd", left, right).reshape(left.shape[0], -1)


def test_the_linear_and_the_factored_kernel_equal_their_dense_features(factors):
    for kernel, points, features in (
        (LINEAR, factors[1], np.asarray(factors[1], np.float64)),
        (OUTER, factors, outer_features(factors)),
    ):
        differences = features[:, None] - features[None]
        np.testing.assert_allclose(dense(kernel, points, 7), features @ features.T, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(kernel.diagonal(points), (features**2).sum(axis=1), rtol=1e-5)
        np.testing.assert_allclose(distances(kernel, points, 7), (differences**2).sum(axis=-1), rtol=1e-4, atol=1e-5)


def test_duplicates_are_at_a_distance_of_exactly_zero(factors):
    twice = jax.tree.map(lambda leaf: 100 + jnp.concatenate([leaf, leaf]), factors)
    covariance = covariance_kernel(lambda a, b: jnp.exp(-jnp.square(a[:, None] - b[None]).sum(axis=-1)))
    for kernel, points in ((LINEAR, twice[1]), (OUTER, twice), (covariance, twice[0])):
        np.testing.assert_array_equal(np.diag(distances(kernel, points, 14)[:7, 7:]), 0.0)
        assert (distances(kernel, points, 14)[:7, :7] > 0).sum() == 42


def test_no_program_of_the_factored_kernel_holds_the_features(factors):
    point = jax.tree.map(lambda leaf: leaf[:1], factors)
    for function, args in ((OUTER.diagonal, (factors,)), (OUTER.columns, (factors, point))):
        sizes = [value.aval.size for eqn in jax.make_jaxpr(function)(*args).eqns for value in eqn.outvars]
        assert max(sizes, default=0) <= 7 * 5
    program = jax.make_jaxpr(OUTER.squared_distances)(factors, point)
    assert max(value.aval.size for eqn in program.eqns for value in eqn.outvars) <= 7 * 5


def test_gradient_factors_are_the_gradient_of_the_loss_by_the_last_layer(rng_key):
    key_hidden, key_weights = jax.random.split(rng_key)
    hidden, weights = jax.random.normal(key_hidden, (6, 5)), jax.random.normal(key_weights, (3, 5))
    log_probs = jax.nn.log_softmax(hidden @ weights.T)

    def loss(weights, inputs, label):
        return -jax.nn.log_softmax(weights @ inputs)[label]

    expected = jax.vmap(jax.grad(loss), (None, 0, 0))(weights, hidden, log_probs.argmax(axis=1))
    factors = gradient_factors(log_probs, hidden)
    np.testing.assert_allclose(outer_features(factors).reshape(6, 3, 5), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(OUTER.diagonal(factors), jnp.square(expected).sum(axis=(1, 2)), rtol=1e-5)


def test_conditioned_features_are_the_posterior_of_bayesian_linear_regression(rng_key):
    features, labelled = jnp.split(jax.random.normal(rng_key, (9, 4)), [6])
    weights = jnp.array([1.0, 0.0, 2.0])
    posterior = condition(features, labelled, noise=0.3, labelled_weights=weights)
    phi, rows = np.asarray(features, np.float64), np.asarray(labelled, np.float64)
    precision = np.eye(4) + rows.T @ np.diag(weights) @ rows / 0.3
    np.testing.assert_allclose(posterior @ posterior.T, phi @ np.linalg.inv(precision) @ phi.T, rtol=1e-4, atol=1e-5)


def test_conditioned_features_agree_with_the_formula_of_a_gaussian_process(rng_key):
    features, labelled = jnp.split(jax.random.normal(rng_key, (9, 4)), [6])
    posterior = condition(features, labelled, noise=0.3)
    phi, rows = np.asarray(features, np.float64), np.asarray(labelled, np.float64)
    gram = rows @ rows.T + 0.3 * np.eye(3)
    expected = phi @ phi.T - phi @ rows.T @ np.linalg.inv(gram) @ rows @ phi.T
    np.testing.assert_allclose(posterior @ posterior.T, expected, rtol=1e-4, atol=1e-5)


def test_ensemble_features_have_the_covariance_over_draws(rng_key):
    predictions = jax.random.normal(rng_key, (8, 5, 2))
    features = ensemble_features(predictions)
    expected = sum(np.cov(np.asarray(predictions[:, :, c], np.float64).T, bias=True) for c in range(2))
    np.testing.assert_allclose(features @ features.T, expected, rtol=1e-5, atol=1e-6)
    assert ensemble_features(predictions[:, :, 0]).shape == (5, 8)


def test_a_covariance_may_be_a_matrix_or_a_function_and_may_be_traced(rng_key):
    points = jax.random.normal(rng_key, (6, 2))

    def covariance(scale, a, b):
        return scale * jnp.exp(-jnp.square(a[:, None] - b[None]).sum(axis=-1))

    expected = covariance(2.0, points, points)
    np.testing.assert_allclose(dense(matrix_kernel(expected), jnp.arange(6), 6), expected, rtol=1e-6)
    np.testing.assert_allclose(matrix_kernel(expected).diagonal(jnp.arange(6)), 2.0, rtol=1e-6)

    @jax.jit
    def chosen(scale):
        kernel = covariance_kernel(Partial(covariance, scale))
        return max_dist(rng_key, points, jnp.ones(6, bool), batch_size=3, kernel=kernel).scores

    eager = max_dist(rng_key, jnp.arange(6), jnp.ones(6, bool), batch_size=3, kernel=matrix_kernel(expected))
    np.testing.assert_allclose(chosen(2.0), eager.scores, rtol=1e-5)


def test_an_indefinite_matrix_is_refused_with_the_jitter_that_repairs_it():
    broken = jnp.array([[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(ValueError, match="jitter 1.1") as error:
        matrix_kernel(broken)
    jitter = float(str(error.value).split("jitter ")[1].split()[0])
    matrix_kernel(broken + jitter * jnp.eye(2))
    matrix_kernel(jnp.ones((3, 3)))  # singular, which rounding must not turn into an error
    with pytest.raises(ValueError, match="symmetric"):
        matrix_kernel(jnp.array([[1.0, 0.5], [0.0, 1.0]]))
    # Under jit the values are not known; the rules then keep to the points whose variance is positive.
    jax.jit(lambda matrix: matrix_kernel(matrix).diagonal(jnp.arange(2)))(broken)
    # A matrix of known values is checked there too.
    with pytest.raises(ValueError, match="jitter 1.1"):
        jax.jit(lambda scale: scale * matrix_kernel(broken).diagonal(jnp.arange(2)))(2.0)


def test_shapes_and_numbers_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="expected embeddings to have 3 rows"):
        check_rows(3, embeddings=jnp.ones((4, 2)))
    pool = jnp.ones((3, 2))
    with pytest.raises(ValueError, match="center_features with rows of shape"):
        check_labelled(pool, center_features=jnp.ones((1, 4)), center_weights=None)
    with pytest.raises(ValueError, match="structure"):
        check_labelled((pool, pool), center_features=jnp.ones((1, 2)), center_weights=None)
    with pytest.raises(ValueError, match="center_weights to have shape"):
        check_labelled(pool, center_features=jnp.ones((1, 2)), center_weights=jnp.ones(2))
    with pytest.raises(ValueError, match="labelled_weights alone"):
        check_labelled(pool, labelled_features=None, labelled_weights=jnp.ones(2))
    with pytest.raises(ValueError, match="labelled_weights of at least 0"):
        check_labelled(pool, labelled_features=pool[:1], labelled_weights=jnp.array([-1.0]))
    with pytest.raises(ValueError, match="noise"):
        condition(jnp.ones((3, 2)), jnp.ones((1, 2)), noise=0.0)
