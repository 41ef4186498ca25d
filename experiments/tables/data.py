"""Tables cut to one shape, so that all of them run in the same programs."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

import bal
from bal.datasets import from_table
from bal.types import Description
from experiments.tables.rule import COLUMNS, Entry, Task, cleaned, is_of_classes, read

NUM_POOL, NUM_TEST = 700, 300
CLIP = 5.0  # standard deviations


def splits(entry: Entry, seeds: Sequence[int], *, num_pool: int = NUM_POOL, num_test: int = NUM_TEST) -> bal.Dataset:
    """A random pool and test set of a table for each seed, as one data set with leaves [seeds, ...].

    Rows are drawn anew for each seed, so that an interval over seeds is about the table and not about one split of it.
    """
    frame = cleaned(read(entry.package, entry.item), entry.target)
    drawn = [split(frame, entry.target, seed, num_pool=num_pool, num_test=num_test) for seed in seeds]
    return stacked(drawn, entry.classes or None)


def split(frame: pd.DataFrame, target: str, seed: int, *, num_pool: int, num_test: int) -> bal.Dataset:
    """The pool and the test set of one seed: standardised by the pool, clipped, and padded to the widest table.

    A network's first layer starts with weights of variance one over the number of its inputs. Real columns are scaled
    so that columns of zeros beside them do not make the network start from smaller numbers.
    """
    rows = np.random.default_rng(seed).permutation(len(frame))[: num_pool + num_test]
    fraction = num_test / (num_pool + num_test)
    task: Task = "classification" if is_of_classes(frame[target]) else "regression"
    dataset = from_table(frame.iloc[rows], target=target, test=fraction, seed=seed, task=task)
    return bal.datasets.map_inputs(dataset, _padded)


def stacked(drawn: Sequence[bal.Dataset], num_classes: int | None) -> bal.Dataset:
    """Data sets of one shape as one with a leading axis, without names and units, which tell them apart.

    Numbers to predict are in standard deviations of the pool, and so are errors.
    """
    about = Description(num_classes=num_classes)
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *(each._replace(about=about) for each in drawn))


def _padded(inputs: np.ndarray) -> np.ndarray:
    inputs, width = np.asarray(inputs), COLUMNS[1]
    scaled = np.clip(inputs, -CLIP, CLIP) * np.sqrt(width / inputs.shape[1])
    return np.pad(scaled, [(0, 0), (0, width - inputs.shape[1])]).astype(np.float32)
