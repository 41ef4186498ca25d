"""Data sets whose labels are depth maps with invalid pixels."""

import dataclasses

import numpy as np
from jaxtyping import Float

from bal.datasets._arrays import from_arrays
from bal.types import Dataset


def with_depth(
    pool_inputs: np.ndarray,
    pool_depth: Float[np.ndarray, "N H W"],
    test_inputs: np.ndarray,
    test_depth: Float[np.ndarray, "T H W"],
) -> Dataset:
    """A data set of depth maps in metres, NaN where they are invalid, standardised by the valid pixels of the pool.

    Example:
      >>> images, depth = np.zeros((2, 1, 2, 1)), np.array([[[1.0, np.nan]], [[3.0, 3.0]]])
      >>> dataset = with_depth(images, depth, images, depth)
      >>> round(float(np.nanmean(dataset.pool_labels)), 6), round(dataset.about.label_shift, 4)
      (0.0, 2.3333)
    """
    # Sums of millions of pixels need more than single precision.
    shift, scale = float(np.nanmean(pool_depth, dtype=np.float64)), float(np.nanstd(pool_depth, dtype=np.float64))
    pool_labels, test_labels = (((depth - shift) / scale).astype(np.float32) for depth in (pool_depth, test_depth))
    dataset = from_arrays(pool_inputs, pool_labels, test_inputs, test_labels, void=np.nan)
    return dataset._replace(about=dataclasses.replace(dataset.about, label_scale=scale, label_shift=shift))
