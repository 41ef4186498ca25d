"""Data sets by name, from your own arrays, and variants of them."""

import difflib
from pathlib import Path

from bal.datasets._arrays import check_dataset, from_arrays
from bal.datasets._offline import digits, mnist_5k, two_moons
from bal.datasets._tfds import load_tfds, tfds_names
from bal.datasets._transforms import (
    hold_out_calibration,
    hold_out_validation,
    imbalanced,
    normalised,
    repeated,
    subset,
)
from bal.types import Dataset

OFFLINE = {"digits": digits, "mnist_5k": mnist_5k, "two_moons": two_moons}


def load(name: str, *, data_dir: str | Path | None = None, download: bool = True) -> Dataset:
    """A data set by its name: "digits", "mnist_5k", "two_moons", or any classification set of TFDS.

    Args:
      name: one of ``OFFLINE``, which need no network, or a name in the TFDS catalogue.
      data_dir: where TFDS keeps prepared sets; None is its default.
      download: whether TFDS may download and prepare a set that is not there yet.

    Raises:
      ValueError: unknown name; the message has the nearest known ones.
      ImportError: a package is missing; the message says what to install.
      FileNotFoundError: not prepared, and ``download`` is False.

    Example:
      >>> load("digits").pool_inputs.shape
      (1437, 8, 8, 1)
    """
    if name in OFFLINE:
        return OFFLINE[name]()
    known = tfds_names()
    if name in known:
        return load_tfds(name, data_dir=data_dir, download=download)
    nearest = difflib.get_close_matches(name, [*OFFLINE, *known], n=3) or list(OFFLINE)
    hint = "" if known else "; other sets come from TFDS: pip install 'bal-jax[datasets]'"
    raise ValueError(f"expected the name of a data set, got {name!r}: nearest are {', '.join(nearest)}{hint}")


__all__ = [
    "OFFLINE",
    "check_dataset",
    "from_arrays",
    "hold_out_calibration",
    "hold_out_validation",
    "imbalanced",
    "load",
    "normalised",
    "repeated",
    "subset",
]
