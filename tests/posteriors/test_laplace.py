"""Laplace equals the closed form where there is one, its curvatures equal the Hessian, and draws follow it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bal import likelihoods, networks
from bal.posteriors import laplace
from bal.types import Batch
from tests.posteriors import closed_form

ONCE = {"num_steps": 1, "minibatch_size": 4}
STILL = optax.sgd(0.0)  # training leaves the parameters where they are
LINEAR = closed_form.linear_network()
KNOWN_NOISE = closed_form.known_noise()
MLP = networks.mlp(num_outputs=3, hidden_sizes=(5, 4))


CATEGORICAL = likelihoods.categorical()


def program(posterior):
    """A fit from fresh parameters, or from the given ones."""

    @jax.jit
    def run(rng_key, batch, params=None):
        state = posterior.init(jax.random.key(0), batch)
        if params is not None:
            state = state._replace(variables=state.variables._replace(params=params))
        return posterior.fit(rng_key, state, batch)

    return run


def fitted_at(posterior, params, batch):
    return program(posterior)(jax.random.key(0), batch, params)


def fitted(posterior, batch):
    return program(posterior)(jax.random.key(1), batch)[0]


def points(seed, num_points):
    return jnp.asarray(np.random.default_rng(seed).standard_normal((num_points, 2), np.float32))


def classification_batch(num_points=12, num_padding=4):
    inputs = np.array(points(5, num_points + num_padding))
    labels = (inputs[:, 0] > 0).astype(np.int32) + (inputs[:, 1] > 0)
    return Batch(*map(jnp.asarray, (inputs, labels, (np.arange(len(inputs)) < num_points).astype(np.float32))))


@functools.cache
def still(curvature):
    """A posterior around the parameters of the start, its fit, and its state."""
    posterior = laplace(MLP, CATEGORICAL, STILL, curvature=curvature, prior_precision=4.0, **ONCE)
    run = program(posterior)
    return posterior, run, run(jax.random.key(1), classification_batch())[0]


@jax.jit
def embeddings_with_bias(variables, inputs):
    embeddings = MLP.head(variables, MLP.trunk(variables, inputs), None)
    return jnp.concatenate([embeddings, jnp.ones((len(inputs), 1))], axis=1)


@pytest.mark.parametrize("curvature", ["full", "kronecker"])
def test_the_last_layer_of_a_linear_gaussian_model_equals_the_closed_form(curvature):
    # One output: the Kronecker factorisation is exact.
    batch = closed_form.regression_batch(num_padding=5)
    exact = closed_form.exact_posterior(batch, prior_precision=2.0)
    posterior = laplace(LINEAR, KNOWN_NOISE, STILL, curvature=curvature, prior_precision=2.0, **ONCE)
    state, info = fitted_at(posterior, closed_form.as_params(exact), batch)
    inputs = points(3, 6)
    # The covariance of the weights: that of the functions at the unit vectors and at the origin.
    probes = jnp.asarray(np.concatenate([np.eye(2), np.zeros((1, 2))]), jnp.float32)

    @jax.jit
    def run(state, inputs, probes):
        mean = networks.deterministic_outputs(LINEAR, state.variables, inputs)[:, 0]
        return mean, posterior.covariance(state, inputs, inputs), posterior.covariance(state, probes, probes)

    mean, covariance, at_probes = map(np.array, run(state, inputs, probes))
    moments = closed_form.predictive_moments(exact, inputs)
    np.testing.assert_allclose(np.diagonal(covariance) + closed_form.NOISE**2, moments.variance, rtol=1e-4)
    weights = np.array([[1, 0, -1], [0, 1, -1], [0, 0, 1]])
    np.testing.assert_allclose(weights @ at_probes @ weights.T, exact.covariance, atol=1e-4)
    np.testing.assert_allclose(mean, moments.mean, rtol=1e-4, atol=1e-4)


def test_the_log_marginal_likelihood_of_a_linear_gaussian_model_is_exact():
    batch = closed_form.regression_batch(num_padding=3)
    exact = closed_form.exact_posterior(batch, prior_precision=2.0)
    posterior = laplace(LINEAR, KNOWN_NOISE, STILL, prior_precision=2.0, **ONCE)
    _, info = fitted_at(posterior, closed_form.as_params(exact), batch)
    features = np.concatenate([np.asarray(batch.inputs), np.ones((27, 1))], axis=1)[:24]
    covariance = features @ features.T / 2.0 + closed_form.NOISE**2 * np.eye(24)
    labels = np.asarray(batch.labels, np.float64)[:24]
    logdet = np.linalg.slogdet(2 * np.pi * covariance)[1]
    expected = -0.5 * (labels @ np.linalg.solve(covariance, labels) + logdet)
    np.testing.assert_allclose(info.diagnostics["log_marginal_likelihood"], expected, rtol=1e-4)


def test_training_with_a_prior_reaches_the_mean_of_the_closed_form():
    batch = closed_form.regression_batch()
    exact = closed_form.exact_posterior(batch, prior_precision=2.0)
    optimizer = optax.sgd(lambda step: 0.1 / (1 + step / 50))
    settings = {"num_steps": 3000, "minibatch_size": 256}
    posterior = laplace(LINEAR, KNOWN_NOISE, optimizer, prior_precision=2.0, **settings)
    params = fitted(posterior, batch).variables.params
    # Minibatches leave a scatter of sqrt(rate / (2 * 256)), some 2e-3 for each weight: five of these.
    np.testing.assert_allclose(closed_form.stacked_weights(params), exact.mean, atol=0.01)


def test_the_prior_precision_maximises_the_marginal_likelihood():
    batch = classification_batch()
    posterior = laplace(MLP, CATEGORICAL, optax.sgd(0.3), num_steps=100, minibatch_size=8)
    start, info = program(posterior)(jax.random.key(0), batch)
    best = float(info.diagnostics["prior_precision"])
    assert 1e-3 < best < 1e3

    @jax.jit
    @jax.vmap
    def evidence(precision):
        fixed = laplace(MLP, CATEGORICAL, STILL, prior_precision=precision, **ONCE)
        return fixed.fit(jax.random.key(0), start, batch)[1].diagnostics["log_marginal_likelihood"]

    figures = np.array(evidence(best * np.array([0.8, 1.0, 1.25], np.float32)))
    assert figures[1] > figures[0]
    assert figures[1] > figures[2]


def gauss_newton_matrix(curvature):
    """The matrix from its eigenvalues and its basis, which may be a Kronecker product."""
    basis = functools.reduce(np.kron, map(np.array, curvature.basis))
    return (basis * np.array(curvature.eigenvalues).ravel()[None]) @ basis.T


def test_full_curvature_equals_the_hessian_of_a_linear_classifier():
    # The readout is linear, so the Gauss-Newton form is the whole Hessian.
    batch = classification_batch()
    posterior = laplace(MLP, CATEGORICAL, optax.sgd(0.1), num_steps=5, minibatch_size=8)
    state = fitted(posterior, batch)
    features = embeddings_with_bias(state.variables, batch.inputs)
    last = jax.tree.map(np.array, state.variables.params["last"])
    flat = np.concatenate([last["kernel"], last["bias"][None]]).ravel()

    def total_loss(vector):
        losses = CATEGORICAL.loss((), features @ vector.reshape(5, 3), batch.labels)
        return (losses * batch.weights).sum()

    hessian = jax.jit(jax.hessian(total_loss))(flat)
    np.testing.assert_allclose(gauss_newton_matrix(state.curvature), hessian, atol=1e-4)


def test_kronecker_curvature_equals_the_full_one_for_one_data_point():
    batch = classification_batch(num_points=1, num_padding=15)
    states = [fitted(laplace(MLP, CATEGORICAL, STILL, curvature=name, **ONCE), batch) for name in ("full", "kronecker")]
    full, kronecker = (gauss_newton_matrix(state.curvature) for state in states)
    np.testing.assert_allclose(kronecker, full, atol=1e-5)
    np.testing.assert_allclose(states[0].prior_precision, states[1].prior_precision, rtol=1e-3)


@pytest.mark.parametrize("curvature", ["full", "kronecker"])
def test_covariance_is_that_of_the_draws_summed_over_outputs(curvature):
    posterior, _, state = still(curvature)
    inputs = points(2, 4)
    run = jax.jit(lambda key, *args: (posterior.sample(key, args[0], 40_000), posterior.covariance(*args, args[1])))
    draws, exact = map(np.array, run(jax.random.key(4), state, inputs))
    functions = np.einsum("nf,sfc->snc", embeddings_with_bias(state.variables, inputs), draws)
    empirical = np.einsum("sac,sbc->ab", functions, functions) / 40_000
    np.testing.assert_allclose(empirical, exact, atol=0.03 * exact.max())


def test_diagonal_curvature_is_the_diagonal_of_the_gauss_newton_matrix():
    _, _, state = still("diagonal")
    inputs = jnp.asarray(np.array(classification_batch().inputs)[:12])

    @jax.jit
    def run(params):
        def outputs_of(params):
            outputs = networks.deterministic_outputs(MLP, networks.Variables(params), inputs)
            return outputs, outputs

        jacobians, outputs = jax.jacrev(outputs_of, has_aux=True)(params)
        return jacobians, jax.nn.softmax(outputs)

    jacobians, probs = jax.tree.map(np.array, run(state.variables.params))
    hessians = probs[:, :, None] * (np.eye(3)[None] - probs[:, None])
    expected = jax.tree.map(lambda leaf: np.einsum("nc...,ncd,nd...->...", leaf, hessians, leaf), jacobians)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), state.curvature.eigenvalues, expected)


def test_linearised_draws_follow_the_tangent_and_sampled_ones_the_network():
    tangent, _, state = still("diagonal")
    sampled = laplace(MLP, CATEGORICAL, STILL, curvature="diagonal", linearised=False, prior_precision=4.0, **ONCE)
    inputs = points(2, 4)

    @jax.jit
    def run(rng_key, state, inputs):
        def outputs_of(params):
            return networks.deterministic_outputs(MLP, networks.Variables(params), inputs)

        draws = tangent.sample(rng_key, state, 3)
        params, draw = state.variables.params, jax.tree.map(lambda leaf: leaf[0], draws)
        value, slope = jax.jvp(outputs_of, (params,), (draw,))
        outputs = value + slope, outputs_of(jax.tree.map(jnp.add, params, draw))
        return draws, jax.tree.map(jax.nn.log_softmax, outputs)

    draws, (on_tangent, on_network) = run(jax.random.key(4), state, inputs)
    predict = jax.jit(lambda *args: (tangent.predict(*args), sampled.predict(*args)))
    by_tangent, by_network = map(np.array, predict(state, draws, inputs))
    np.testing.assert_allclose(by_tangent[0], on_tangent, atol=1e-5)
    np.testing.assert_allclose(by_network[0], on_network, atol=1e-5)
    assert np.abs(by_tangent - by_network).max() > 1e-3
    # For small deviations they are the same.
    small = jax.tree.map(lambda leaf: np.float32(1e-3) * np.array(leaf), draws)
    np.testing.assert_allclose(*predict(state, small, inputs), atol=1e-5)


@pytest.mark.parametrize("curvature", ["full", "kronecker", "diagonal"])
def test_without_labels_the_posterior_is_the_prior(curvature):
    posterior, run, _ = still(curvature)
    state, _ = run(jax.random.key(1), classification_batch(num_points=0, num_padding=16))
    draws = jax.jit(posterior.sample, static_argnums=2)(jax.random.key(4), state, 2_000)
    # Standard errors of 2,000 draws of each weight: 1.6 % of the deviation, of about 30 weights.
    for leaf in jax.tree.leaves(draws):
        np.testing.assert_allclose(np.std(leaf, axis=0), 0.5, rtol=0.08)


def test_embeddings_at_positions_of_images_are_refused():
    network = networks.unet(num_outputs=2, widths=(2, 3))
    posterior = laplace(network, likelihoods.dense(CATEGORICAL), STILL, **ONCE)
    batch = Batch(jnp.zeros((1, 4, 4, 1)), jnp.zeros((1, 4, 4), jnp.int32), jnp.ones(1))
    with pytest.raises(ValueError, match=r"embeddings of shape \[n, D\], got \[1, 4, 4, 2\]"):
        posterior.init(jax.random.key(0), batch)


def test_unknown_curvature_and_readouts_that_are_not_linear_layers_are_refused():
    with pytest.raises(ValueError, match="kronecker"):
        laplace(MLP, CATEGORICAL, STILL, curvature="dense", **ONCE)
    identity = MLP._replace(readout=lambda variables, embeddings: embeddings)
    posterior = laplace(identity, CATEGORICAL, STILL, **ONCE)
    with pytest.raises(ValueError, match="one linear layer"):
        jax.eval_shape(posterior.init, jax.random.key(0), classification_batch())
