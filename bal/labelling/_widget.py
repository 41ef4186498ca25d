"""A session in a notebook: it shows what the session says and passes on what a person does."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from bal.labelling._card import Card
from bal.labelling._history import LABEL, LATER, NEVER, UNDO
from bal.labelling._records import Progress
from bal.labelling._shown import belief, content, label_text, sentence

if TYPE_CHECKING:
    from bal.labelling._session import Session

LOOK = "look"  # the message that asks for nothing but the present status
KEYS = "1234567890"
HERE = Path(__file__).parent


class LabellingWidget(anywidget.AnyWidget):
    """The cards of a batch. Its traits follow from the session; messages of the page are calls of the session.

    A message is ``{"id", "kind", "point", "label"}``, where kind is "label" (also to correct), "skip", "cannot tell",
    "undo" or "look". Each is answered by a new ``status``, whose ``last`` is its id. While a fit runs the page looks
    again and again, so that only the kernel's own thread uses the session.
    """

    _esm = (HERE / "card.js").read_text("utf-8") + (HERE / "widget.js").read_text("utf-8")
    _css = HERE / "widget.css"
    classes: traitlets.List[Any] = traitlets.List().tag(sync=True)  # name and key of each; [] for real labels
    cards: traitlets.List[Any] = traitlets.List().tag(sync=True)  # of the batch, in the order of use
    status = traitlets.Dict().tag(sync=True)  # what was answered, progress, whether a fit runs, the last error

    def __init__(self, session: "Session", render: Callable[[Card], Any] | None):
        names = _class_names(session)
        super().__init__(classes=[{"name": name, "key": key} for name, key in zip(names, _keys(names), strict=True)])
        self._session, self._render, self._names = session, render, names
        self._shown: tuple[Any, ...] | None = None
        self.on_msg(lambda _, message, buffers: self._receive(message))
        self._receive({"kind": LOOK, "id": ""})

    def _receive(self, message: dict[str, Any]) -> None:
        """Do what a person asks for, then show how things are."""
        error, fitting = "", False
        try:
            self._act(message)
            fitting = self._session.fitting()
        except Exception as raised:  # whatever a fit raises: nobody sees what is raised in the handler of a message
            error = sentence(raised)
        try:
            self._show(str(message.get("id")), error, fitting)
        except Exception as raised:
            self.status = {**self.status, "last": str(message.get("id")), "error": sentence(raised), "fitting": False}

    def _act(self, message: dict[str, Any]) -> None:
        session, kind, point = self._session, message.get("kind"), message.get("point")
        if kind == LABEL:
            session.answer(self._label(message.get("label")), point=point)
        elif kind == LATER:
            session.skip(point=point)
        elif kind == NEVER:
            session.cannot_tell(point=point)
        elif kind == UNDO:
            session.undo()
        elif kind != LOOK:
            raise ValueError(f"expected a message of the labelling page, got {kind!r}: show the widget again")

    def _label(self, label: Any) -> Any:
        if self._names:
            return label
        about = self._session.dataset.about
        try:
            return (float(label) - about.label_shift) / about.label_scale
        except (TypeError, ValueError):
            raise ValueError(f"expected a number, got {label!r}") from None

    def _show(self, last: str, error: str, fitting: bool) -> None:
        session, about = self._session, self._session.dataset.about
        points, progress = session.batch(), session.progress()
        shown = (progress.round, *points)
        cards = self.cards
        # A round that asks for the same points with another model comes after an undo, which shows the round before.
        if shown != self._shown:
            cards = [
                {
                    "point": card.point,
                    "content": content(card, about.input_names, self._render),
                    **belief(card, self._names, about),
                }
                for card in map(session.card, points)
            ]
        given: dict[str, dict[str, Any]] = {}
        for answer in sorted(session.answers(), key=lambda answer: answer.who != session.who):  # this person's first
            if answer.point in points:
                text = label_text(answer.label, self._names, about) if answer.kind == LABEL else answer.kind
                who = "" if answer.who == session.who else answer.who
                given.setdefault(str(answer.point), {"kind": answer.kind, "text": text, "who": who})
        with self.hold_sync():
            self.cards = cards
            self.status = {
                "last": last,
                "error": error,
                "fitting": fitting,
                "done": not fitting and not error and len(given) == len(points),
                "given": given,
                "labelled": progress.num_labelled,
                "budget": progress.budget,
                "progress": progress_line(progress),
            }
        self._shown = shown


def progress_line(progress: Progress) -> str:
    """How far a session is, in words."""
    parts = [f"{progress.num_labelled} of {progress.budget} labels"]
    if progress.round is None:
        parts.append("first labels, drawn at random")
    else:
        parts.append(f"round {progress.round + 1} of {progress.num_rounds}")
    if progress.metrics:
        name = "accuracy" if "accuracy" in progress.metrics else next(iter(progress.metrics))
        parts.append(f"held-out {name} {progress.metrics[name]:.3f}")
    return " · ".join(parts)


def _class_names(session: "Session") -> tuple[str, ...]:
    """Names of the classes; () for real labels.

    Raises:
      ValueError: labels that the page cannot take.
    """
    kind, about = session.learner.likelihood.predicts, session.dataset.about
    if kind == "gaussian":
        return ()
    if kind != "categorical":
        raise ValueError(
            f"expected a learner of classes or real numbers for the widget, got one of {kind} predictions: use "
            "session.answer, or bal.labelling.to_label_studio"
        )
    if about.label_names:
        return about.label_names
    if about.num_classes is None:
        raise ValueError(
            "expected label_names or num_classes in the data set, which say what to choose from, got neither: make it "
            "by bal.datasets.from_arrays"
        )
    return tuple(map(str, range(about.num_classes)))


def _keys(names: tuple[str, ...]) -> list[str]:
    """The key of each class: names that are digits are their own keys, others have 1 to 9 and 0; "" has none."""
    if all(name in KEYS and len(name) == 1 for name in names):
        return list(names)
    return [*KEYS[: len(names)], *[""] * (len(names) - len(KEYS))]
