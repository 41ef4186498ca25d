"""Kernels and transforms against dense matrices in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial
from scipy.special import log_softmax

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
    columns = np.asarray(jax.jit(kernel.columns)(points, points))
    assert columns.shape == (num_points, num_points)
    return columns


def distances(kernel, points, num_points):
    """One centre at a time, and all at once, which must agree."""

    @jax.jit
    def both(points):
        def to_one(index):
            center = jax.tree.map(lambda leaf: leaf[index][None], points)
            return kernel.squared_distances(points, center)[:, 0]

        alone = jax.lax.map(to_one, jnp.arange(num_points))
        return kernel.squared_distances(points, points), alone, kernel.diagonal(points).max()

    together, alone, largest = jax.device_get(both(points))
    np.testing.assert_allclose(together, alone.T, atol=1e-6 * largest)
    return alone


def normal(seed, *shape):
    return jax.device_put(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


@pytest.fixture
def factors():
    return normal(0, 7, 3), normal(1, 7, 5)


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
        np.testing.assert_allclose(jax.jit(kernel.diagonal)(points), (features**2).sum(axis=1), rtol=1e-5)
        np.testing.assert_allclose(distances(kernel, points, 7), (differences**2).sum(axis=-1), rtol=1e-4, atol=1e-5)


def test_duplicates_are_at_a_distance_of_exactly_zero(factors):
    twice = jax.tree.map(lambda leaf: 100 + np.concatenate([leaf, leaf]), factors)
    covariance = covariance_kernel(lambda a, b: jnp.exp(-jnp.square(a[:, None] - b[None]).sum(axis=-1)))
    for kernel, points in ((LINEAR, twice[1]), (OUTER, twice), (covariance, twice[0])):
        squares = distances(kernel, points, 14)
        np.testing.assert_array_equal(np.diag(squares[:7, 7:]), 0.0)
        assert (squares[:7, :7] > 0).sum() == 42


def test_no_program_of_the_factored_kernel_holds_the_features(factors):
    point = jax.tree.map(lambda leaf: leaf[:1], factors)
    for function, args in ((OUTER.diagonal, (factors,)), (OUTER.columns, (factors, point))):
        sizes = [value.aval.size for eqn in jax.make_jaxpr(function)(*args).eqns for value in eqn.outvars]
        assert max(sizes, default=0) <= 7 * 5
    program = jax.make_jaxpr(OUTER.squared_distances)(factors, point)
    assert max(value.aval.size for eqn in program.eqns for value in eqn.outvars) <= 7 * 5


def test_gradient_factors_are_the_gradient_of_the_loss_by_the_last_layer():
    hidden, weights = normal(0, 6, 5), normal(1, 3, 5)
    log_probs = log_softmax(np.asarray(hidden) @ np.asarray(weights).T, axis=-1)

    def loss(weights, inputs, label):
        return -jax.nn.log_softmax(weights @ inputs)[label]

    gradients = jax.jit(jax.vmap(jax.grad(loss), (None, 0, 0)))
    expected = np.asarray(gradients(weights, hidden, log_probs.argmax(axis=1)))
    factors = jax.jit(gradient_factors)(log_probs, hidden)
    np.testing.assert_allclose(outer_features(factors).reshape(6, 3, 5), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.jit(OUTER.diagonal)(factors), np.square(expected).sum(axis=(1, 2)), rtol=1e-5)


@jax.jit
def condition_at_once(features, labelled, weights):
    return condition(features, labelled, noise=0.3, labelled_weights=weights)


def test_conditioned_features_are_the_posterior_of_bayesian_linear_regression():
    features, labelled = normal(0, 6, 4), normal(1, 3, 4)
    weights = np.array([1.0, 0.0, 2.0], np.float32)
    posterior = condition_at_once(features, labelled, weights)
    phi, rows = np.asarray(features, np.float64), np.asarray(labelled, np.float64)
    precision = np.eye(4) + rows.T @ np.diag(weights) @ rows / 0.3
    posterior = np.asarray(posterior, np.float64)
    np.testing.assert_allclose(posterior @ posterior.T, phi @ np.linalg.inv(precision) @ phi.T, rtol=1e-4, atol=1e-5)


def test_conditioned_features_agree_with_the_formula_of_a_gaussian_process():
    features, labelled = normal(0, 6, 4), normal(1, 3, 4)
    posterior = condition_at_once(features, labelled, None)
    phi, rows = np.asarray(features, np.float64), np.asarray(labelled, np.float64)
    gram = rows @ rows.T + 0.3 * np.eye(3)
    expected = phi @ phi.T - phi @ rows.T @ np.linalg.inv(gram) @ rows @ phi.T
    posterior = np.asarray(posterior, np.float64)
    np.testing.assert_allclose(posterior @ posterior.T, expected, rtol=1e-4, atol=1e-5)


def test_ensemble_features_have_the_covariance_over_draws():
    predictions = np.asarray(normal(0, 8, 5, 2))
    features = np.asarray(jax.jit(ensemble_features)(predictions), np.float64)
    expected = sum(np.cov(predictions[:, :, c].astype(np.float64).T, bias=True) for c in range(2))
    np.testing.assert_allclose(features @ features.T, expected, rtol=1e-5, atol=1e-6)
    assert jax.eval_shape(ensemble_features, predictions[:, :, 0]).shape == (5, 8)


def test_a_covariance_may_be_a_matrix_or_a_function_and_may_be_traced(rng_key):
    points = normal(0, 6, 2)

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
