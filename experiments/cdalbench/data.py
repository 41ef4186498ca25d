"""Two sets that are drawn anew for each run: one defeats uncertainty, the other one clustering."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import bal
from bal.types import Batch, Description

TEST, VALIDATION = 0.2, 0.2  # shares, of all points and of the others


class Problem(NamedTuple):
    """A set, and the network that learns it in the benchmark."""

    draw: Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]  # -> points [n, 2], classes [n]
    hidden_sizes: tuple[int, ...]


def three_clusters(generator: np.random.Generator, size: int = 150) -> tuple[np.ndarray, np.ndarray]:
    """Two clusters of one class each, and between them one of both classes, whose labels say nothing.

    Half of all points lie in the mixed cluster, so no model is right more often than in three of four cases, by chance
    aside. It covers the boundary between the other two, which attracts every rule that looks for uncertain points.

    Args:
      generator: draws the points, from unit normal distributions around (0, 0), (0, 6) and, of both classes, (4, 3).
      size: points of a class in a cluster.
    """
    centres = np.array([(0, 0), (4, 3), (0, 6), (4, 3)], float)
    points = np.concatenate([centre + generator.normal(size=(size, 2)) for centre in centres])
    return points, np.repeat([1, 1, 0, 0], size)


def diverging_sine(generator: np.random.Generator, size: int = 500) -> tuple[np.ndarray, np.ndarray]:
    r"""Two classes along two waves that start from one height and move apart.

    .. math:: y = \sin(2 x) \pm x / 2 + \varepsilon, \qquad \varepsilon \sim N(0, 0.3^2), \quad 0 \le x \le 10

    Only the left end is difficult; rules that spread over the inputs ask for most of their labels elsewhere.

    Args:
      generator: draws the noise.
      size: points of a class.
    """
    position = np.tile(np.linspace(0, 10, size), 2)
    label = np.repeat([1, 0], size)
    height = np.sin(2 * position) + np.where(label == 1, 1, -1) * position / 2 + 0.3 * generator.normal(size=2 * size)
    return np.stack([position, height], axis=1), label


PROBLEMS = {"three_clusters": Problem(three_clusters, (12, 16)), "diverging_sine": Problem(diverging_sine, (24, 2))}


def drawn(problem: Problem, seeds: Sequence[int]) -> bal.Dataset:
    """A set for each seed, leaves [seeds, ...]: a fifth for the test, a fifth of the others for early stopping."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *(_drawn(problem, seed) for seed in seeds))


def _drawn(problem: Problem, seed: int) -> bal.Dataset:
    generator = np.random.default_rng(seed)
    points, labels = problem.draw(generator)
    order = generator.permutation(len(points))
    test, others = np.split(order, [round(TEST * len(points))])
    validation, pool = np.split(others, [round(VALIDATION * len(others))])
    low, high = points[others].min(axis=0), points[others].max(axis=0)
    points, labels = ((points - low) / (high - low)).astype(np.float32), labels.astype(np.int32)
    return bal.Dataset(
        points[pool],
        labels[pool],
        points[test],
        labels[test],
        validation=Batch(points[validation], labels[validation], jnp.ones(len(validation))),
        about=Description(num_classes=2),
    )
