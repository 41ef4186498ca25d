"""Figures of a posterior on its test set: chunks, devices, exact moments, and test sets that do not fit."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.evaluation import evaluate, predictive_loss
from bal.metrics import spearman
from bal.types import Batch, Dataset, Gaussian
from tests.prototypes import class_means, linear_regression

INPUTS = jax.random.normal(jax.random.key(0), (37, 2))
CLASSES = (INPUTS[:, 0] > 0).astype(jnp.int32) + (INPUTS[:, 1] > 0)
DATASET = Dataset(INPUTS, CLASSES, INPUTS, CLASSES)


def fitted(posterior, labels):
    batch = Batch(INPUTS[:12], labels[:12], jnp.ones(12))
    state, _ = posterior.fit(jax.random.key(1), posterior.init(jax.random.key(0), batch), batch)
    return state, partial(posterior.predict, state, posterior.sample(jax.random.key(2), state, 5))


def assert_same(a, b):
    assert set(a) == set(b)
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-5, err_msg=name)


def test_chunks_and_devices_give_the_same_figures():
    posterior = class_means()
    state, predict = fitted(posterior, CLASSES)

    def run(**settings):
        return jax.jit(lambda: evaluate(posterior, state, predict, DATASET, **settings))()

    whole = run()
    assert set(whole) == {"accuracy", "nll", "brier", "ece", "auc", "loss_rank_correlation"}
    assert_same(run(chunk_size=36), whole)
    mesh = jax.make_mesh((jax.device_count(),), ("pool",))
    assert_same(run(mesh=mesh, chunk_size=3), whole)
    losses = predictive_loss(posterior.likelihood, predict, INPUTS, CLASSES)
    np.testing.assert_allclose(whole["nll"], losses.mean(), rtol=1e-5)
    expected = spearman(posterior.features["predicted_loss"](state, INPUTS)[:, 0], losses, jnp.ones(37))
    np.testing.assert_allclose(whole["loss_rank_correlation"], expected, rtol=1e-5)


def test_a_predictive_distribution_that_is_known_exactly_is_evaluated():
    posterior, labels = linear_regression(closed=True), INPUTS[:, 0]
    dataset = DATASET._replace(test_labels=labels)
    state, predict = fitted(posterior, labels)
    exact = posterior._replace(moments=lambda state, inputs: Gaussian(inputs @ state[0], jnp.ones(inputs.shape[0])))
    figures = evaluate(exact, state, predict, dataset)
    np.testing.assert_allclose(figures["rmse"], jnp.sqrt(((INPUTS @ state[0] - labels) ** 2).mean()), rtol=1e-5)
    assert figures["nll"] != evaluate(posterior, state, predict, dataset)["nll"]


def test_without_a_test_set_there_are_no_figures():
    posterior = class_means()
    state, predict = fitted(posterior, CLASSES)
    assert evaluate(posterior, state, predict, DATASET._replace(test_labels=None)) == {}


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
    posterior = class_means()
    state, predict = fitted(posterior, CLASSES)
    with pytest.raises(ValueError, match=message):
        evaluate(posterior, state, predict, DATASET._replace(test_inputs=inputs, test_labels=labels))


def test_real_test_labels_of_nan_are_refused():
    posterior, labels = linear_regression(closed=True), INPUTS[:, 0]
    state, predict = fitted(posterior, labels)
    with pytest.raises(ValueError, match="finite labels"):
        evaluate(posterior, state, predict, DATASET._replace(test_labels=labels.at[3].set(jnp.nan)))
