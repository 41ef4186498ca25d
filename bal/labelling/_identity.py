"""By what a journal recognises its learner and its data set."""

import hashlib
import json
from typing import Any

import jax
import numpy as np

from bal.loop import ActiveLearner, LoopState
from bal.streaming import num_points
from bal.types import Dataset, Keys, PyTree, RngKey

VERSION = 1
SAMPLED = 64  # rows of each array that are compared: a pool may be too large to read


def header(learner: ActiveLearner, dataset: Dataset, rng_key: RngKey | Keys, template: LoopState) -> dict[str, Any]:
    """The first event of a journal, with which a later session must agree.

    The learner is recognised by its sizes, by the kind of its predictions and by the arrays of its state; settings that
    these do not show, such as a learning rate, are not compared.

    Args:
      learner: of the session.
      dataset: of the session; shapes, and some rows, are compared.
      rng_key: of the session.
      template: shapes of the learner's state for this data set.
    """
    keys = rng_key if isinstance(rng_key, Keys) else [rng_key]
    leaves = jax.tree_util.tree_leaves_with_path(template)
    arrays = [f"{jax.tree_util.keystr(place)} {leaf.shape} {leaf.dtype}" for place, leaf in leaves]
    return {
        "event": "session",
        "version": VERSION,
        "learner": {
            "predicts": learner.likelihood.predicts,
            "num_initial": int(learner.num_initial),
            "num_rounds": int(learner.num_rounds),
            "batch_size": int(learner.batch_size),
            "state": hashlib.sha256("\n".join(arrays).encode()).hexdigest()[:16],
        },
        "dataset": {
            "points": num_points(dataset.pool_inputs),
            "classes": dataset.about.num_classes,
            "inputs": digest(dataset.pool_inputs),
        },
        "key": [np.asarray(jax.random.key_data(key)).tolist() for key in keys],
    }


def project(first: dict[str, Any]) -> str:
    """A short name of a session's settings, by which files of answers are recognised.

    Args:
      first: from :func:`header`.
    """
    return hashlib.sha256(json.dumps(first, sort_keys=True).encode()).hexdigest()[:12]


def digest(inputs: PyTree) -> str:
    """A digest of structure, shapes, dtypes and of some rows, evenly spread, of inputs with leaves [N, ...]."""
    leaves, structure = jax.tree.flatten(inputs)
    total = hashlib.sha256(str(structure).encode())
    for leaf in leaves:
        total.update(f"{leaf.shape} {leaf.dtype}".encode())
        rows = np.unique(np.linspace(0, leaf.shape[0] - 1, SAMPLED).astype(np.int64))
        total.update(np.ascontiguousarray(np.asarray(leaf[rows])).tobytes())
    return total.hexdigest()[:16]
