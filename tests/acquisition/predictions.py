"""Predictions in float64 for the loops, and their logarithms for the scores."""

import jax
import numpy as np


def random_probs(seed, num_points, num_draws=6, num_classes=3, concentration=0.5):
    return np.random.default_rng(seed).dirichlet(np.full(num_classes, concentration), size=(num_draws, num_points))


def to_log(probs):
    with np.errstate(divide="ignore"):
        return jax.device_put(np.log(probs).astype(np.float32))
