"""The log loss that is left after one temperature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import bal
from bal.studies.tasks import Task
from bal.types import Gaussian
from experiments.tables.calibration import NAME, RANGE, CalibratedTask, calibrated, inverse_temperature


def too_sure(num_points=400, factor=4.0):
    """Labels drawn from probabilities, and predictions whose log-odds are too large by a factor."""
    logits = np.random.default_rng(0).normal(size=(num_points, 3))
    labels = jax.random.categorical(jax.random.key(1), jnp.array(logits))
    return jax.nn.log_softmax(factor * jnp.array(logits, jnp.float32)), labels


def nll_at(log_probs, labels, factor):
    scaled = np.asarray(log_probs, np.float64) * factor
    return float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(labels)), labels]))


def best_factor(log_probs, labels):
    return minimize_scalar(lambda factor: nll_at(log_probs, labels, factor), bounds=RANGE, method="bounded").x


def test_the_temperature_is_that_of_a_general_optimiser_and_undoes_a_factor():
    log_probs, labels = too_sure()
    found = float(jax.jit(inverse_temperature)(log_probs, labels, jnp.ones(400)))
    assert found == pytest.approx(best_factor(log_probs, labels), rel=1e-4)
    assert 1 / found == pytest.approx(4, rel=0.15)
    half = jnp.arange(400) < 200
    garbage = jnp.where(half[:, None], log_probs, jnp.nan)
    assert float(inverse_temperature(garbage, labels, half * 1.0)) == pytest.approx(
        best_factor(log_probs[:200], labels[:200]), rel=1e-4
    )


def test_without_a_mistake_the_temperature_is_the_least():
    assert float(inverse_temperature(jnp.log(jnp.array([[0.9, 0.1]])), jnp.array([0]), jnp.ones(1))) == pytest.approx(
        RANGE[1], rel=1e-5
    )


def test_each_half_of_the_test_set_is_calibrated_by_the_other():
    log_probs, labels = too_sure()
    likelihood = calibrated(bal.likelihoods.categorical())
    found = likelihood.figures(likelihood.tally(log_probs, labels, jnp.ones(400)))
    halves = [(log_probs[start::2], labels[start::2]) for start in (0, 1)]
    expected = [nll_at(*halves[1 - other], best_factor(*halves[other])) for other in (0, 1)]
    assert float(found[NAME]) == pytest.approx(np.mean(expected), rel=1e-5)
    assert float(found[NAME]) < 0.6 * float(found["nll"])
    plain = bal.likelihoods.categorical()
    assert set(found) - set(plain.figures(plain.tally(log_probs, labels, jnp.ones(400)))) == {NAME}
    # Points of weight 0, which fill the last chunk of a test set, change nothing.
    filled = jnp.concatenate([log_probs, jnp.full((6, 3), jnp.nan)]), jnp.concatenate([labels, jnp.zeros(6, int)])
    again = likelihood.figures(likelihood.tally(*filled, (jnp.arange(406) < 400) * 1.0))
    assert float(again[NAME]) == pytest.approx(float(found[NAME]), rel=1e-5)


def test_an_impossible_class_leaves_the_temperature_of_the_others():
    log_probs, labels = too_sure()
    one_more = jnp.concatenate([log_probs, jnp.full((400, 1), -jnp.inf)], axis=1)
    found = [inverse_temperature(each, labels, jnp.ones(400)) for each in (one_more, log_probs)]
    assert float(found[0]) == pytest.approx(float(found[1]), rel=1e-5)


def test_a_task_of_numbers_keeps_its_metrics():
    points = Gaussian(jnp.zeros(4), jnp.ones(4)), jnp.arange(4.0), jnp.ones(4)
    ours, theirs = (each(1, classes=False).likelihood for each in (CalibratedTask, Task))
    assert set(ours.figures(ours.tally(*points))) == set(theirs.figures(theirs.tally(*points)))
