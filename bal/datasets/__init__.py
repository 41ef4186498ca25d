"""Data sets by name, from your own arrays and tables, and variants of them."""

import difflib
import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

from bal.datasets._arrays import from_arrays
from bal.datasets._by_region import by_region
from bal.datasets._checks import check_dataset
from bal.datasets._digit_scenes import digit_scenes, digit_scenes_dataset
from bal.datasets._folder import from_folder
from bal.datasets._functions import friedman, wave
from bal.datasets._normalised import normalised
from bal.datasets._offline import digits, mnist_5k, two_moons
from bal.datasets._packaged import abalone, california_housing, concrete, diamonds
from bal.datasets._packaged_images import mni152, stardist_nuclei, stardist_nuclei_3d
from bal.datasets._points import map_inputs
from bal.datasets._protein_homology import protein_homology
from bal.datasets._reviews import clothing_review_tokens, clothing_reviews
from bal.datasets._scene import Scenes
from bal.datasets._scikit_learn import breast_cancer, diabetes, wine
from bal.datasets._table import from_table
from bal.datasets._texts import text_features, token_ids
from bal.datasets._tfds import load_tfds, tfds_names
from bal.datasets._tfds_dense import nyu_depth_v2, oxford_iiit_pet, voc
from bal.datasets._transforms import hold_out_calibration, hold_out_validation, imbalanced, repeated, subset
from bal.types import Dataset
from bal.validation import check_choice

# Sets that need no network. The first line of each docstring describes the set.
OFFLINE: dict[str, Callable[..., Dataset]] = {
    "abalone": abalone,
    "breast_cancer": breast_cancer,
    "california_housing": california_housing,
    "concrete": concrete,
    "clothing_review_tokens": clothing_review_tokens,
    "clothing_reviews": clothing_reviews,
    "diabetes": diabetes,
    "diamonds": diamonds,
    "digit_scenes": digit_scenes_dataset,
    "digits": digits,
    "friedman": friedman,
    "mni152": mni152,
    "mnist_5k": mnist_5k,
    "protein_homology": protein_homology,
    "stardist_nuclei": stardist_nuclei,
    "stardist_nuclei_3d": stardist_nuclei_3d,
    "two_moons": two_moons,
    "wave": wave,
    "wine": wine,
}

# Sets of TFDS with a loader of their own; any of its classification sets needs none.
DENSE_TFDS: dict[str, Callable[..., Dataset]] = {
    "nyu_depth_v2": nyu_depth_v2,
    "oxford_iiit_pet": oxford_iiit_pet,
    "voc": voc,
}

Task = Literal["classification", "segmentation", "foreground", "detection", "depth"]

# What the labels of a set may be, the default first. Sets that are not here have one label a point.
TASKS: dict[str, tuple[Task, ...]] = {
    "digit_scenes": ("segmentation", "foreground", "detection", "depth"),
    "mni152": ("segmentation",),
    "nyu_depth_v2": ("depth",),
    "oxford_iiit_pet": ("classification", "segmentation"),
    "stardist_nuclei": ("segmentation",),
    "stardist_nuclei_3d": ("segmentation",),
    "voc": ("detection",),
}


def load(
    name: str,
    *,
    task: Task | None = None,
    image_size: int | None = None,
    data_dir: str | Path | None = None,
    download: bool = True,
    on_disk: bool = False,
) -> Dataset:
    """A data set by its name: one of ``OFFLINE``, or any classification set and some dense sets of TFDS.

    Args:
      name: one of ``OFFLINE``, which need no network, or a name in the TFDS catalogue.
      task: which labels to load, for a set that ``TASKS`` lists; None is the first of its tasks.
      image_size: rows and columns of the images of such a set; None is its default.
      data_dir: where TFDS keeps prepared sets; None is its default.
      download: whether TFDS may download and prepare a set that is not there yet.
      on_disk: keep the inputs of the pool on disk, as a :class:`bal.Source`; for classification sets of TFDS.

    Raises:
      ValueError: unknown name, with the nearest known ones in the message; a task that the set does not have; an
        ``image_size`` for a set whose images cannot be drawn, cut or resized; or ``on_disk`` for another set.
      ImportError: a package is missing; the message says what to install.
      FileNotFoundError: the set is not prepared, and ``download`` is False.

    Example:
      >>> load("digits").pool_inputs.shape
      (1437, 8, 8, 1)
    """
    _check_name(name)
    tasks = TASKS.get(name, ())
    if task is not None:
        if not tasks:
            raise ValueError(f"expected no task for data set {name!r}, which has one label a point, got {task!r}")
        check_choice(f"task of data set {name!r}", task, tasks)
    elif tasks:
        task = tasks[0]
    factory = _factory(name, task)
    available: dict[str, Any] = {
        "task": task, "image_size": image_size, "data_dir": data_dir, "download": download, "on_disk": on_disk,
    }  # fmt: skip
    parameters = inspect.signature(factory).parameters
    if on_disk and "on_disk" not in parameters:
        raise ValueError(
            f"expected a classification set of TFDS to keep on disk, got {name!r}: a function that returns a Dataset "
            "with a bal.Source keeps any other there"
        )
    if image_size is None:
        del available["image_size"]
    elif "image_size" not in parameters:
        raise ValueError(f"expected no image_size for data set {name!r}, whose inputs have one size, got {image_size}")
    return factory(**{key: value for key, value in available.items() if key in parameters})


def _check_name(name: str) -> None:
    if name in OFFLINE:
        return
    known = tfds_names()
    if name not in known:
        nearest = difflib.get_close_matches(name, [*OFFLINE, *known], n=3) or list(OFFLINE)
        hint = "" if known else "; other sets come from TFDS: pip install 'bal-jax[datasets]'"
        raise ValueError(f"expected the name of a data set, got {name!r}: nearest are {', '.join(nearest)}{hint}")


def _factory(name: str, task: Task | None) -> Callable[..., Dataset]:
    if name in OFFLINE:
        return OFFLINE[name]
    return DENSE_TFDS[name] if name in DENSE_TFDS and task != "classification" else partial(load_tfds, name)


__all__ = [
    "DENSE_TFDS",
    "OFFLINE",
    "TASKS",
    "Scenes",
    "by_region",
    "check_dataset",
    "digit_scenes",
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
