"""The pools of the EPIG paper from mnist_5k: where what is asked for and what is predicted have other distributions.

The targets, 100 inputs without labels, stand for what the model will be used for.
"""

import dataclasses

import jax
import numpy as np

import bal
from bal import datasets

NUM_TARGETS = 100
RARE = 0.1  # share of the digits 0 to 4 that the unbalanced pool keeps


def curated() -> bal.Dataset:
    """Digits of equal frequency; the targets are digits of the same kind."""
    return _with_targets(datasets.mnist_5k())


def unbalanced() -> bal.Dataset:
    """A tenth of the digits 0 to 4, in the pool and in the targets; the test set has all digits alike."""
    fractions = (RARE,) * 5 + (1.0,) * 5
    return _with_targets(datasets.imbalanced(jax.random.key(0), datasets.mnist_5k(), class_fractions=fractions))


def redundant() -> bal.Dataset:
    """Is it a 1, a 7, or another digit? Only 1 and 7 are in the targets and in the test set."""
    digits = datasets.mnist_5k()
    shown = np.isin(np.asarray(digits.test_labels), (1, 7))
    task = digits._replace(
        pool_labels=_task(digits.pool_labels),
        test_inputs=np.asarray(digits.test_inputs)[shown],
        test_labels=_task(digits.test_labels)[shown],
        about=dataclasses.replace(digits.about, label_names=("1", "7", "another"), num_classes=3),
    )
    return _with_targets(task, of=(0, 1))


def _task(labels) -> np.ndarray:
    labels = np.asarray(labels)
    return np.select([labels == 1, labels == 7], [0, 1], 2).astype(np.int32)


def _with_targets(dataset: bal.Dataset, of: tuple[int, ...] | None = None) -> bal.Dataset:
    """Move random points out of the pool, of these classes, to be the targets."""
    labels = np.asarray(dataset.pool_labels)
    allowed = np.flatnonzero(np.ones(len(labels), bool) if of is None else np.isin(labels, of))
    targets = np.random.default_rng(0).choice(allowed, NUM_TARGETS, replace=False)
    kept = np.setdiff1d(np.arange(len(labels)), targets)
    inputs = np.asarray(dataset.pool_inputs)
    return dataset._replace(pool_inputs=inputs[kept], pool_labels=labels[kept], target_inputs=inputs[targets])
