"""Known functions with known noise, drawn at random points that are always the same."""

import numpy as np

from bal.datasets._tabular import tabular
from bal.datasets._target import Target
from bal.types import Dataset

NUM_POOL, NUM_TEST = 2000, 1000


def friedman() -> Dataset:
    r"""Regression: Friedman's function of 5 of 10 inputs, noise 1: 2,000 points in the pool, 1,000 in the test set.

    .. math:: y = 10 \sin(\pi x_1 x_2) + 20 (x_3 - \tfrac12)^2 + 10 x_4 + 5 x_5 + \epsilon, \quad \epsilon \sim N(0, 1)

    Inputs are uniform in [0, 1], then standardised, and so are the labels; ``about`` holds their unit. No model has an
    ``rmse`` below that of the noise, 1.

    References:
      Friedman 1991, Multivariate adaptive regression splines, Annals of Statistics 19(1)
    """
    generator = np.random.default_rng(0)
    x = generator.uniform(size=(NUM_POOL + NUM_TEST, 10))
    mean = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return _dataset(x, mean + generator.normal(size=len(x)))


def wave() -> Dataset:
    r"""Regression: a sine of one input, noise 0.1: 2,000 points in the pool, 1,000 in the test set.

    .. math:: y = \sin(4 x) + \epsilon, \quad x \sim U(-2, 2), \quad \epsilon \sim N(0, 0.1^2)

    Inputs and labels are standardised; ``about`` holds the unit of the labels. No model has an ``rmse`` below 0.1.
    """
    generator = np.random.default_rng(0)
    x = generator.uniform(-2, 2, size=(NUM_POOL + NUM_TEST, 1))
    return _dataset(x, np.sin(4 * x[:, 0]) + 0.1 * generator.normal(size=len(x)))


def _dataset(inputs: np.ndarray, labels: np.ndarray) -> Dataset:
    return tabular(
        inputs,
        Target("y", labels, ()),
        input_names=[f"x{number}" for number in range(1, inputs.shape[1] + 1)],
        is_numeric=np.ones(inputs.shape[1], bool),
        is_test=np.arange(len(labels)) >= NUM_POOL,
    )
