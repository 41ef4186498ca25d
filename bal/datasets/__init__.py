"""Data sets by name, from your own arrays and tables, and variants of them."""

import difflib
from pathlib import Path

from bal.datasets._arrays import from_arrays
from bal.datasets._by_region import by_region
from bal.datasets._checks import check_dataset
from bal.datasets._folder import from_folder
from bal.datasets._normalised import normalised
from bal.datasets._offline import digits, mnist_5k, two_moons
from bal.datasets._points import map_inputs
from bal.datasets._protein_homology import protein_homology
from bal.datasets._reviews import clothing_review_tokens, clothing_reviews
from bal.datasets._scikit_learn import breast_cancer, diabetes, wine
from bal.datasets._table import from_table
from bal.datasets._texts import text_features, token_ids
from bal.datasets._tfds import load_tfds, tfds_names
from bal.datasets._transforms import hold_out_calibration, hold_out_validation, imbalanced, repeated, subset
from bal.types import Dataset

# Sets that need no network. The first line of each docstring describes the set.
OFFLINE = {
    "breast_cancer": breast_cancer,
    "clothing_review_tokens": clothing_review_tokens,
    "clothing_reviews": clothing_reviews,
    "diabetes": diabetes,
    "digits": digits,
    "mnist_5k": mnist_5k,
    "protein_homology": protein_homology,
    "two_moons": two_moons,
    "wine": wine,
}


def load(name: str, *, data_dir: str | Path | None = None, download: bool = True) -> Dataset:
    """A data set by its name: one of ``OFFLINE``, or any classification set of TFDS.

    Args:
      name: one of ``OFFLINE``, which need no network, or a name in the TFDS catalogue.
      data_dir: where TFDS keeps prepared sets; None is its default.
      download: whether TFDS may download and prepare a set that is not there yet.

    Raises:
      ValueError: unknown name; the message lists the nearest known ones.
      ImportError: a package is missing; the message says what to install.
      FileNotFoundError: the set is not prepared, and ``download`` is False.

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
    "by_region",
    "check_dataset",
    "from_arrays",
    "from_folder",
    "from_table",
    "hold_out_calibration",
    "hold_out_validation",
    "imbalanced",
    "load",
    "map_inputs",
    "normalised",
    "repeated",
    "subset",
    "text_features",
    "token_ids",
]
