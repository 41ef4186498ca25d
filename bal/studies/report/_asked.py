"""Which points the strategies asked for: counts of their classes, and their images."""

import base64
import io
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pandas as pd

import bal
from bal.streaming import num_points
from bal.studies.learners import load_dataset
from bal.studies.plugins import is_plugin
from bal.studies.provenance import is_table
from bal.studies.report._cells import ReportTable
from bal.studies.report._results import Results
from bal.studies.settings import Settings, flat_values

MAX_CLASSES = 20  # columns that can be read
NUM_IMAGES = 12
SIDE = 56  # pixels of an image on the page, at least


class Asked(NamedTuple):
    """What was asked for, or why it cannot be shown."""

    table: ReportTable | None
    images: dict[str, str]  # strategy -> PNG in base64
    reason: str = ""


def what_was_asked_for(results: Results, data_dir: Path | None) -> Asked:
    """Class counts and images of the points asked for.

    Args:
      results: of a folder; its data set is loaded again, by its settings.
      data_dir: folder of prepared TFDS sets; nothing is downloaded for a report.
    """
    if results.acquisitions is None or results.settings is None:
        return Asked(None, {}, "The folder has no acquisitions.parquet or settings.json.")
    try:
        dataset = _load(results.settings, data_dir)
    except (ValueError, ImportError, OSError) as error:
        return Asked(None, {}, f"The data set could not be read: {error}")
    size = num_points(dataset.pool_inputs)
    asked = results.acquisitions
    if ((asked["index"] < 0) | (asked["index"] > size)).any():
        return Asked(None, {}, f"The data set has changed since: it has {size} points, others were asked for.")
    asked = asked[asked["index"] < size]  # N is the absent index
    classes = dataset.pool_labels
    is_classes = isinstance(classes, jax.Array | np.ndarray) and classes.ndim == 1 and classes.dtype.kind in "iu"
    table = class_counts(asked, np.asarray(classes)) if is_classes else None
    reason = "" if table is not None else "Its labels are no classes of points, or too many of them to show."
    return Asked(table, _images(asked, dataset.pool_inputs), reason)


def class_counts(asked: pd.DataFrame, pool_labels: np.ndarray) -> ReportTable | None:
    """How many points of each class a run of each strategy asked for; None where there are too many classes.

    Args:
      asked: the columns strategy, seed and index.
      pool_labels: the class of each point of the pool, [N].
    """
    classes = np.unique(pool_labels)
    if len(classes) > MAX_CLASSES:
        return None
    of_point = pool_labels[asked["index"].to_numpy()]
    counts = pd.crosstab(asked["strategy"].to_numpy(), of_point).reindex(columns=classes, fill_value=0)
    seeds = asked.groupby("strategy", sort=False)["seed"].nunique()
    counts = counts.loc[list(seeds.index)].div(seeds, axis=0)
    pool = pd.Series(pool_labels).value_counts().reindex(classes).to_frame("pool").T
    numbers = pd.concat([pool.astype(float), counts])
    shares = 100 * numbers.div(numbers.sum(axis=1), axis=0)
    shown = pd.DataFrame(
        [
            [
                f"{numbers.loc[row, k]:.0f} ({shares.loc[row, k]:.0f} %)"
                if row == "pool"
                else f"{numbers.loc[row, k]:.1f} ({shares.loc[row, k]:.0f} %)"
                for k in classes
            ]
            for row in numbers.index
        ],
        index=list(map(str, numbers.index)),
        columns=[f"class {k}" for k in classes],
    )
    numbers.columns = shown.columns
    return ReportTable(
        "classes",
        "Classes of the points asked for",
        "Mean number in a run, and the share of all points asked for; without the initial labels. The first row is the "
        "pool. Labels are read for this report only.",
        numbers,
        shown,
    )


def _load(held: dict, data_dir: Path | None) -> bal.Dataset:
    known = flat_values(Settings())
    unknown = [name for name in held if name not in known]
    if unknown:
        raise ValueError(f"its settings are of another version of bal: {', '.join(unknown)}")
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in held.items()}
    name = str(values["dataset"])
    if data_dir is None and not (is_plugin(name) or is_table(name) or name in bal.datasets.OFFLINE):
        raise ValueError(f"{name} is a set of TFDS; name the folder that holds it by --data-dir")
    return load_dataset(Settings().with_values(**values, data_dir=data_dir))


def _images(asked: pd.DataFrame, inputs) -> dict[str, str]:
    """The first points that the first seed of each strategy asked for, as one picture each."""
    is_array = isinstance(inputs, jax.Array | np.ndarray)
    if not is_array or not (inputs.ndim == 3 or (inputs.ndim == 4 and inputs.shape[-1] in (1, 3))):
        return {}
    first = asked[asked["seed"] == asked["seed"].min()].sort_values(["round", "rank"], kind="stable")
    pictures = {}
    for name, part in first.groupby("strategy", sort=False):
        chosen = np.asarray(inputs[part["index"].to_numpy()[:NUM_IMAGES]], dtype=np.float64)
        pictures[str(name)] = _side_by_side(chosen)
    return pictures


def _side_by_side(images: np.ndarray) -> str:
    """Images [n, H, W] or [n, H, W, C] in one row, as PNG in base64."""
    from matplotlib.image import imsave

    images = images[..., None] if images.ndim == 3 else images
    low, high = images.min(), images.max()
    images = np.repeat((images - low) / max(high - low, 1e-12), 4 - images.shape[-1], axis=-1)[..., :3]
    times = -(-SIDE // images.shape[1])
    images = images.repeat(times, axis=1).repeat(times, axis=2)
    framed = np.pad(images, ((0, 0), (0, 0), (0, 4), (0, 0)), constant_values=1)
    buffer = io.BytesIO()
    imsave(buffer, np.concatenate(list(framed), axis=1), format="png", metadata={"Software": None})  # type: ignore
    return base64.b64encode(buffer.getvalue()).decode()
