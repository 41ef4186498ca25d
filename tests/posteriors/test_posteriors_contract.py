"""What every posterior promises. A new posterior is tested by a row in ``CASES``."""

import functools
import inspect
from typing import Any, NamedTuple

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
CLASSIFIER = networks.mlp(num_outputs=3, hidden_sizes=(8,), dropout_rate=0.3)
VARIATIONAL = networks.variational_mlp(num_outputs=3, hidden_sizes=(8,))
SGD = optax.sgd(0.1)
CATEGORICAL = likelihoods.categorical()
CHAIN = {"num_steps": 40, "minibatch_size": 8, "num_cycles": 2, "draws_per_cycle": 2, "temperature": 0.1}


def softmax_regression(inputs, labels=None):
    import numpyro
    from numpyro import distributions as dist

    kernel = numpyro.sample("kernel", dist.Normal(0.0, 1.0).expand((inputs.shape[1], 3)).to_event(2))
    with numpyro.plate("points", inputs.shape[0]):
        numpyro.sample("labels", dist.Categorical(logits=inputs @ kernel), obs=labels)


# name -> a classifier of points [4] into 3 classes
CASES = {
    "ddu": ddu(CLASSIFIER, CATEGORICAL, SGD, **TRAINING),
    "deep_ensemble": deep_ensemble(CLASSIFIER, CATEGORICAL, SGD, num_members=4, **TRAINING),
    "learning_loss": learning_loss(CLASSIFIER, CATEGORICAL, SGD, hidden_size=8, **TRAINING),
    "mc_dropout": mc_dropout(CLASSIFIER, CATEGORICAL, SGD, **TRAINING),
    "numpyro_mcmc": numpyro_mcmc(
        softmax_regression, CATEGORICAL, num_warmup=30, num_draws=10, num_chains=2, max_tree_depth=4
    ),
    "numpyro_svi": numpyro_svi(
        softmax_regression, AutoNormal(softmax_regression), CATEGORICAL, optax.adam(0.1), num_steps=50
    ),
    "point_estimate": point_estimate(CLASSIFIER, CATEGORICAL, SGD, **TRAINING),
    # A prior precision that is searched for magnifies rounding.
    "laplace": laplace(CLASSIFIER, CATEGORICAL, SGD, prior_precision=1.0, **TRAINING),
    "last_layer_ensemble": last_layer_ensemble(CLASSIFIER, CATEGORICAL, optax.sgd(0.3), num_members=4, **TRAINING),
    "mean_field": mean_field(VARIATIONAL, CATEGORICAL, SGD, temperature=0.1, **TRAINING),
    "sghmc": sghmc(CLASSIFIER, CATEGORICAL, learning_rate=0.05, **CHAIN),
    # Without exploration it has half as much to compile.
    "sgld": sgld(CLASSIFIER, CATEGORICAL, learning_rate=0.1, exploration=0.0, **CHAIN),
    "sngp": sngp(CLASSIFIER, CATEGORICAL, optax.sgd(0.5), num_features=32, **TRAINING),
    "swag": swag(CLASSIFIER, CATEGORICAL, SGD, num_snapshots=4, steps_between=2, rank=3, **TRAINING),
}


# name -> a regression of real numbers on points [4], where a posterior has no classifier
REGRESSION_ONLY = {
    "bayesian_linear": bayesian_linear(noise=0.5),
    "gaussian_process": gaussian_process(SGD, num_steps=5, noise=0.5, num_features=32),
}

ALL_CASES = CASES | REGRESSION_ONLY
cases = pytest.mark.parametrize("name", ALL_CASES)
classifiers = pytest.mark.parametrize("name", CASES)
regressions = pytest.mark.parametrize("name", REGRESSION_ONLY)


INPUTS = np.random.default_rng(0).standard_normal((15, 4), np.float32)
POINTS = np.random.default_rng(1).standard_normal((15, 4), np.float32)


def labelled_batch(name, num_labelled=10, size=15):
    inputs = INPUTS[:size]
    labels = (inputs[:, 0] > 0).astype(np.int32) + (inputs[:, 1] > 0)
    if name in REGRESSION_ONLY:
        labels = labels.astype(np.float32)
    return Batch(*map(jnp.asarray, (inputs, labels, (np.arange(size) < num_labelled).astype(np.float32))))


def num_samples(posterior):
    return 3 if posterior.max_samples is None else min(3, posterior.max_samples)


class Run(NamedTuple):
    """All that a posterior computes from labelled points."""

    start: Any
    state: Any
    draws: Any
    predictions: Any


def fit_and_predict(posterior, rng_key, start, batch, inputs):
    key_fit, key_sample = jax.random.split(rng_key)
    state, _ = posterior.fit(key_fit, start, batch)
    draws = posterior.sample(key_sample, state, num_samples(posterior))
    return state, draws, posterior.predict(state, draws, inputs)


