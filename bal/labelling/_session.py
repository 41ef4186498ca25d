"""A person as the oracle: what to answer now, what was answered, and who said it."""

import datetime
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bal.labelling._agreement import Agreement, agreement
from bal.labelling._card import Card, Cards
from bal.labelling._fitting import Fitting
from bal.labelling._history import (
    ASKED,
    DECISION,
    LABEL,
    LATER,
    NEVER,
    UNDO,
    disagreements,
    history,
    labels_of,
)
from bal.labelling._intake import accepted
from bal.labelling._labels import from_journal, to_journal
from bal.labelling._records import Answer, Progress
from bal.loop import ActiveLearner, LoopState
from bal.types import Dataset, Keys, PyTree, RngKey
from bal.validation import check_count, check_indices

if TYPE_CHECKING:
    from bal.labelling._widget import LabellingWidget

Index = int | np.integer


class Session:
    """Points to answer, one after the other. See :func:`bal.labelling.session`, which makes one.

    A person who gives no ``who`` is the one that the session was opened with. Every method that takes answers writes
    them to the disk before it returns, and raises ``ValueError``, writing nothing, for what it cannot accept.
    """

    def __init__(
        self,
        learner: ActiveLearner,
        dataset: Dataset,
        rng_key: RngKey | Keys,
        fitting: Fitting,
        blank: LoopState,
        *,
        who: str,
        project: str,
    ):
        self.learner, self.dataset, self.who, self.project = learner, dataset, who, project
        self._fitting, self._blank = fitting, blank
        self._cards = Cards(learner, dataset, rng_key)
        self._names = dataset.about.label_names

    # What to answer.

    def next(self) -> Card | None:
        """The point to answer now; None when all rounds are done. It fits the next round if that is due, or waits."""
        points = self._points()
        return self.card(points[0]) if points else None

    def cards(self) -> list[Card]:
        """All points of the batch that are still to answer, in the order of their use."""
        return [self.card(point) for point in self._points()]

    def card(self, point: Index) -> Card:
        """A point of the pool, asked for or not, as the last model sees it."""
        point = _whole(point)
        check_indices("point", np.array([point]), self._fitting.rounds.size, absent=False)
        kept = self._fitting.kept()
        return self._cards.card(point, history(kept), self._fitting.last_state(kept))

    def batch(self) -> list[int]:
        """The points of the batch, answered or not, in the order of their use; it does not wait for a running fit."""
        return self._fitting.batch(self._fitting.record())

    def fitting(self) -> bool:
        """Whether the next round is being fitted. It begins a fit that is due; once False, nothing waits."""
        self._fitting.start()
        running = self._fitting.running
        if not running:
            self._fitting.settle()
        return running

    def widget(self, *, render: Callable[[Card], Any] | None = None) -> "LabellingWidget":
        """Cards of the batch in a notebook, answered by keys; ``background=True`` keeps the kernel free during fits.

        Args:
          render: from a card to its text, which is escaped, or to an object with ``_repr_html_``, such as
            ``IPython.display.HTML(...)``, whose HTML is used as it is; None: images [H, W] or [H, W, 1 or 3], a table.

        Raises:
          ValueError: classes of an unknown number, or labels that are no classes, real numbers, boxes or masks.
        """
        from bal.labelling._widget import LabellingWidget

        return LabellingWidget(self, render)

    # What a person says.

    def answer(self, label: Any, *, point: Index | None = None, who: str | None = None) -> None:
        """Record a label; after the last one of a batch the next round is fitted.

        Args:
          label: as the data set holds labels, or the name of a class.
          point: of the batch, or one asked for before, whose label is replaced if it is this person's; None: the next
            one. Where two people differ, the label of the first one holds until :meth:`decide`.
          who: the person.
        """
        self._say(LABEL, point, who, label)

    def add(self, answers: Iterable[Answer]) -> int:
        """Record answers from elsewhere, such as a file: all of them or, if one cannot be accepted, none.

        Args:
          answers: labels as :meth:`answer` takes them; those that are here already are left out.

        Returns:
          The number of answers that are new.
        """
        self._fitting.settle()
        record = self._fitting.record()
        to_numbers = partial(to_journal, self.learner, self._blank, self._names)
        new = accepted(answers, record, self._fitting.batch(record), self._blank.pool.indices.shape[0], to_numbers)
        for point, who, when, kind, label in new:
            held = {"label": label} if kind == LABEL else {}
            self._fitting.journal.append({"event": kind, "point": point, **held, "who": who, "when": when})
        self._fitting.start()
        return len(new)

    def correct(self, point: Index, label: Any, *, who: str | None = None) -> None:
        """Replace an earlier label of this person. A label of a finished round counts from the next fit on."""
        self._fitting.settle()
        point, who = _whole(point), who or self.who
        held = self._fitting.record().responses.get(point, {}).get(who)
        if held is None or held.kind != LABEL:
            raise ValueError(f"expected a point that {who} has labelled, got {point}: use answer for a first label")
        self.answer(label, point=point, who=who)

    def skip(self, *, point: Index | None = None, who: str | None = None) -> None:
        """Put a point of the batch off: it gets no label now, and a later round may ask for it again."""
        self._say(LATER, point, who)

    def cannot_tell(self, *, point: Index | None = None, who: str | None = None) -> None:
        """Say that a point of the batch cannot be labelled: no later round asks for it."""
        self._say(NEVER, point, who)

    def decide(self, point: Index, label: Any, *, who: str | None = None) -> None:
        """Settle a point that people have labelled: its label, whatever they said. See :meth:`disagreements`."""
        self._fitting.settle()
        point = _whole(point)
        if point not in labels_of(self._fitting.record()):
            raise ValueError(f"expected a point that was labelled, got {point}: use answer for a first label")
        held = to_journal(self.learner, self._blank, self._names, label)
        self._fitting.journal.append({"event": DECISION, "point": point, "label": held, **self._signed(who)})

    def undo(self, *, who: str | None = None) -> int:
        """Take back the last answer, skip or decision; the point is open again. A batch asked for since is dropped.

        Returns:
          The point.
        """
        answers = [event for event in self._fitting.kept() if event["event"] != ASKED]
        if not answers:
            raise ValueError("expected an answer to take back, got a session without any")
        self._fitting.forget()
        self._fitting.journal.append({"event": UNDO, **self._signed(who)})
        return answers[-1]["point"]

    # What was said.

    def labels(self) -> tuple[np.ndarray, PyTree]:
        """Pool indices [n] and labels, leaves [n, ...], in the order in which the points were first answered."""
        labels = labels_of(self._fitting.record())
        return np.array(list(labels), np.int32), from_journal(self._blank.pool.labels, list(labels.values()))

    def answers(self) -> list[Answer]:
        """The last word of each person on each point."""
        responses = self._fitting.record().responses
        return [Answer(p, who, r.when, r.kind, r.label) for p, given in responses.items() for who, r in given.items()]

    def disagreements(self) -> dict[int, dict[str, Any]]:
        """Point -> person -> label, of the points on which people differ and that are not decided."""
        return disagreements(self._fitting.record())

    def agreement(self) -> list[Agreement]:
        """Cohen's kappa of each pair of people, for labels that are classes."""
        return agreement(self._fitting.record())

    def progress(self) -> Progress:
        """How far the session has come; it does not wait for a fit that is running."""
        record = self._fitting.record()
        last = record.asked[-1] if record.asked else None
        size = self.learner.num_initial if last is None else len(last.points)
        return Progress(
            num_labelled=len(labels_of(record)),
            budget=self._blank.pool.indices.shape[0],
            round=len(record.asked) - 1 if record.asked else None,
            num_rounds=self.learner.num_rounds,
            num_answered=size - len(self._fitting.open_points(record)),
            batch_size=size,
            metrics={} if last is None else last.metrics,
        )

    def state(self) -> LoopState:
        """The learner's state with all labels so far, for ``bal.save`` and, after a round, ``learner.predictor``."""
        self._fitting.settle()
        record = self._fitting.record()
        if not record.asked and self._fitting.open_points(record):
            raise ValueError(f"expected {self.learner.num_initial} first labels before there is a state, got fewer")
        return self._fitting.rounds.told(self._fitting.last_state(self._fitting.kept()), record)

    def close(self) -> None:
        """Let another process open the session. A fit that is running is awaited; the next session repeats it."""
        self._fitting.close()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _points(self) -> list[int]:
        self._fitting.start()
        self._fitting.settle()
        return self._fitting.open_points(self._fitting.record())

    def _say(self, kind: str, point: Index | None, who: str | None, label: Any = None) -> None:
        """Record what one person says of a point, or of the next one."""
        self._fitting.settle()
        if point is None:
            open_points = self._fitting.open_points(self._fitting.record())
            if not open_points:
                raise ValueError("expected a batch with a point to answer, got none: call next(), or name the point")
            point = open_points[0]
        self.add([Answer(_whole(point), kind=kind, label=label, **self._signed(who))])

    def _signed(self, who: str | None) -> dict[str, str]:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        return {"who": who or self.who, "when": now}


def _whole(point: Index) -> int:
    check_count("point", point, least=0)
    return int(point)
