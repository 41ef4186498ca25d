"""What a label is to a person: a class, a number, several labels, boxes of objects, or a mask."""

from typing import NamedTuple

import jax

from bal.loop import ActiveLearner
from bal.types import Dataset, Description, PyTree

CLASS, NUMBER, LABELS, BOXES, MASK = "class", "number", "labels", "boxes", "mask"
# kind of predictions -> kind of labels
KINDS = {"categorical": CLASS, "gaussian": NUMBER, "bernoulli": LABELS, "boxes": BOXES, "dense categorical": MASK}


class Meaning(NamedTuple):
    """What the labels of a session mean."""

    kind: str
    names: tuple[str, ...]  # of the classes, or of the labels of a point; () for real labels
    about: Description
    like: PyTree  # shape and dtype of a label, leaves [0, ...]
    size: tuple[int, int] | None  # rows and columns of the image that boxes or a mask are of; None without one


def meaning(learner: ActiveLearner, dataset: Dataset, like: PyTree) -> Meaning:
    """What a page, or another tool, needs to know of labels.

    Args:
      learner: whose predictions say what kind of labels there are.
      dataset: whose description names the classes.
      like: shape and dtype of a label, leaves [0, ...].

    Raises:
      ValueError: labels of another kind, or classes of which nothing is known.
    """
    predicts = learner.likelihood.predicts
    kind, leaf = KINDS.get(predicts), jax.tree.leaves(like)[0]
    if kind is None or (kind == MASK and leaf.ndim != 3):
        raise ValueError(
            "expected a learner of classes, real numbers, several labels a point, boxes or masks [H, W] of classes, "
            f"got one of {predicts} predictions and labels of shape {list(leaf.shape[1:])}: use session.answer, or "
            "bal.labelling.to_csv"
        )
    size = None
    if kind in (BOXES, MASK):
        size = leaf.shape[1:] if kind == MASK else image_size(dataset.pool_inputs)
    return Meaning(kind, _names(kind, dataset.about, leaf.shape[-1]), dataset.about, like, size)


def image_size(inputs: PyTree) -> tuple[int, int] | None:
    """Rows and columns of the first leaf [n, H, W, channels]; None without one."""
    return next((leaf.shape[1:3] for leaf in jax.tree.leaves(inputs) if leaf.ndim == 4), None)


def _names(kind: str, about: Description, length: int) -> tuple[str, ...]:
    if kind == NUMBER:
        return ()
    if kind == LABELS and about.label_names and len(about.label_names) != length:
        raise ValueError(f"expected a name for each of {length} labels a point, got {list(about.label_names)}")
    if about.label_names:
        return about.label_names
    # The number of classes of several labels, each 0 or 1, is no number of labels.
    count = length if kind == LABELS else about.num_classes
    if count is None:
        raise ValueError(
            "expected label_names or num_classes in the data set, which say what to choose from, got neither: make it "
            "by bal.datasets.from_arrays"
        )
    return tuple(map(str, range(count)))
