"""Noise on training inputs: functions ``(rng_key, inputs) -> inputs`` for the setting ``augment`` of a posterior."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.types import RngKey
from bal.validation import check_count


def crop_and_flip(*, padding: int) -> Callable[[RngKey, Array], Array]:
    """Images shifted by up to ``padding`` pixels in each direction, and mirrored with probability 1/2.

    Pixels beyond the border are 0: black, or the mean colour of normalised inputs.

    Args:
      padding: pixels added on each side before a part of the original size is cut out.

    Raises:
      ValueError: ``padding`` is not a whole number of at least 0, or (when traced) inputs are not [n, height, width,
        channels].

    Example:
      >>> crop_and_flip(padding=4)(jax.random.key(0), jnp.ones((2, 32, 32, 3))).shape
      (2, 32, 32, 3)

    References:
      He et al. 2016, Deep residual learning for image recognition, arXiv:1512.03385, section 4.2
    """
    check_count("padding", padding, least=0)

    def augment(rng_key: RngKey, images: Array) -> Float[Array, "n h w c"]:
        if images.ndim != 4:
            raise ValueError(f"expected images [n, height, width, channels], got shape {list(images.shape)}")
        key_offsets, key_flips = jax.random.split(rng_key)
        border = (padding, padding)
        padded = jnp.pad(images, ((0, 0), border, border, (0, 0)))
        offsets = jax.random.randint(key_offsets, (images.shape[0], 2), 0, 2 * padding + 1)

        def crop(image: Array, offset: Array) -> Array:
            return jax.lax.dynamic_slice(image, (offset[0], offset[1], 0), images.shape[1:])

        cropped = jax.vmap(crop)(padded, offsets)
        flips = jax.random.bernoulli(key_flips, shape=(images.shape[0],))
        return jnp.where(flips[:, None, None, None], cropped[:, :, ::-1], cropped)

    return augment
