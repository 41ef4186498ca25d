"""What the labels of a data set require of a model: its outputs and its likelihood."""

from typing import NamedTuple

import numpy as np

import bal

NUM_OF_BOX = 4  # numbers that describe a box


class Task(NamedTuple):
    """What the labels of a data set require of a model."""

    num_outputs: int
    classes: bool  # or real numbers
    unit: float = 1.0  # standard deviation by which real labels were divided
    dense: bool = False  # a label for each position of an image
    void: float | None = None  # the label of a position without one
    shift: float | None = None  # mean that was subtracted from depths; None: real labels that are not depths
    boxes: bool = False  # objects in images, of classes

    @property
    def num_classes(self) -> int:
        """Outputs that stand for classes; a box has four outputs beside them."""
        return self.num_outputs - NUM_OF_BOX if self.boxes else self.num_outputs

    @property
    def likelihood(self) -> bal.likelihoods.Likelihood:
        """Categorical, Gaussian or boxes; of dense real labels, with the noise of each position predicted."""
        if self.boxes:
            return bal.likelihoods.boxes()
        if not self.dense:
            return bal.likelihoods.categorical() if self.classes else bal.likelihoods.gaussian(unit=self.unit)
        if self.shift is not None:
            return bal.likelihoods.depth(unit=self.unit, shift=self.shift)
        of_position = (
            bal.likelihoods.categorical() if self.classes else bal.likelihoods.heteroscedastic_gaussian(unit=self.unit)
        )
        return bal.likelihoods.dense(of_position, void=self.void)


def task_of(dataset: bal.Dataset) -> Task:
    """Classes, real numbers or boxes, of points or of positions of images, and how many outputs a model of them has.

    Real labels of positions that are all above 0 in their original unit are depths. Integer labels beyond
    ``about.num_classes``, of which there may be one value, mean that a position has no label; NaN means it for real
    ones.

    Raises:
      ValueError: a pool or a test set without labels, or labels of another structure.
    """
    pool, test = dataset.pool_labels, dataset.test_labels
    if pool is None or test is None:
        raise ValueError(
            "expected a data set with labels of the pool and of a test set, got one without: a study needs both"
        )
    if isinstance(pool, dict) and set(pool) == {"boxes", "classes", "present"}:
        found = np.concatenate(
            [np.asarray(labels["classes"])[np.asarray(labels["present"])] for labels in (pool, test)]
        )
        num_classes = dataset.about.num_classes or int(found.max(initial=0)) + 1
        return Task(num_classes + NUM_OF_BOX, classes=True, boxes=True)
    if not hasattr(pool, "ndim") or pool.ndim == 2:
        raise ValueError(
            "expected one label a point, one at each position of an image (a class or a real number), or boxes, got "
            "labels of another structure"
        )
    dense, unit = pool.ndim > 1, dataset.about.label_scale
    if not np.issubdtype(pool.dtype, np.integer):
        if not dense:
            return Task(1, classes=False, unit=unit)
        shift = dataset.about.label_shift
        smallest = min(float(np.nanmin(np.asarray(labels))) for labels in (pool, test)) * unit + shift
        return Task(2, classes=False, unit=unit, dense=True, void=float("nan"), shift=shift if smallest > 0 else None)
    # Either may lack some classes.
    found = np.unique(np.concatenate([np.unique(np.asarray(labels)) for labels in (pool, test)]))
    known = dataset.about.num_classes
    if known is None or not dense:
        return Task(known or int(found.max()) + 1, classes=True, dense=dense)
    beyond = found[(found >= known) | (found < 0)]
    if len(beyond) > 1:
        raise ValueError(f"expected classes from 0 to {known - 1} and one value for void, got {beyond.tolist()} too")
    return Task(known, classes=True, dense=dense, void=float(beyond[0]) if len(beyond) else None)
