"""Figures of a posterior on its test set: chunks, devices, exact moments, and test sets that do not fit."""

import functools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import spearmanr

from bal.evaluation import evaluate, predictive_loss
from bal.types import Batch, Dataset, Gaussian
from tests.prototypes import class_means, linear_regression

POINTS = np.random.default_rng(0).normal(size=(37, 2)).astype(np.float32)
INPUTS, CLASSES = jnp.asarray(POINTS), jnp.asarray((POINTS > 0).sum(axis=1), jnp.int32)
DATASET = Dataset(INPUTS, CLASSES, INPUTS, CLASSES)
MEANS, LINEAR = class_means(), linear_regression(closed=True)
REAL = jnp.asarray(POINTS[:, 0])


def fitted(posterior, labels):
    @jax.jit
    def fit():
        batch = Batch(INPUTS[:12], labels[:12], jnp.ones(12))
        state, _ = posterior.fit(jax.random.key(1), posterior.init(jax.random.key(0), batch), batch)
        return state, posterior.sample(jax.random.key(2), state, 5)

    state, draws = fit()
    return state, partial(posterior.predict, state, draws)


@functools.cache
def means():
    return fitted(MEANS, CLASSES)


@functools.cache
def linear():
    return fitted(LINEAR, REAL)


def assert_same(a, b):
    assert set(a) == set(b)
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-5, err_msg=name)


def test_chunks_and_devices_give_the_same_figures():
    state, predict = means()

    def run(**settings):
        return jax.jit(lambda: evaluate(MEANS, state, predict, DATASET, **settings))()

    whole = run()
    assert set(whole) == {"accuracy", "nll", "brier", "ece", "auc", "loss_rank_correlation"}
    assert_same(run(chunk_size=36), whole)
    mesh = jax.make_mesh((jax.device_count(),), ("pool",))
    assert_same(run(mesh=mesh, chunk_size=3), whole)
    losses = np.asarray(jax.jit(lambda: predictive_loss(MEANS.likelihood, predict, INPUTS, CLASSES))())
    np.testing.assert_allclose(whole["nll"], losses.mean(), rtol=1e-5)
    expected = spearmanr(MEANS.features["predicted_loss"](state, POINTS)[:, 0], losses).statistic
    np.testing.assert_allclose(whole["loss_rank_correlation"], expected, rtol=1e-5)


def test_a_predictive_distribution_that_is_known_exactly_is_evaluated():
    state, predict = linear()
    exact = LINEAR._replace(moments=lambda state, inputs: Gaussian(inputs @ state[0], jnp.ones(inputs.shape[0])))

    @jax.jit
    def figures():
        dataset = DATASET._replace(test_labels=REAL)
        return [evaluate(posterior, state, predict, dataset) for posterior in (exact, LINEAR)]

    known, drawn = figures()
    residuals = POINTS.astype(np.float64) @ np.asarray(state[0]) - POINTS[:, 0]
    np.testing.assert_allclose(known["rmse"], np.sqrt((residuals**2).mean()), rtol=1e-5)
    assert known["nll"] != drawn["nll"]


def test_without_a_test_set_there_are_no_figures():
    state, predict = means()
    assert evaluate(MEANS, state, predict, DATASET._replace(test_labels=None)) == {}


@pytest.mark.parametrize(
    ("inputs", "labels", "message"),
    [
        (INPUTS, CLASSES[:30], "30 labels for 37 points"),
        (INPUTS[:0], CLASSES[:0], "at least one point"),
        (INPUTS, CLASSES.astype(jnp.float32), "integer dtype"),
        (INPUTS, CLASSES + 1, "from 0 to 2.*got 3"),
        (INPUTS, CLASSES - 1, "from 0 to 2.*got -1"),
    ],
)
def test_a_test_set_that_does_not_fit_is_refused(inputs, labels, message):
    state, predict = means()
    with pytest.raises(ValueError, match=message):
        evaluate(MEANS, state, predict, DATASET._replace(test_inputs=inputs, test_labels=labels))


def test_real_test_labels_of_nan_are_refused():
    state, predict = linear()
    with pytest.raises(ValueError, match="finite labels"):
        evaluate(LINEAR, state, predict, DATASET._replace(test_labels=REAL.at[3].set(jnp.nan)))
