"""Convolutional networks take images in pieces on a CPU, so that their feature maps stay in the cache."""

import math
from collections.abc import Callable

import jax

from bal.types import PyTree

# What a convolutional network takes at a time: at most so many images, of so many positions in all.
CPU_IMAGES = 32
CPU_POSITIONS = CPU_IMAGES * 28 * 28


def map_images(fn: Callable[[PyTree], PyTree], images: PyTree) -> PyTree:
    """A function of images, on a CPU a few at a time.

    Args:
      fn: leaves [n, H, W, ...] -> leaves [n * k, ...], k points an image: its regions, or 1. The result of an image
        must not depend on the others.
      images: leaves [n, ...]; the first has the most positions.
    """
    first = jax.tree.leaves(images)[0]
    size = min(CPU_IMAGES, max(1, CPU_POSITIONS // math.prod(first.shape[1:3])))
    if jax.default_backend() != "cpu" or first.shape[0] <= size:
        return fn(images)

    by_image = jax.lax.map(lambda image: fn(jax.tree.map(lambda leaf: leaf[None], image)), images, batch_size=size)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), by_image)


def are_maps(hidden: PyTree) -> bool:
    """Whether these are feature maps. Most trunks end in vectors, of which a product takes as many as there are."""
    return jax.tree.leaves(hidden)[0].ndim == 4
