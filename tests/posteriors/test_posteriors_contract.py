"""What every posterior promises. A new posterior is tested by a row in ``CASES``."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh
from numpyro.infer.autoguide import AutoNormal

from bal import likelihoods, networks
from bal.posteriors import (
    POSTERIORS,
    _protocols,
    bayesian_linear,
    ddu,
    deep_ensemble,
    gaussian_process,
    laplace,
    last_layer_ensemble,
    learning_loss,
    mc_dropout,
    mean_field,
    numpyro_mcmc,
    numpyro_svi,
    point_estimate,
    sghmc,
    sgld,
    sngp,
    swag,
)
from bal.streaming import stream
from bal.types import Batch, Gaussian

PROTOCOLS = {
    "init": _protocols.InitFn,
    "fit": _protocols.FitFn,
    "sample": _protocols.SampleFn,
    "predict": _protocols.PredictFn,
    "features": _protocols.FeatureFn,
    "covariance": _protocols.CovarianceFn,
    "moments": _protocols.MomentsFn,
    "extend": _protocols.ExtendFn,
}
TRAINING = {"num_steps": 20, "minibatch_size": 8}
CLASSIFIER = networks.mlp(num_outputs=3, hidden_sizes=(16, 8), dropout_rate=0.3)
VARIATIONAL = networks.variational_mlp(num_outputs=3, hidden_sizes=(8,))
SGD = optax.sgd(0.1)
CHAIN = {"num_steps": 40, "minibatch_size": 8, "num_cycles": 2, "draws_per_cycle": 2, "temperature": 0.1}


def softmax_regression(inputs, labels=None):
    import numpyro
    from numpyro import distributions as dist

    kernel = numpyro.sample("kernel", dist.Normal(0.0, 1.0).expand((inputs.shape[1], 3)).to_event(2))
    with numpyro.plate("points", inputs.shape[0]):
        numpyro.sample("labels", dist.Categorical(logits=inputs @ kernel), obs=labels)


# name -> a classifier of points [4] into 3 classes
CASES = {
    "ddu": ddu(CLASSIFIER, likelihoods.categorical(), SGD, **TRAINING),
    "deep_ensemble": deep_ensemble(CLASSIFIER, likelihoods.categorical(), SGD, num_members=4, **TRAINING),
    "learning_loss": learning_loss(CLASSIFIER, likelihoods.categorical(), SGD, hidden_size=8, **TRAINING),
    "mc_dropout": mc_dropout(CLASSIFIER, likelihoods.categorical(), SGD, **TRAINING),
    "numpyro_mcmc": numpyro_mcmc(
        softmax_regression, likelihoods.categorical(), num_warmup=30, num_draws=10, num_chains=2, max_tree_depth=4
    ),
    "numpyro_svi": numpyro_svi(
        softmax_regression, AutoNormal(softmax_regression), likelihoods.categorical(), optax.adam(0.1), num_steps=50
    ),
    "point_estimate": point_estimate(CLASSIFIER, likelihoods.categorical(), SGD, **TRAINING),
    # A prior precision that is searched for magnifies rounding.
    "laplace": laplace(CLASSIFIER, likelihoods.categorical(), SGD, prior_precision=1.0, **TRAINING),
    "last_layer_ensemble": last_layer_ensemble(
        CLASSIFIER, likelihoods.categorical(), optax.sgd(0.3), num_members=4, **TRAINING
    ),
    "mean_field": mean_field(VARIATIONAL, likelihoods.categorical(), SGD, temperature=0.1, **TRAINING),
    "sghmc": sghmc(CLASSIFIER, likelihoods.categorical(), learning_rate=0.05, **CHAIN),
    "sgld": sgld(CLASSIFIER, likelihoods.categorical(), learning_rate=0.1, **CHAIN),
    "sngp": sngp(CLASSIFIER, likelihoods.categorical(), optax.sgd(0.5), num_features=32, **TRAINING),
    "swag": swag(CLASSIFIER, likelihoods.categorical(), SGD, num_snapshots=4, steps_between=2, rank=3, **TRAINING),
}


def compiled(posterior):
    """Compiled once, not once for each test; so tests share the shapes of what they predict, too."""
    return posterior._replace(
        init=jax.jit(posterior.init),
        fit=jax.jit(posterior.fit),
        sample=jax.jit(posterior.sample, static_argnums=2),
        predict=jax.jit(posterior.predict),
    )


CASES = {name: compiled(case) for name, case in CASES.items()}

# name -> a regression of real numbers on points [4], where a posterior has no classifier
REGRESSION_ONLY = {
    "bayesian_linear": compiled(bayesian_linear(noise=0.5)),
    "gaussian_process": compiled(gaussian_process(SGD, num_steps=5, noise=0.5, num_features=32)),
}

ALL_CASES = CASES | REGRESSION_ONLY
cases = pytest.mark.parametrize("posterior", ALL_CASES.values(), ids=ALL_CASES.keys())
classifiers = pytest.mark.parametrize("posterior", CASES.values(), ids=CASES.keys())
regressions = pytest.mark.parametrize("posterior", REGRESSION_ONLY.values(), ids=REGRESSION_ONLY.keys())


def normal(rng_key, shape):
    """One program for all shapes, where jax.random.normal would be one for each."""
    return jnp.asarray(np.array(jax.random.normal(rng_key, (15, 4)))[: shape[0], : shape[1]])


def labelled_batch(rng_key, posterior, num_labelled=10, size=15):
    inputs = np.array(normal(rng_key, (size, 4)))
    labels = (inputs[:, 0] > 0).astype(np.int32) + (inputs[:, 1] > 0)
    if posterior in REGRESSION_ONLY.values():
        labels = labels.astype(np.float32)
    return Batch(*map(jnp.asarray, (inputs, labels, (np.arange(size) < num_labelled).astype(np.float32))))


def num_samples(posterior):
    return 3 if posterior.max_samples is None else min(3, posterior.max_samples)


def fit(posterior, rng_key, batch):
    key_init, key_fit = jax.random.split(rng_key)
    return posterior.fit(key_fit, posterior.init(key_init, batch), batch)


def predict(posterior, rng_key, state, inputs):
    return posterior.predict(state, posterior.sample(rng_key, state, num_samples(posterior)), inputs)


def assert_trees_close(a, b, **tolerance):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **tolerance), a, b)


def test_every_registered_posterior_has_a_case():
    assert not set(CASES) & set(REGRESSION_ONLY)
    assert set(CASES) | set(REGRESSION_ONLY) == set(POSTERIORS)


@cases
def test_functions_take_the_parameters_of_their_protocols_and_say_what_they_do(posterior):
    for name, protocol in PROTOCOLS.items():
        functions = posterior.features if name == "features" else {name: getattr(posterior, name)}
        for function in functions.values():
            if function is not None:
                expected = list(inspect.signature(protocol.__call__).parameters)[1:]
                assert list(inspect.signature(function).parameters) == expected, name
                assert inspect.getdoc(function), name


@classifiers
def test_predictions_are_normalised_for_each_draw_and_point(posterior, rng_key):
    state, _ = fit(posterior, rng_key, labelled_batch(rng_key, posterior))
    log_probs = predict(posterior, rng_key, state, normal(rng_key, (5, 4)))
    assert log_probs.shape == (num_samples(posterior), 5, 3)
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=-1), 1.0, rtol=1e-5)


@regressions
def test_predictions_are_a_gaussian_for_each_draw_and_point(posterior, rng_key):
    state, _ = fit(posterior, rng_key, labelled_batch(rng_key, posterior))
    gaussian = predict(posterior, rng_key, state, normal(rng_key, (5, 4)))
    assert isinstance(gaussian, Gaussian)
    assert gaussian.mean.shape == gaussian.variance.shape == (num_samples(posterior), 5)
    assert (np.array(gaussian.variance) > 0).all()


@cases
def test_fitting_improves_the_likelihood_of_the_labels(posterior, rng_key):
    batch = labelled_batch(rng_key, posterior, 15)

    @jax.jit
    def mean_nll(predictions):
        return posterior.likelihood.nll(posterior.likelihood.reduce(predictions), batch.labels).mean()

    def nll(state):
        return mean_nll(predict(posterior, rng_key, state, batch.inputs))

    state = posterior.init(rng_key, batch)
    fitted, _ = posterior.fit(rng_key, state, batch)
    assert nll(fitted) < nll(state)


@cases
def test_fit_keeps_the_structure_shapes_and_dtypes_of_the_state(posterior, rng_key):
    batch = labelled_batch(rng_key, posterior)
    state = posterior.init(rng_key, batch)
    fitted, _ = posterior.fit(rng_key, state, batch)
    assert jax.tree.structure(fitted) == jax.tree.structure(state)
    specs = [jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree) for tree in (fitted, state)]
    assert specs[0] == specs[1]


@cases
def test_what_padding_rows_hold_changes_nothing(posterior, rng_key):
    batch = labelled_batch(rng_key, posterior)
    inputs, labels, weights = map(np.array, batch)
    padding = weights == 0
    inputs[padding] = 1e3
    labels[padding] = 2 - labels[padding]
    other = batch._replace(inputs=jnp.asarray(inputs), labels=jnp.asarray(labels))
    states = [fit(posterior, rng_key, each)[0] for each in (batch, other)]
    inputs = normal(rng_key, (5, 4))
    predictions = [predict(posterior, rng_key, state, inputs) for state in states]
    assert_trees_close(*predictions, rtol=1e-4, atol=1e-5)


@cases
def test_an_empty_batch_returns_the_initial_state(posterior, rng_key):
    batch = labelled_batch(rng_key, posterior, num_labelled=0)
    state = posterior.init(rng_key, batch)
    assert_trees_close(posterior.fit(rng_key, state, batch)[0], state, rtol=0)


@cases
def test_draws_are_fixed_functions_whatever_the_chunk_and_the_device(posterior, rng_key):
    state, _ = fit(posterior, rng_key, labelled_batch(rng_key, posterior))
    draws = posterior.sample(rng_key, state, num_samples(posterior))
    inputs = normal(rng_key, (15, 4))
    whole = posterior.predict(state, draws, inputs)
    fives = [jnp.asarray(five) for five in np.split(np.array(inputs), 3)]
    parts = [posterior.predict(state, draws, five) for five in fives]
    joined = jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *parts)
    assert_trees_close(joined, whole, rtol=1e-5, atol=2e-6)
    # A point that occurs three times is predicted alike: joint predictions are those of one function.
    thrice = posterior.predict(state, draws, jnp.asarray(np.concatenate([fives[0]] * 3)))
    repeated = jax.tree.map(lambda leaf: np.concatenate([leaf] * 3, axis=1), parts[0])
    assert_trees_close(thrice, repeated, rtol=1e-5, atol=2e-6)
    mesh = Mesh(np.array(jax.devices()), ("points",))
    assert mesh.size == 8, "conftest.py forces eight host devices"

    def points_first(chunk):
        return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 1, 0), posterior.predict(state, draws, chunk))

    divided = jax.jit(lambda inputs: stream(points_first, inputs, mesh=mesh))(inputs)
    assert_trees_close(
        jax.tree.map(lambda leaf: np.moveaxis(np.array(leaf), 1, 0), divided), whole, rtol=1e-5, atol=2e-6
    )


@cases
def test_jit_and_vmap_over_seeds_agree_with_eager(posterior, rng_key):
    batch = labelled_batch(rng_key, posterior)
    inputs = normal(rng_key, (5, 4))

    def run(key):
        key_fit, key_sample = jax.random.split(key)
        return predict(posterior, key_sample, fit(posterior, key_fit, batch)[0], inputs)

    keys = jax.random.split(rng_key, 2)
    together = jax.jit(jax.vmap(run))(keys)
    one_by_one = jax.tree.map(lambda *leaves: np.stack(leaves), *[run(key) for key in keys])
    assert_trees_close(together, one_by_one, rtol=2e-3, atol=2e-4)


@cases
def test_states_whose_size_is_that_of_the_label_buffer_can_be_extended(posterior, rng_key):
    short, long = (
        jax.eval_shape(posterior.init, rng_key, labelled_batch(rng_key, posterior, size=size)) for size in (12, 15)
    )
    extended = short if posterior.extend is None else jax.eval_shape(lambda state: posterior.extend(state, 15), short)
    assert jax.tree.map(jnp.shape, extended) == jax.tree.map(jnp.shape, long)


@cases
def test_features_have_one_row_a_point(posterior, rng_key):
    state = posterior.init(rng_key, labelled_batch(rng_key, posterior))
    for feature in posterior.features.values():
        rows = jax.jit(feature)(state, jnp.ones((6, 4)))
        assert rows.shape[0] == 6
        assert rows.ndim == 2


def test_every_posterior_but_those_of_programs_offers_gradients():
    without = {"numpyro_mcmc", "numpyro_svi"}
    assert {name for name, case in ALL_CASES.items() if "gradient" in case.features} == set(ALL_CASES) - without


@cases
def test_gradients_have_the_tangent_kernel_and_do_not_depend_on_the_chunk(posterior, rng_key):
    if "gradient" not in posterior.features or posterior in REGRESSION_ONLY.values():
        pytest.skip("not a network")
    state = posterior.init(rng_key, labelled_batch(rng_key, posterior))
    gradient = jax.jit(posterior.features["gradient"])
    inputs = normal(rng_key, (6, 4))
    features = np.array(gradient(state, inputs))
    assert features.shape == (6, 512)
    reverse = np.array(gradient(state, jnp.asarray(np.array(inputs)[::-1])))
    np.testing.assert_allclose(reverse[::-1], features, rtol=1e-5, atol=1e-6)
    # The kernel of a member and class is at least that of its bias, which is 1: of all classes, the number of outputs.
    assert (np.square(features).sum(axis=1) > 1.5).all()


@cases
def test_labels_of_the_wrong_kind_are_refused(posterior, rng_key):
    batch = labelled_batch(rng_key, posterior)
    needed, wrong = ("floating", jnp.int32) if posterior in REGRESSION_ONLY.values() else ("integer", jnp.float32)
    with pytest.raises(ValueError, match=needed):
        posterior.init(rng_key, batch._replace(labels=batch.labels.astype(wrong)))


@cases
def test_more_samples_than_there_are_or_none_where_any_number_is_legal_are_refused(posterior, rng_key):
    state = posterior.init(rng_key, labelled_batch(rng_key, posterior))
    wrong = None if posterior.max_samples is None else posterior.max_samples + 1
    with pytest.raises(ValueError, match="num_samples"):
        posterior.sample(rng_key, state, wrong)


LONG_CHAIN = {"num_steps": 600, "minibatch_size": 16, "num_cycles": 2, "draws_per_cycle": 2, "temperature": 0.1}
REGRESSION = {
    "ddu": lambda network, likelihood: ddu(network, likelihood, optax.adam(1e-2), num_steps=200, minibatch_size=16),
    "deep_ensemble": lambda network, likelihood: deep_ensemble(
        network, likelihood, optax.adam(1e-2), num_members=4, num_steps=200, minibatch_size=16
    ),
    "mc_dropout": lambda network, likelihood: mc_dropout(
        network, likelihood, optax.adam(1e-2), num_steps=200, minibatch_size=16
    ),
    "point_estimate": lambda network, likelihood: point_estimate(
        network, likelihood, optax.adam(1e-2), num_steps=200, minibatch_size=16
    ),
    "laplace": lambda network, likelihood: laplace(
        network, likelihood, optax.adam(1e-2), num_steps=200, minibatch_size=16
    ),
    "last_layer_ensemble": lambda network, likelihood: last_layer_ensemble(
        network, likelihood, optax.adam(1e-2), num_members=4, num_steps=200, minibatch_size=16
    ),
    "learning_loss": lambda network, likelihood: learning_loss(
        network, likelihood, optax.adam(1e-2), num_steps=200, minibatch_size=16
    ),
    "mean_field": lambda network, likelihood: mean_field(
        networks.variational_mlp(num_outputs=1, hidden_sizes=(32,)),
        likelihood,
        optax.adam(1e-2),
        temperature=0.1,
        num_steps=400,
        minibatch_size=16,
    ),
    "sghmc": lambda network, likelihood: sghmc(network, likelihood, learning_rate=0.01, **LONG_CHAIN),
    "sgld": lambda network, likelihood: sgld(network, likelihood, learning_rate=0.1, **LONG_CHAIN),
    "sngp": lambda network, likelihood: sngp(
        network, likelihood, optax.adam(1e-2), num_features=32, num_steps=200, minibatch_size=16
    ),
    "swag": lambda network, likelihood: swag(
        network,
        likelihood,
        optax.adam(1e-2),
        num_snapshots=4,
        steps_between=10,
        rank=3,
        num_steps=200,
        minibatch_size=16,
    ),
}


@pytest.mark.parametrize("name", REGRESSION)
def test_a_gaussian_likelihood_learns_mean_and_noise(name, rng_key):
    network = networks.mlp(num_outputs=1, hidden_sizes=(32,), dropout_rate=0.1)
    posterior = REGRESSION[name](network, likelihoods.gaussian())
    random = np.random.default_rng(0)
    inputs = random.uniform(-1.0, 1.0, (64, 1)).astype(np.float32)
    labels = 2 * inputs[:, 0] + 0.1 * random.standard_normal(64, np.float32)
    batch = Batch(*map(jnp.asarray, (inputs, labels, np.ones(64, np.float32))))

    @jax.jit
    def run(rng_key, batch):
        state, _ = fit(posterior, rng_key, batch)
        gaussian = predict(posterior, rng_key, state, batch.inputs)
        return gaussian, posterior.likelihood.reduce(gaussian)

    gaussian, predictive = run(rng_key, batch)
    assert isinstance(gaussian, Gaussian)
    assert gaussian.mean.shape == gaussian.variance.shape == (num_samples(posterior), 64)
    assert np.sqrt(((np.array(predictive.mean) - labels) ** 2).mean()) < 0.4
    assert np.array(gaussian.variance).mean() < 0.3
