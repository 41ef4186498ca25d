"""Images in folders, one folder a class."""

import dataclasses
from pathlib import Path

import numpy as np

from bal.datasets._arrays import from_arrays
from bal.datasets._split import random_rows
from bal.types import Dataset
from bal.validation import check_count


def from_folder(path: str | Path, *, size: int, test: float | None = 0.3, seed: int = 0) -> Dataset:
    """Images in sub-folders that are named after their classes, as bytes [size, size, 3].

    Images are converted to RGB and scaled to a square, whatever their sides. Classes are numbered in the order of their
    names. Hidden files are ignored, sub-folders of a class are not.

    Args:
      path: folder whose sub-folders hold the images, such as ``benign`` and ``malignant``.
      size: height and width of each image, in pixels.
      test: share of the images of each class that form the test set, drawn at random; None for no test set.
      seed: of this split, which is always the same for the same seed.

    Returns:
      The data set, with the names of the classes in ``about``. Networks take integers as they are: scale the images
      with ``map_inputs``, or replace them by the features of a trained encoder.

    Raises:
      FileNotFoundError: no such folder.
      ValueError: fewer than two sub-folders, one without an image, a file that is no image, or a test set that leaves a
        class without an image in one of the parts.
      ImportError: Pillow is not installed.

    Example:
      >>> import tempfile
      >>> from PIL import Image
      >>> folder = Path(tempfile.mkdtemp())
      >>> for name, colour in (("benign", "white"), ("malignant", "black")):
      ...     (folder / name).mkdir()
      ...     Image.new("RGB", (20, 10), colour).save(folder / name / "1.png")
      >>> dataset = from_folder(folder, size=8, test=None)
      >>> dataset.pool_inputs.shape, dataset.about.label_names
      ((2, 8, 8, 3), ('benign', 'malignant'))

    References:
      Gal et al. 2017, Deep Bayesian active learning with image data, arXiv:1703.02910 (section 5.4, melanoma)
    """
    check_count("size", size)
    files = _files_by_class(Path(path))
    images, labels, is_test = [], [], []
    for label, (name, paths) in enumerate(files.items()):
        images += [_read(file, size) for file in paths]
        labels += [label] * len(paths)
        try:
            chosen = np.zeros(len(paths), bool) if test is None else random_rows(len(paths), test, seed)
        except ValueError as error:
            raise ValueError(f"{error} images in the folder {name!r}") from error
        is_test.append(chosen)
    inputs, classes, of_test = np.stack(images), np.array(labels, np.int32), np.concatenate(is_test)
    parts = [(inputs[~of_test], classes[~of_test])] + ([(inputs[of_test], classes[of_test])] if of_test.any() else [])
    dataset = from_arrays(*(array for part in parts for array in part), num_classes=len(files))
    return dataset._replace(about=dataclasses.replace(dataset.about, label_names=tuple(files)))


def _files_by_class(folder: Path) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise FileNotFoundError(f"expected a folder of images at {folder}, found none")
    classes = sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    if len(classes) < 2:
        raise ValueError(f"expected a sub-folder for each of at least two classes in {folder}, got {len(classes)}")
    files = {}
    for each in classes:
        found = sorted(path for path in each.rglob("*") if path.is_file() and not path.name.startswith("."))
        if not found:
            raise ValueError(f"expected images in {each}, got an empty folder")
        files[each.name] = found
    return files


def _read(path: Path, size: int) -> np.ndarray:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("images are read with Pillow: pip install 'bal-jax[datasets]'") from error
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
    except (OSError, ValueError, SyntaxError) as error:
        # A damaged PNG raises SyntaxError.
        raise ValueError(f"expected an image that can be read in {path}, got another or a damaged file") from error
