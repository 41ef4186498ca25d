"""Sets of TensorFlow Datasets, read without TensorFlow."""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bal.datasets._arrays import from_arrays
from bal.sources import Source
from bal.types import Dataset


def tfds_names() -> list[str]:
    """Names in the TFDS catalogue; none where TFDS is not installed."""
    try:
        import tensorflow_datasets as tfds
    except ImportError:
        return []
    return list(tfds.list_builders(with_community_datasets=False))


def load_tfds(
    name: str, *, data_dir: str | Path | None = None, download: bool = True, on_disk: bool = False
) -> Dataset:
    """A TFDS classification set, whose training split is the pool; images are scaled to [0, 1].

    It is read with ``tfds.data_source`` from ``array_record`` files.

    Args:
      name: name in the TFDS catalogue, such as "fashion_mnist".
      data_dir: where prepared sets are kept; None is the default of TFDS.
      download: download and prepare a set that is not there yet.
      on_disk: keep the inputs of the pool on disk, as a :class:`bal.Source`.

    Returns:
      The data set, with the names of its classes in ``about``.

    Raises:
      FileNotFoundError: not prepared in ``data_dir``, and ``download`` is False.
      ValueError: not a set of single labelled inputs with a training and a test split.
    """
    import tensorflow_datasets as tfds

    builder = prepared_builder(name, data_dir=data_dir, download=download)
    keys = builder.info.supervised_keys
    if keys is None or not isinstance(builder.info.features[keys[1]], tfds.features.ClassLabel):
        raise ValueError(f"expected a classification set with one label an input, got {name!r}")
    pool, test = pool_and_test(builder)
    inputs, labels = (
        (Source(pool, partial(_inputs, keys[0])), _labels(builder, *keys)) if on_disk else _read(pool, *keys)
    )
    classes = builder.info.features[keys[1]]
    dataset = from_arrays(inputs, labels, *_read(test, *keys), num_classes=classes.num_classes)
    return dataset._replace(about=dataclasses.replace(dataset.about, label_names=tuple(classes.names)))


def prepared_builder(name: str, *, data_dir: str | Path | None, download: bool) -> Any:
    """The TFDS builder of a set that is prepared; it is downloaded and prepared first if need be.

    Raises:
      FileNotFoundError: not prepared in ``data_dir``, and ``download`` is False.
    """
    import tensorflow_datasets as tfds

    builder = tfds.builder(name, data_dir=data_dir)
    if not download and not builder.data_path.exists():
        raise FileNotFoundError(
            f"data set {name!r} is not prepared in {builder.data_path}: pass data_dir=..., or download=True"
        )
    if download and not builder.data_path.exists():
        # Only array_record files can be read without TensorFlow.
        builder.download_and_prepare(file_format="array_record")
    return builder


def pool_and_test(builder: Any) -> tuple[Any, Any]:
    """The rows of the training split, and of the test split or, for want of one, the validation split.

    Raises:
      ValueError: one of the splits is missing.
    """
    splits = set(builder.info.splits)
    test_split = next((split for split in ("test", "validation") if split in splits), None)
    if "train" not in splits or test_split is None:
        raise ValueError(
            f"expected the splits train and test (or validation) in {builder.name!r}, got {sorted(splits)}"
        )
    return builder.as_data_source(split="train"), builder.as_data_source(split=test_split)


def _read(source, input_key: str, label_key: str) -> tuple[np.ndarray, np.ndarray]:
    rows = source.__getitems__(range(len(source)))
    inputs = np.stack([row[input_key] for row in rows])
    return _scaled(inputs), np.asarray([row[label_key] for row in rows], np.int32)


def _scaled(inputs: np.ndarray) -> np.ndarray:
    return inputs.astype(np.float32) / (255 if inputs.dtype == np.uint8 else 1)


def _inputs(input_key: str, row: Any) -> np.ndarray:
    return _scaled(row[input_key])


def _labels(builder: Any, input_key: str, label_key: str) -> np.ndarray:
    """Those of the training split; its images are not decoded."""
    import tensorflow_datasets as tfds

    rows = builder.as_data_source(split="train", decoders={input_key: tfds.decode.SkipDecoding()})
    return np.asarray([row[label_key] for row in rows.__getitems__(range(len(rows)))], np.int32)
