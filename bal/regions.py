"""Regions of images as points: each is labelled by itself, and an image is predicted once for all of its regions.

A pool of I images that a grid divides into P regions has N = I P points. Region p of image i is point i P + p; regions
are numbered along the last space axis first.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from bal.sources import Source, take_rows
from bal.types import PyTree
from bal.validation import check_count


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Regions:
    """Inputs that are regions of images: all of every image, or one of each."""

    images: PyTree  # leaves [I, *space, ...], or a pool on disk
    numbers: PyTree  # integers [I], which region of each image; None: all of them
    grid: tuple[int, ...] = dataclasses.field(metadata={"static": True})  # regions along each space axis

    @property
    def num_regions(self) -> int:
        """Points that an image stands for."""
        return math.prod(self.grid) if self.numbers is None else 1

    def take(self, indices: Int[Array, " n"]) -> "Regions":
        """One region each, [n] images; the absent index N gives an image of zeros."""
        images, numbers = indices, None
        if self.numbers is None:
            images, numbers = jnp.divmod(indices, self.num_regions)
        else:
            numbers = self.numbers.at[indices].get(mode="fill", fill_value=0)
        if isinstance(self.images, Source):
            rows = take_rows(self.images, images)
        else:
            rows = jax.tree.map(lambda leaf: jnp.asarray(leaf).at[images].get(mode="fill", fill_value=0), self.images)
        return Regions(rows, numbers.astype(jnp.int32), self.grid)

    def crop(self, maps: Array) -> Array:
        """The regions' part of maps [I, *space, ...] of the images: [I * num_regions, *space / grid, ...]."""
        cut = divided(maps, self.grid)
        if self.numbers is None:
            return cut.reshape(-1, *cut.shape[2:])
        return jnp.take_along_axis(cut, self.numbers.reshape(-1, *[1] * (cut.ndim - 1)), axis=1)[:, 0]


def divided(maps: Array | np.ndarray, grid: Any) -> Any:
    """Cut maps [I, *space, ...] into the cells of a grid: [I, P, *space / grid, ...].

    Raises:
      ValueError: a grid that does not divide the space axes, or has another number of axes.
    """
    check_grid(grid)
    count, rest = len(grid), maps.shape[1 + len(grid) :]
    space = maps.shape[1 : 1 + count]
    if len(space) != count or any(length % cells for length, cells in zip(space, grid, strict=True)):
        raise ValueError(
            f"expected space axes that the grid {list(grid)} divides, got maps of shape {list(maps.shape)}: "
            "choose a grid that divides height and width"
        )
    cells = [length // parts for length, parts in zip(space, grid, strict=True)]
    split = maps.reshape(maps.shape[0], *[size for pair in zip(grid, cells, strict=True) for size in pair], *rest)
    order = [0, *range(1, 2 * count, 2), *range(2, 2 * count + 1, 2), *range(2 * count + 1, split.ndim)]
    return split.transpose(order).reshape(maps.shape[0], math.prod(grid), *cells, *rest)


def check_grid(grid: Any) -> None:
    """Raise unless a grid has one or more counts of at least 1."""
    if not isinstance(grid, tuple) or not grid:
        raise ValueError(f"expected grid to be a tuple such as (4, 4), regions along each space axis, got {grid!r}")
    for cells in grid:
        check_count("grid", cells)
