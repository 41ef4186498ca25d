"""Scenes of digits with depth, whose images are standardised: a small U-Net learns faster from numbers around 0."""

import bal

IMAGE_SIZE = 48


def standardised_scenes() -> bal.Dataset:
    """The scenes of ``--dataset digit_scenes --task depth``, of 48 x 48 pixels, with mean 0 and variance 1."""
    return bal.datasets.normalised(bal.datasets.load("digit_scenes", task="depth", image_size=IMAGE_SIZE))
