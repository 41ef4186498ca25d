"""Laplace equals the closed form where there is one, its curvatures equal the Hessian, and draws follow it."""

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


def fitted_at(posterior, params, batch):
    state = posterior.init(jax.random.key(0), batch)
    state = state._replace(variables=state.variables._replace(params=params))
    return jax.jit(posterior.fit)(jax.random.key(0), state, batch)


def fitted(posterior, batch):
    state = posterior.init(jax.random.key(0), batch)
    return jax.jit(posterior.fit)(jax.random.key(1), state, batch)[0]


def classification_batch(num_points=12, num_padding=0, num_inputs=2):
    inputs = jax.random.normal(jax.random.key(5), (num_points + num_padding, num_inputs))
    labels = (inputs[:, 0] > 0).astype(jnp.int32) + (inputs[:, 1] > 0)
    return Batch(inputs, labels, (jnp.arange(num_points + num_padding) < num_points).astype(jnp.float32))


@pytest.mark.parametrize("curvature", ["full", "kronecker"])
def test_the_last_layer_of_a_linear_gaussian_model_equals_the_closed_form(curvature):
    # One output: the Kronecker factorisation is exact.
    batch = closed_form.regression_batch(num_padding=5)
    exact = closed_form.exact_posterior(batch, prior_precision=2.0)
    posterior = laplace(LINEAR, KNOWN_NOISE, STILL, curvature=curvature, prior_precision=2.0, **ONCE)
    state, info = fitted_at(posterior, closed_form.as_params(exact), batch)
    inputs = jax.random.normal(jax.random.key(3), (6, 2))
    moments = closed_form.predictive_moments(exact, inputs)
    variance = jnp.diagonal(posterior.covariance(state, inputs, inputs)) + closed_form.NOISE**2
    np.testing.assert_allclose(variance, moments.variance, rtol=1e-4)
    # The covariance of the weights: that of the functions at the unit vectors and at the origin.
    probes = jnp.concatenate([jnp.eye(2), jnp.zeros((1, 2))])
    weights = np.array([[1, 0, -1], [0, 1, -1], [0, 0, 1]])
    covariance = weights @ np.asarray(posterior.covariance(state, probes, probes)) @ weights.T
    np.testing.assert_allclose(covariance, exact.covariance, atol=1e-4)
    mean = jax.vmap(lambda x: networks.deterministic_outputs(LINEAR, state.variables, x[None])[0, 0])(inputs)
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
    posterior = laplace(MLP, likelihoods.categorical(), optax.sgd(0.3), num_steps=100, minibatch_size=8)
    start = posterior.init(jax.random.key(0), batch)
    start, info = jax.jit(posterior.fit)(jax.random.key(0), start, batch)
    best = info.diagnostics["prior_precision"]
    assert 1e-3 < best < 1e3

    def evidence(precision):
        fixed = laplace(MLP, likelihoods.categorical(), STILL, prior_precision=precision, **ONCE)
        return fixed.fit(jax.random.key(0), start, batch)[1].diagnostics["log_marginal_likelihood"]

    figures = jax.jit(jax.vmap(evidence))(best * jnp.array([0.8, 1.0, 1.25]))
    assert figures[1] > figures[0]
    assert figures[1] > figures[2]


def test_full_curvature_equals_the_hessian_of_a_linear_classifier():
    # The readout is linear, so the Gauss-Newton form is the whole Hessian.
    batch = classification_batch(num_padding=4)
    posterior = laplace(MLP, likelihoods.categorical(), optax.sgd(0.1), num_steps=5, minibatch_size=8)
    state = fitted(posterior, batch)
    embeddings = MLP.head(state.variables, MLP.trunk(state.variables, batch.inputs), None)
    features = jnp.concatenate([embeddings, jnp.ones((16, 1))], axis=1)
    last = state.variables.params["last"]
    flat = jnp.concatenate([last["kernel"], last["bias"][None]]).ravel()

    def total_loss(vector):
        losses = likelihoods.categorical().loss((), features @ vector.reshape(5, 3), batch.labels)
        return (losses * batch.weights).sum()

    hessian = jax.hessian(total_loss)(flat)
    eigenvalues, basis = state.curvature.eigenvalues.ravel(), state.curvature.basis[0]
    np.testing.assert_allclose((basis * eigenvalues[None]) @ basis.T, hessian, atol=1e-4)


def test_kronecker_curvature_equals_the_full_one_for_one_data_point():
    batch = classification_batch(num_points=1)
    states = [
        fitted(laplace(MLP, likelihoods.categorical(), STILL, curvature=name, **ONCE), batch)
        for name in ("full", "kronecker")
    ]
    full, (basis_in, basis_out) = states[0].curvature, states[1].curvature.basis
    basis = jnp.kron(basis_in, basis_out)
    rebuilt = (basis * states[1].curvature.eigenvalues.ravel()[None]) @ basis.T
    np.testing.assert_allclose(rebuilt, (full.basis[0] * full.eigenvalues.ravel()[None]) @ full.basis[0].T, atol=1e-5)
    np.testing.assert_allclose(states[0].prior_precision, states[1].prior_precision, rtol=1e-3)