@functools.cache
def compiled_run(name):
    """Compiling is most of the time: all tests of a posterior use these two programs, and so the same shapes.

    Two, because in one the rounding of the initial state could depend on what is computed from it.
    """
    posterior = ALL_CASES[name]
    init, then = jax.jit(posterior.init), jax.jit(functools.partial(fit_and_predict, posterior))

    def run(rng_key, batch, inputs):
        start = init(rng_key, batch)
        return Run(start, *then(rng_key, start, batch, inputs))

    return run


@functools.cache
def outcome(name, num_labelled=10):
    """A run on so many labels, and its batch."""
    batch = labelled_batch(name, num_labelled)
    return compiled_run(name)(jax.random.key(0), batch, POINTS), batch


@functools.partial(jax.jit, static_argnums=0)
def mean_nll(likelihood, predictions, labels):
    return likelihood.nll(likelihood.reduce(predictions), labels).mean()


@functools.cache
def features(name):
    """The features of six points, and of the same points in the other order."""
    inputs = POINTS[:6]
    call = jax.jit(lambda state, inputs: {key: fn(state, inputs) for key, fn in ALL_CASES[name].features.items()})
    return [jax.tree.map(np.array, call(outcome(name)[0].start, each)) for each in (inputs, inputs[::-1].copy())]


def assert_trees_close(a, b, **tolerance):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **tolerance), a, b)


def test_every_registered_posterior_has_a_case():
    assert not set(CASES) & set(REGRESSION_ONLY)
    assert set(CASES) | set(REGRESSION_ONLY) == set(POSTERIORS)


@cases
def test_functions_take_the_parameters_of_their_protocols_and_say_what_they_do(name):
    posterior = ALL_CASES[name]
    for field, protocol in PROTOCOLS.items():
        functions = posterior.features if field == "features" else {field: getattr(posterior, field)}
        for function in functions.values():
            if function is not None:
                expected = list(inspect.signature(protocol.__call__).parameters)[1:]
                assert list(inspect.signature(function).parameters) == expected, field
                assert inspect.getdoc(function), field


@classifiers
def test_predictions_are_normalised_for_each_draw_and_point(name):
    posterior = ALL_CASES[name]
    log_probs = outcome(name)[0].predictions
    assert log_probs.shape == (num_samples(posterior), 15, 3)
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=-1), 1.0, rtol=1e-5)


@regressions
def test_predictions_are_a_gaussian_for_each_draw_and_point(name):
    posterior = ALL_CASES[name]
    gaussian = outcome(name)[0].predictions
    assert isinstance(gaussian, Gaussian)
    assert gaussian.mean.shape == gaussian.variance.shape == (num_samples(posterior), 15)
    assert (np.array(gaussian.variance) > 0).all()


@cases
def test_fitting_improves_the_likelihood_of_the_labels(name, rng_key):
    posterior = ALL_CASES[name]

    def nll(num_labelled):
        batch = labelled_batch(name, num_labelled)
        predictions = compiled_run(name)(rng_key, batch, INPUTS).predictions
        return float(mean_nll(posterior.likelihood, predictions, batch.labels))

    # Without labels it is the initial state that predicts.
    assert nll(15) < nll(0)


@cases
def test_fit_keeps_the_structure_shapes_and_dtypes_of_the_state(name):
    start, state = outcome(name)[0][:2]
    assert jax.tree.structure(state) == jax.tree.structure(start)
    specs = [jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree) for tree in (state, start)]
    assert specs[0] == specs[1]


@cases
def test_what_padding_rows_hold_changes_nothing(name, rng_key):
    expected, batch = outcome(name)
    inputs, labels, weights = map(np.array, batch)
    padding = weights == 0
    inputs[padding] = 1e3
    labels[padding] = 2 - labels[padding]
    other = batch._replace(inputs=jnp.asarray(inputs), labels=jnp.asarray(labels))
    predictions = compiled_run(name)(rng_key, other, POINTS).predictions
    assert_trees_close(predictions, expected.predictions, rtol=1e-4, atol=1e-5)


@cases
def test_an_empty_batch_returns_the_initial_state(name):
    start, state = outcome(name, num_labelled=0)[0][:2]
    assert_trees_close(state, start, rtol=0)


