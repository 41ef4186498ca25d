"""Each likelihood with predictions and labels, of points and of positions."""

import functools
from typing import Any, NamedTuple

import jax
import numpy as np

from bal.likelihoods import Likelihood, bernoulli, boxes, categorical, gaussian, heteroscedastic_gaussian


class Case(NamedTuple):
    likelihood: Likelihood
    outputs: Any  # [n, D] by the shape of the points [n] or [n, *space]; of boxes, [n, h, w, D]
    labels: Any


GRID, ROOM = (3, 4), 5  # of images with boxes
NUM_OUTPUTS = {
    "boxes": 6,
    "categorical": 4,
    "bernoulli": 3,
    "gaussian": 1,
    "fixed_gaussian": 1,
    "heteroscedastic_gaussian": 2,
}
LIKELIHOODS = {
    "boxes": boxes(stride=4, box_weight=0.5),
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
    if name == "boxes":
        outputs = generator.normal(size=(*points, *GRID, num_outputs)).astype(np.float32)
        return Case(compiled(LIKELIHOODS[name]), outputs, some_boxes(points, generator))
    outputs = generator.normal(size=(*points, num_outputs)).astype(np.float32)
    if name == "categorical":
        labels = generator.integers(0, num_outputs, points)
    elif name == "bernoulli":
        labels = generator.integers(0, 2, (*points, num_outputs))
    else:
        labels = generator.normal(size=points).astype(np.float32) + outputs[..., 0]
    return Case(compiled(LIKELIHOODS[name]), outputs, labels)


def some_boxes(points: tuple[int, ...], generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Boxes in images of 12 x 16 pixels, of which each place has one with probability .6."""
    corners = np.sort(generator.uniform(0, 1, (*points, ROOM, 2, 2)), axis=-2) * (12, 16)
    present = generator.random((*points, ROOM)) < 0.6
    return {
        "boxes": np.where(present[..., None], corners.reshape(*points, ROOM, 4), 0).astype(np.float32),
        "classes": np.where(present, generator.integers(0, NUM_OUTPUTS["boxes"] - 4, present.shape), 0),
        "present": present,
    }


@functools.cache
def params(likelihood: Likelihood):
    return likelihood.init(jax.random.key(0))