@pytest.mark.parametrize("curvature", ["full", "kronecker"])
def test_covariance_is_that_of_the_draws_summed_over_outputs(curvature):
    batch = classification_batch()
    posterior = laplace(MLP, likelihoods.categorical(), STILL, curvature=curvature, prior_precision=3.0, **ONCE)
    state = fitted(posterior, batch)
    inputs = jax.random.normal(jax.random.key(2), (4, 2))
    draws = posterior.sample(jax.random.key(4), state, 40_000)
    embeddings = MLP.head(state.variables, MLP.trunk(state.variables, inputs), None)
    functions = jnp.einsum("nf,sfc->snc", jnp.concatenate([embeddings, jnp.ones((4, 1))], axis=1), draws)
    empirical = jnp.einsum("sac,sbc->ab", functions, functions) / 40_000
    exact = posterior.covariance(state, inputs, inputs)
    np.testing.assert_allclose(empirical, exact, atol=0.03 * float(exact.max()))


def test_diagonal_curvature_is_the_diagonal_of_the_gauss_newton_matrix():
    batch = classification_batch(num_padding=4)
    state = fitted(laplace(MLP, likelihoods.categorical(), STILL, curvature="diagonal", **ONCE), batch)

    def outputs_of(params):
        return networks.deterministic_outputs(MLP, networks.Variables(params), batch.inputs[:12])

    probs = jax.nn.softmax(outputs_of(state.variables.params))
    hessians = jax.vmap(jnp.diag)(probs) - probs[:, :, None] * probs[:, None]
    expected = jax.tree.map(
        lambda leaf: jnp.einsum("nc...,ncd,nd...->...", leaf, hessians, leaf),
        jax.jit(jax.jacrev(outputs_of))(state.variables.params),
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), state.curvature.eigenvalues, expected)


def test_linearised_draws_follow_the_tangent_and_sampled_ones_the_network():
    batch = classification_batch()
    shared = {"curvature": "diagonal", "prior_precision": 10.0, **ONCE}
    tangent = laplace(MLP, likelihoods.categorical(), STILL, **shared)
    sampled = laplace(MLP, likelihoods.categorical(), STILL, linearised=False, **shared)
    state = fitted(tangent, batch)
    draws = jax.jit(tangent.sample, static_argnums=2)(jax.random.key(4), state, 3)
    inputs = jax.random.normal(jax.random.key(2), (4, 2))
    predict_tangent, predict_sampled = jax.jit(tangent.predict), jax.jit(sampled.predict)

    @jax.jit
    def expected(draw):
        def outputs_of(params):
            return networks.deterministic_outputs(MLP, networks.Variables(params), inputs)

        params = state.variables.params
        value, slope = jax.jvp(outputs_of, (params,), (draw,))
        return jax.nn.log_softmax(value + slope), jax.nn.log_softmax(outputs_of(jax.tree.map(jnp.add, params, draw)))

    on_tangent, on_network = expected(jax.tree.map(lambda leaf: leaf[0], draws))
    np.testing.assert_allclose(predict_tangent(state, draws, inputs)[0], on_tangent, atol=1e-5)
    np.testing.assert_allclose(predict_sampled(state, draws, inputs)[0], on_network, atol=1e-5)
    # For small deviations they are the same.
    small = jax.tree.map(lambda leaf: 1e-3 * leaf, draws)
    np.testing.assert_allclose(predict_tangent(state, small, inputs), predict_sampled(state, small, inputs), atol=1e-5)


@pytest.mark.parametrize("curvature", ["full", "kronecker", "diagonal"])
def test_without_labels_the_posterior_is_the_prior(curvature):
    posterior = laplace(MLP, likelihoods.categorical(), STILL, curvature=curvature, prior_precision=4.0, **ONCE)
    batch = classification_batch(num_points=0, num_padding=4)
    state = fitted(posterior, batch)
    draws = jax.jit(posterior.sample, static_argnums=2)(jax.random.key(4), state, 2_000)
    # Standard errors of 2,000 draws of each weight: 1.6 % of the deviation, of about 30 weights.
    for leaf in jax.tree.leaves(draws):
        np.testing.assert_allclose(leaf.std(axis=0), 0.5, rtol=0.08)


def test_unknown_curvature_and_readouts_that_are_not_linear_layers_are_refused():
    with pytest.raises(ValueError, match="kronecker"):
        laplace(MLP, likelihoods.categorical(), STILL, curvature="dense", **ONCE)
    identity = MLP._replace(readout=lambda variables, embeddings: embeddings)
    posterior = laplace(identity, likelihoods.categorical(), STILL, **ONCE)
    with pytest.raises(ValueError, match="one linear layer"):
        posterior.init(jax.random.key(0), classification_batch())
