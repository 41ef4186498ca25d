"""Depth: its metrics against loops over the valid positions, and bad labels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.likelihoods import dense, depth, heteroscedastic_gaussian
from bal.types import Gaussian

UNIT, SHIFT = 2.0, 6.0
RNG = np.random.default_rng(0)
LABELS = np.clip(RNG.normal(size=(4, 3, 5)), -2, 2).astype(np.float32)
LABELS[0, 0, :3] = np.nan
LABELS[3] = np.nan  # an image without a valid position
WEIGHTS = np.array([1.0, 1.0, 0.0, 1.0], np.float32)
MEAN = (np.nan_to_num(LABELS) + 0.5 * RNG.normal(size=LABELS.shape)).astype(np.float32)
MEAN[1, 1, 1] = -4.0  # a predicted depth below 0
VARIANCE = RNG.exponential(size=LABELS.shape).astype(np.float32)


@jax.jit
def figures_of(mean, variance, labels, weights):
    likelihood = depth(unit=UNIT, shift=SHIFT)
    return likelihood.figures(likelihood.tally(Gaussian(mean, variance), labels, weights))


def area(errors, ranks):
    order = np.argsort(ranks)
    return np.mean([errors[order[:k]].mean() for k in range(1, len(errors) + 1)])


def test_figures_are_those_of_loops_over_valid_positions():
    figures = figures_of(MEAN, VARIANCE, LABELS, WEIGHTS)
    relative, within, areas = [], [], []
    for image in (0, 1):
        valid = ~np.isnan(LABELS[image])
        true = UNIT * LABELS[image][valid].astype(np.float64) + SHIFT
        predicted = UNIT * MEAN[image][valid].astype(np.float64) + SHIFT
        errors = np.abs(true - predicted)
        relative += (errors / true).tolist()
        within += [p > 0 and max(p / t, t / p) < 1.25 for p, t in zip(predicted, true, strict=True)]
        areas.append((area(errors, VARIANCE[image][valid]) - area(errors, errors)) / errors.mean())
    np.testing.assert_allclose(figures["abs_rel"], np.mean(relative), rtol=1e-5)
    np.testing.assert_allclose(figures["delta_1"], np.mean(within), rtol=1e-5)
    np.testing.assert_allclose(figures["ause"], np.mean(areas), rtol=1e-4)
    valid = ~np.isnan(LABELS[:2])
    squared = (UNIT * (MEAN[:2] - LABELS[:2])[valid].astype(np.float64)) ** 2
    np.testing.assert_allclose(figures["rmse"], np.sqrt(squared.mean()), rtol=1e-5)


def test_what_invalid_positions_and_weightless_images_hold_changes_nothing():
    expected = figures_of(MEAN, VARIANCE, LABELS, WEIGHTS)
    mean, variance = np.where(np.isnan(LABELS), np.nan, MEAN), np.where(np.isnan(LABELS), np.nan, VARIANCE)
    mean[2], variance[2] = np.nan, np.nan
    for name, value in figures_of(mean, variance, LABELS, WEIGHTS).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-6, err_msg=name)


def test_the_loss_is_that_of_dense_noise():
    outputs = jnp.asarray(RNG.normal(size=(4, 3, 5, 2)), jnp.float32)
    same = dense(heteroscedastic_gaussian(unit=UNIT), void=float("nan"))
    losses = [each.loss((), outputs, jnp.asarray(LABELS)) for each in (depth(unit=UNIT, shift=SHIFT), same)]
    np.testing.assert_array_equal(*losses)
    assert np.isfinite(losses[0]).all()
    assert depth().predicts == "dense gaussian"


def test_depths_that_are_not_positive_are_refused():
    with pytest.raises(ValueError, match="depths above 0"):
        depth(unit=UNIT).check(LABELS[:3])
    with pytest.raises(ValueError, match="depths above 0"):
        depth(unit=UNIT, shift=SHIFT).check(np.full((1, 2, 2), -3.0, np.float32))
    with pytest.raises(ValueError, match="unit"):
        depth(unit=0.0)
    depth(unit=UNIT, shift=SHIFT).check(LABELS[:3])
