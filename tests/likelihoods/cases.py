"""Each likelihood with predictions and labels, of points and of positions."""

import functools
from typing import NamedTuple

import jax
import numpy as np

from bal.likelihoods import Likelihood, bernoulli, categorical, gaussian, heteroscedastic_gaussian


class Case(NamedTuple):
    likelihood: Likelihood
    outputs: np.ndarray  # [n, D] by the shape of the points [n] or [n, *space]
    labels: np.ndarray


NUM_OUTPUTS = {"categorical": 4, "bernoulli": 3, "gaussian": 1, "fixed_gaussian": 1, "heteroscedastic_gaussian": 2}
LIKELIHOODS = {
    "categorical": categorical(),
    "bernoulli": bernoulli(),
    "gaussian": gaussian(initial_noise=0.7),
    "fixed_gaussian": gaussian(noise=0.7, unit=3.0),
    "heteroscedastic_gaussian": heteroscedastic_gaussian(unit=2.0),
}


COMPILED = ("loss", "predictive", "reduce", "nll", "tally", "figures", "information")


def compiled(likelihood: Likelihood) -> Likelihood:
    """One program for each shape, where each operation by itself would be one."""
    return likelihood._replace(**{name: jax.jit(getattr(likelihood, name)) for name in COMPILED})


def case(name: str, points: tuple[int, ...], *, seed: int = 0) -> Case:
    generator = np.random.default_rng(seed)
    num_outputs = NUM_OUTPUTS[name]
    outputs = generator.normal(size=(*points, num_outputs)).astype(np.float32)
    if name == "categorical":
        labels = generator.integers(0, num_outputs, points)
    elif name == "bernoulli":
        labels = generator.integers(0, 2, (*points, num_outputs))
    else:
        labels = generator.normal(size=points).astype(np.float32) + outputs[..., 0]
    return Case(compiled(LIKELIHOODS[name]), outputs, labels)


@functools.cache
def params(likelihood: Likelihood):
    return likelihood.init(jax.random.key(0))
