"""Augmentation: every image is one of the crops and mirror images that there are, and all of them occur."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal.augmentation import crop_and_flip


def test_every_image_is_a_crop_or_its_mirror_image_and_all_occur(rng_key):
    image = np.arange(1, 13, dtype=np.float32).reshape(3, 4, 1)
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    crops = [padded[x : x + 3, y : y + 4] for x in range(3) for y in range(3)]
    expected = {crop.tobytes() for crop in crops} | {np.ascontiguousarray(crop[:, ::-1]).tobytes() for crop in crops}
    count = 2000
    augmented = jax.jit(crop_and_flip(padding=1))(rng_key, jnp.repeat(image[None], count, axis=0))
    images, counts = np.unique(np.asarray(augmented).reshape(count, -1), axis=0, return_counts=True)
    assert {row.tobytes() for row in images} == expected
    # Eighteen of equal probability, within five standard errors.
    assert (np.abs(counts - count / 18) < 5 * np.sqrt(count / 18)).all()


def test_padding_and_inputs_that_cannot_be_are_refused(rng_key):
    with pytest.raises(ValueError, match="padding"):
        crop_and_flip(padding=-1)
    with pytest.raises(ValueError, match="height, width, channels"):
        crop_and_flip(padding=2)(rng_key, jnp.zeros((3, 4)))
