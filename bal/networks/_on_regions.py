"""A network of images, for points that are regions of images."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from bal.networks._network import Network
from bal.regions import Regions
from bal.types import PyTree


def on_regions(network: Network) -> Network:
    """The network with its outputs cut into regions, for the pool of :func:`bal.datasets.by_region`.

    It sees whole images, so that a region's surroundings count. Given all regions of its images
    (:class:`bal.regions.Regions`) it predicts each image once. Given whole images, as a test set has, it is unchanged.

    Args:
      network: of images, whose head and outputs have the space axes of the images, [n, *space, ...], and whose
        intermediate features, where it has some, have space axes of any size.

    Raises:
      ValueError: (from ``train`` and ``features``) intermediate features without space axes.

    Example:
      >>> from bal.networks import unet
      >>> network = on_regions(unet(num_outputs=3, widths=(4, 8)))
      >>> regions = Regions(jnp.zeros((2, 8, 8, 1)), None, grid=(2, 2))
      >>> variables = jax.eval_shape(network.init, jax.random.key(0), regions)
      >>> jax.eval_shape(network.train, jax.random.key(1), variables, regions).outputs.shape
      (8, 4, 4, 3)
    """

    def train(rng_key, variables, inputs):
        trained = network.train(rng_key, variables, _images(inputs))
        return trained._replace(
            outputs=_crop(inputs, trained.outputs), features=_crop_features(inputs, trained.features)
        )

    def trunk(variables, inputs):
        hidden = network.trunk(variables, _images(inputs))
        if isinstance(inputs, Regions):
            return Regions(hidden, inputs.numbers, inputs.grid)
        return hidden

    features = None
    if network.features is not None:
        inner = network.features
        features = lambda variables, inputs: _crop_features(inputs, inner(variables, _images(inputs)))
    return network._replace(
        init=lambda rng_key, inputs: network.init(rng_key, _images(inputs)),
        trunk=trunk,
        head=lambda variables, hidden, rng_key: _crop(hidden, network.head(variables, _images(hidden), rng_key)),
        train=train,
        features=features,
    )


def _images(inputs: PyTree) -> PyTree:
    return inputs.images if isinstance(inputs, Regions) else inputs


def _crop(inputs: Any, maps: jax.Array) -> jax.Array:
    return inputs.crop(maps) if isinstance(inputs, Regions) else maps


def _crop_features(inputs: Any, features: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Each region's part of maps whose space axes are shorter than those of the images."""
    if not isinstance(inputs, Regions):
        return features

    def crop(name: str, maps: jax.Array) -> jax.Array:
        if maps.ndim < 2 + len(inputs.grid):
            raise ValueError(
                f"expected features [n, *space, channels] with {len(inputs.grid)} space axes for regions of images, "
                f"got {name!r} of shape {list(maps.shape)}: leave it out of the network's features"
            )
        for axis, cells in enumerate(inputs.grid, start=1):
            # A position that lies in several regions belongs to each of them.
            maps = jnp.repeat(maps, cells // math.gcd(cells, maps.shape[axis]), axis=axis)
        return inputs.crop(maps)

    return {name: crop(name, maps) for name, maps in features.items()}