@cases
def test_draws_are_fixed_functions_whatever_the_chunk_and_the_device(name, rng_key):
    posterior = ALL_CASES[name]
    (_, state, draws, whole), batch = outcome(name)
    # A point that occurs three times is predicted alike: joint predictions are those of one function.
    thrice = compiled_run(name)(rng_key, batch, np.concatenate([POINTS[:5]] * 3)).predictions
    repeated = jax.tree.map(lambda leaf: np.concatenate([np.array(leaf)[:, :5]] * 3, axis=1), whole)
    assert_trees_close(thrice, repeated, rtol=1e-5, atol=2e-6)
    mesh = Mesh(np.array(jax.devices()), ("points",))
    assert mesh.size == 8, "conftest.py forces eight host devices"

    @jax.jit
    def divided(state, draws, inputs):
        """Two points on each device; the size of a chunk is given, so that none is sought by tracing."""

        def points_first(chunk):
            return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 1, 0), posterior.predict(state, draws, chunk))

        return stream(points_first, inputs, mesh=mesh, chunk_size=2)

    parts = jax.tree.map(lambda leaf: np.moveaxis(np.array(leaf), 1, 0), divided(state, draws, POINTS))
    assert_trees_close(parts, whole, rtol=1e-5, atol=2e-6)


@cases
def test_vmap_over_seeds_agrees_with_one_seed_after_another(name, rng_key):
    batch = labelled_batch(name)
    keys = jax.random.split(rng_key, 2)
    together = jax.jit(jax.vmap(lambda key: compiled_run(name)(key, batch, POINTS).predictions))(keys)
    alone = [compiled_run(name)(key, batch, POINTS).predictions for key in keys]
    one_by_one = jax.tree.map(lambda *leaves: np.stack(leaves), *alone)
    assert_trees_close(together, one_by_one, rtol=2e-3, atol=2e-4)


@cases
def test_states_whose_size_is_that_of_the_label_buffer_can_be_extended(name, rng_key):
    posterior = ALL_CASES[name]
    short, long = (jax.eval_shape(posterior.init, rng_key, labelled_batch(name, size=size)) for size in (12, 15))
    extended = short if posterior.extend is None else jax.eval_shape(lambda state: posterior.extend(state, 15), short)
    assert jax.tree.map(jnp.shape, extended) == jax.tree.map(jnp.shape, long)


@cases
def test_features_have_one_row_a_point(name):
    for rows in features(name)[0].values():
        assert rows.shape[0] == 6
        assert rows.ndim == 2


def test_every_posterior_but_those_of_programs_offers_gradients():
    without = {"numpyro_mcmc", "numpyro_svi"}
    assert {name for name, case in ALL_CASES.items() if "gradient" in case.features} == set(ALL_CASES) - without


@cases
def test_gradients_have_the_tangent_kernel_and_do_not_depend_on_the_chunk(name):
    posterior = ALL_CASES[name]
    if "gradient" not in posterior.features or name in REGRESSION_ONLY:
        pytest.skip("not a network")
    gradients, reverse = (each["gradient"] for each in features(name))
    assert gradients.shape == (6, 512)
    np.testing.assert_allclose(reverse[::-1], gradients, rtol=1e-5, atol=1e-6)
    # The kernel of a member and class is at least that of its bias, which is 1: of all classes, the number of outputs.
    assert (np.square(gradients).sum(axis=1) > 1.5).all()


@cases
def test_labels_of_the_wrong_kind_are_refused(name, rng_key):
    posterior = ALL_CASES[name]
    batch = labelled_batch(name)
    needed, wrong = ("floating", jnp.int32) if name in REGRESSION_ONLY else ("integer", jnp.float32)
    with pytest.raises(ValueError, match=needed):
        jax.eval_shape(posterior.init, rng_key, batch._replace(labels=jnp.zeros(15, wrong)))


@cases
def test_more_samples_than_there_are_or_none_where_any_number_is_legal_are_refused(name, rng_key):
    posterior = ALL_CASES[name]
    state = outcome(name)[0].start
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
    "sgld": lambda network, likelihood: sgld(network, likelihood, learning_rate=0.1, exploration=0.0, **LONG_CHAIN),
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
    network = networks.mlp(num_outputs=1, hidden_sizes=(32,), dropout_rate=0.1 if name == "mc_dropout" else 0.0)
    posterior = REGRESSION[name](network, likelihoods.gaussian())
    random = np.random.default_rng(0)
    inputs = random.uniform(-1.0, 1.0, (64, 1)).astype(np.float32)
    labels = 2 * inputs[:, 0] + 0.1 * random.standard_normal(64, np.float32)
    batch = Batch(*map(jnp.asarray, (inputs, labels, np.ones(64, np.float32))))

    @jax.jit
    def run(rng_key, batch):
        start = posterior.init(rng_key, batch)
        *_, gaussian = fit_and_predict(posterior, rng_key, start, batch, batch.inputs)
        return gaussian, posterior.likelihood.reduce(gaussian)

    gaussian, predictive = run(rng_key, batch)
    assert isinstance(gaussian, Gaussian)
    assert gaussian.mean.shape == gaussian.variance.shape == (num_samples(posterior), 64)
    assert np.sqrt(((np.array(predictive.mean) - labels) ** 2).mean()) < 0.4
    assert np.array(gaussian.variance).mean() < 0.3
