"""numpyro models as posteriors: NUTS and variational inference against the closed form, and models that do not fit."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import optax
import pytest
from numpyro import diagnostics
from numpyro import distributions as dist
from numpyro.infer.autoguide import AutoMultivariateNormal, AutoNormal
from numpyro.infer.util import log_density

import bal
from bal import likelihoods, networks
from bal.posteriors import bayesian_linear, bayesian_network, numpyro_mcmc, numpyro_svi
from bal.posteriors.programs._numpyro_model import weighted_model
from bal.posteriors.programs._r_hat import split_r_hat
from bal.types import Batch

NOISE = 0.5
NUTS = {"num_warmup": 20, "num_draws": 10, "num_chains": 2, "max_tree_depth": 4}


def linear_regression(inputs, labels=None):
    weights = numpyro.sample("weights", dist.Normal(0.0, 1.0).expand((2,)).to_event(1))
    intercept = numpyro.sample("intercept", dist.Normal(0.0, 1.0))
    with numpyro.plate("points", inputs.shape[0]):
        numpyro.sample("labels", dist.Normal(inputs @ weights + intercept, NOISE), obs=labels)


def regression(num_labelled=6, size=9):
    random = np.random.default_rng(0)
    inputs = random.standard_normal((size, 2))
    labels = inputs[:, 0] - 0.5 * inputs[:, 1] + NOISE * random.standard_normal(size)
    return Batch(*(jnp.asarray(leaf, jnp.float32) for leaf in (inputs, labels, np.arange(size) < num_labelled)))


POINTS = jnp.asarray(np.random.default_rng(1).standard_normal((5, 2)), jnp.float32)


def fit(posterior, rng_key, batch, num_samples=None):
    """Info of a fit and its predictions, one program."""

    @jax.jit
    def run(rng_key, batch):
        state, info = posterior.fit(rng_key, posterior.init(rng_key, batch), batch)
        return info, posterior.predict(state, posterior.sample(rng_key, state, num_samples), POINTS)

    return jax.tree.map(np.array, run(rng_key, batch))


def optimal_energy(batch):
    """Negative log joint density of the linear regression at its mode, which is its mean."""
    exact = bayesian_linear(noise=NOISE)

    @jax.jit
    def energy(batch):
        state, _ = exact.fit(jax.random.key(0), exact.init(jax.random.key(0), batch), batch)
        latents = {"weights": state.mean[1:], "intercept": state.mean[0]}
        weighted = weighted_model(linear_regression, "labels", batch.weights)
        return -log_density(weighted, (batch.inputs, batch.labels), {}, latents)[0]

    return float(energy(batch))


def assert_agrees_with_the_closed_form(draws, batch, rng_key, num_effective):
    """Mean, covariance, predictive variance and BALD, to five standard errors of as many independent draws."""
    exact = bayesian_linear(noise=NOISE)

    @jax.jit
    def run(batch, draws):
        state, _ = exact.fit(rng_key, exact.init(rng_key, batch), batch)
        predictive = likelihoods.gaussian().reduce(draws)
        return exact.covariance(state, POINTS, POINTS), exact.moments(state, POINTS), predictive

    covariance, moments, predictive = jax.tree.map(np.array, run(batch, draws))
    epistemic = np.diag(covariance)
    spread = np.sqrt(epistemic)
    relative_error = 5 * np.sqrt(2 / num_effective)
    assert (np.abs(draws.mean.mean(axis=0) - moments.mean) < 5 * spread / np.sqrt(num_effective)).all()
    sample_covariance = np.cov(draws.mean, rowvar=False)
    assert (np.abs(sample_covariance - covariance) < relative_error * np.outer(spread, spread)).all()
    np.testing.assert_allclose(draws.variance, NOISE**2, rtol=1e-5)
    assert (np.abs(predictive.variance - moments.variance) < relative_error * epistemic).all()
    bald = [0.5 * np.log1p(variance / NOISE**2) for variance in (draws.mean.var(axis=0), epistemic)]
    # The derivative of BALD with respect to the logarithm of the epistemic variance is at most 1/2.
    assert (np.abs(bald[0] - bald[1]) < 0.5 * relative_error).all()


def test_nuts_agrees_with_conjugate_regression_within_monte_carlo_error(rng_key):
    batch = regression()
    posterior = numpyro_mcmc(linear_regression, likelihoods.gaussian(), num_warmup=300, num_draws=500)
    info, draws = fit(posterior, rng_key, batch)
    assert draws.mean.shape == (2000, 5)
    assert_agrees_with_the_closed_form(draws, batch, rng_key, num_effective=1000)
    assert info.diagnostics["r_hat"] < 1.02
    assert info.diagnostics["r_hat_latents"] < 1.02
    assert info.diagnostics["num_divergences"] == 0
    # The energy of a draw is that of the best weights and half a nat for each of the three, give or take.
    best = optimal_energy(batch)
    assert best < 6 * info.loss < best + 5


def test_variational_inference_agrees_where_its_family_contains_the_posterior(rng_key):
    batch = regression()
    guide = AutoMultivariateNormal(linear_regression)
    schedule = optax.exponential_decay(0.03, 1000, 0.2)
    posterior = numpyro_svi(linear_regression, guide, likelihoods.gaussian(), optax.adam(schedule), num_steps=4000)
    _, draws = fit(posterior, rng_key, batch, 2000)
    # The gradient is noisy: 200 stands for the accuracy that these steps reach, not for the number of draws.
    assert_agrees_with_the_closed_form(draws, batch, rng_key, num_effective=200)
    # The guide is the caller's: nothing of the fit is left in it.
    assert guide.prototype_trace is None


def test_weights_multiply_the_likelihood_and_not_the_prior():
    batch = regression(num_labelled=1, size=2)
    latents = {"weights": np.array([0.3, -0.2], np.float32), "intercept": np.float32(0.1)}
    # The padding row holds what would make the density nan.
    labels = np.array([batch.labels[0], np.nan], np.float32)
    twice = tuple(np.repeat(np.array(leaf)[:1], 2, axis=0) for leaf in batch[:2])

    @jax.jit
    def densities(weights, labels, twice):
        weighted = log_density(
            weighted_model(linear_regression, "labels", weights), (batch.inputs, labels), {}, latents
        )
        return weighted[0], log_density(linear_regression, twice, {}, latents)[0]

    weighted, plain = densities(np.array([2.0, 0.0], np.float32), labels, twice)
    np.testing.assert_allclose(weighted, plain, rtol=1e-5)


def test_a_run_with_nuts_is_one_program_of_a_key(rng_key):
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(20, 2))
    dataset = bal.datasets.from_arrays(inputs, (inputs[:, 0] > 0).astype(int), inputs, (inputs[:, 0] > 0).astype(int))
    # Few parameters: the sampler is compiled for each of them.
    network = networks.from_functions(
        lambda rng_key, inputs: {"kernel": jnp.zeros((2, 2))}, lambda params, x: x @ params["kernel"], num_outputs=2
    )
    model = bayesian_network(network)
    posterior = numpyro_mcmc(model, likelihoods.categorical(), **NUTS)
    # One chunk: to choose a size, the model would be traced twice more for each use of the pool.
    learner = bal.build(
        posterior, bal.strategies.bald(batch_size=2), num_initial=4, num_rounds=2, num_targets=1, chunk_size=20
    )
    run = jax.jit(jax.vmap(lambda key, data: bal.run(key, learner, data), in_axes=(0, None)))
    _, info = run(jax.random.split(rng_key, 2), dataset)
    assert info.fit.diagnostics["r_hat"].shape == (2, 2)
    assert (info.metrics["accuracy"] > 0.5).all()


def test_split_r_hat_equals_that_of_numpyro():
    values = np.random.default_rng(0).normal(size=(3, 40, 5)) + np.arange(3)[:, None, None]
    values = values.astype(np.float32)
    ours, of_constants = jax.jit(lambda values: (split_r_hat(values), split_r_hat(jnp.ones((2, 8)))))(values)
    np.testing.assert_allclose(ours, diagnostics.split_gelman_rubin(values), rtol=1e-4)
    assert float(of_constants) == 1.0


def test_sites_of_a_network_are_called_by_their_place_and_scaled_by_fan_in(rng_key):
    model = bayesian_network(networks.mlp(num_outputs=3, hidden_sizes=(16, 8)), prior_scale=2.0)

    @jax.jit
    def run(rng_key, inputs):
        trace = numpyro.handlers.trace(numpyro.handlers.seed(model, rng_key)).get_trace(inputs, None)
        return [trace[site]["fn"].variance for site in ("hidden.0.linear.kernel", "first.bias")]

    kernel, bias = run(rng_key, np.zeros((2, 4), np.float32))
    assert kernel.shape == (16, 8)
    np.testing.assert_allclose(kernel, 4.0 / 16, rtol=1e-6)
    np.testing.assert_allclose(bias, 4.0, rtol=1e-6)


def observed(distribution, name="labels"):
    def model(inputs, labels=None):
        with numpyro.plate("points", inputs.shape[0]):
            numpyro.sample(name, distribution(inputs), obs=labels)

    return model


def two_sites(inputs, labels=None):
    for name in ("first", "second"):
        numpyro.sample(name, dist.Normal(inputs[:, 0], 1.0), obs=labels)


def without_observation(inputs, labels=None):
    numpyro.sample("slope", dist.Normal())


def a_value_for_each_point(inputs, labels=None):
    with numpyro.plate("points", inputs.shape[0]):
        effect = numpyro.sample("effect", dist.Normal())
        numpyro.sample("labels", dist.Normal(effect, 1.0), obs=labels)


def discrete_latent(inputs, labels=None):
    shift = numpyro.sample("shift", dist.Bernoulli(0.5))
    numpyro.sample("labels", dist.Normal(inputs[:, 0] + shift, 1.0), obs=labels)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (without_observation, "one observation site.*got none.*slope"),
        (two_sites, r"one observation site.*\['first', 'second'\]"),
        (observed(lambda inputs: dist.StudentT(2.0, inputs[:, 0])), "Normal distribution at .* 'labels'.*StudentT"),
        (observed(lambda inputs: dist.Categorical(logits=inputs)), "Normal distribution.*got CategoricalLogits"),
        (a_value_for_each_point, "'effect' with a value for each point"),
        (discrete_latent, r"continuous latent sites, got the discrete \['shift'\]"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_before_it_is_compiled(model, message, rng_key):
    batch = regression()
    for posterior in (
        numpyro_mcmc(model, likelihoods.gaussian(), **NUTS),
        numpyro_svi(model, AutoNormal(model), likelihoods.gaussian(), optax.sgd(0.1), num_steps=1),
    ):
        with pytest.raises(ValueError, match=message):
            jax.eval_shape(posterior.init, rng_key, batch)


def without_the_intercept(inputs, labels=None):
    numpyro.sample("weights", dist.Normal().expand((2,)).to_event(1))
    numpyro.sample("bias", dist.Normal())


def with_another_shape(inputs, labels=None):
    numpyro.sample("weights", dist.Normal().expand((3,)).to_event(1))
    numpyro.sample("intercept", dist.Normal())


@pytest.mark.parametrize(
    ("guide", "message"),
    [
        (without_the_intercept, r"missing are \['intercept'\], unknown to the model are \['bias'\]"),
        (with_another_shape, r"sample 'weights' of shape \[2\], got \[3\]"),
    ],
)
def test_a_guide_that_does_not_fit_is_refused_before_it_is_compiled(guide, message, rng_key):
    posterior = numpyro_svi(linear_regression, guide, likelihoods.gaussian(), optax.sgd(0.1), num_steps=1)
    with pytest.raises(ValueError, match=message):
        posterior.init(rng_key, regression())


def test_invalid_counts_are_named():
    with pytest.raises(ValueError, match="num_draws to be a whole number of at least 4"):
        numpyro_mcmc(linear_regression, likelihoods.gaussian(), num_warmup=1, num_draws=3)
    with pytest.raises(ValueError, match="num_steps to be a whole number of at least 1"):
        numpyro_svi(linear_regression, without_observation, likelihoods.gaussian(), optax.sgd(0.1), num_steps=0)
