"""Which answers may be recorded now; the others are refused with one sentence, before anything is written."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bal.labelling._history import LABEL, LATER, NEVER, History, labels_of
from bal.labelling._records import Answer
from bal.validation import check_choice


def accepted(
    answers: Iterable[Answer],
    record: History,
    batch: Sequence[int],
    budget: int,
    to_numbers: Callable[[Any], Any],
) -> list[Answer]:
    """The answers that are new, with labels as the journal holds them.

    Args:
      answers: labels as the data set holds them, or names of classes.
      record: of all events so far.
      batch: the points of the batch.
      budget: the number of labels that there is room for.
      to_numbers: checks a label and returns it as numbers and lists.

    Raises:
      ValueError: an answer that cannot be accepted, or more labels than there is room for.
    """
    known = {
        (point, who): (response.kind, response.label)
        for point, given in record.responses.items()
        for who, response in given.items()
    }
    points, new = set(labels_of(record)), []
    for answer in answers:
        _check(answer, record, batch)
        label = None
        if answer.kind == LABEL:
            label = to_numbers(answer.label)
            points.add(answer.point)
        if known.get((answer.point, answer.who)) != (answer.kind, label):
            new.append(answer._replace(label=label))
    if len(points) > budget:
        raise ValueError(f"expected at most {budget} labels, the label budget, got {len(points)}: build more rounds")
    return new


def _check(answer: Answer, record: History, batch: Sequence[int]) -> None:
    """Raise unless this may be said of this point now."""
    check_choice("kind", answer.kind, (LABEL, LATER, NEVER))
    asked = {point for former in record.asked for point in former.points}
    if answer.point not in asked and answer.point not in record.responses and answer.point not in batch:
        raise ValueError(f"expected a point that was asked for, got {answer.point}: answer those of next() or cards()")
    if answer.kind != LABEL and answer.point not in batch:
        raise ValueError(
            f"expected a point of the batch, got {answer.point}: a model has learned from its label, correct it"
        )
