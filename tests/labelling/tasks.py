"""Small learners and data sets of the tasks whose labels are more than one number: several labels, boxes, masks."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

import bal
from tests.prototypes import linear_outputs

SIZE, NUM = 8, 20
RNG = np.random.default_rng(0)
IMAGES = 0.2 * (RNG.random((NUM, SIZE, SIZE, 1), np.float32) - 0.5)
NAMES = ("<i>sky</i>", "cat", 'the "dog"')


class Task(NamedTuple):
    learner: Any
    dataset: Any
    labels: Any  # of the pool, which sessions do not read


def task(likelihood, shape, labels, names):
    dataset = bal.datasets.from_arrays(IMAGES, labels, num_classes=len(names))
    dataset = dataset._replace(about=dataclasses.replace(dataset.about, label_names=names))
    learner = bal.build(
        linear_outputs(likelihood, shape),
        bal.strategies.random(batch_size=3),
        num_samples=3,
        num_initial=2,
        num_rounds=2,
    )
    return Task(learner, dataset, labels)


def random_boxes():
    """Up to three objects an image, with corners that are no whole pixels."""
    counts = RNG.integers(0, 4, NUM)
    first = [RNG.random((count, 2)) * 4 for count in counts]
    boxes = [np.concatenate([corner, corner + 0.5 + RNG.random(corner.shape) * 3], axis=1) for corner in first]
    return bal.detection.padded_boxes(boxes, [RNG.integers(0, 2, count) for count in counts], room=4)


TASKS = {
    "labels": task(
        bal.likelihoods.bernoulli(), (3,), RNG.integers(0, 2, (NUM, 3)).astype(np.int32), ("red, or so", "b", "<c>")
    ),
    "boxes": task(bal.likelihoods.boxes(stride=4), (2, 2, 6), random_boxes(), NAMES[1:]),
    "mask": task(
        bal.likelihoods.dense(bal.likelihoods.categorical()),
        (SIZE, SIZE, 3),
        RNG.integers(0, 3, (NUM, SIZE, SIZE)).astype(np.int32),
        NAMES,
    ),
}
