"""The records that a session reports in."""

from typing import Any, NamedTuple


class Progress(NamedTuple):
    """How far a session has come."""

    num_labelled: int
    budget: int  # labels that the learner has room for
    round: int | None  # that is being answered, from 0; None: the first labels
    num_rounds: int
    num_answered: int  # points of the batch with an answer, put off, or that nobody can tell
    batch_size: int  # points of the batch
    metrics: dict[str, float]  # of the last model on the test set; {} before the first, or without a test set


class Answer(NamedTuple):
    """The last word of one person on one point."""

    point: int  # pool index
    who: str
    when: str  # ISO 8601, with the time zone
    kind: str  # "label", "skip" or "cannot tell"
    label: Any  # numbers and lists; None without one
