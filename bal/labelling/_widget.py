"""A session in a notebook: it shows what the session says and passes on what a person does."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import jax
import traitlets

from bal.labelling._card import Card
from bal.labelling._history import LABEL, LATER, NEVER, UNDO
from bal.labelling._labels import from_journal
from bal.labelling._meaning import CLASS, LABELS, Meaning, meaning
from bal.labelling._parts import label_said, parts
from bal.labelling._records import Answer, Progress
from bal.labelling._shown import belief, content, label_text, sentence

if TYPE_CHECKING:
    from bal.labelling._session import Session

LOOK = "look"  # the message that asks for nothing but the present status
KEYS = "1234567890"
HERE = Path(__file__).parent


class LabellingWidget(anywidget.AnyWidget):
    """The cards of a batch. Its traits follow from the session; messages of the page are calls of the session.

    A message is ``{"id", "kind", "point", "label", "first"}``, where kind is "label" (also to correct), "skip",
    "cannot tell", "undo" or "look", label as :func:`bal.labelling._parts.label_said` takes it, and first whether the
    page shows the card as open, which is no longer so if another window has answered it. Each is answered by a new
    ``status``, whose ``last`` is its id. While a fit runs the page looks again and again, so that only the kernel's own
    thread uses the session.
    """

    _esm = "".join((HERE / name).read_text("utf-8") for name in ("card.js", "parts.js", "widget.js"))
    _css = HERE / "widget.css"
    kind = traitlets.Unicode().tag(sync=True)  # of labels, see bal.labelling._meaning
    classes: traitlets.List[Any] = traitlets.List().tag(sync=True)  # name and key of each; [] for real labels
    cards: traitlets.List[Any] = traitlets.List().tag(sync=True)  # of the batch, in the order of use
    status = traitlets.Dict().tag(sync=True)  # what was answered, progress, whether a fit runs, the last error

    def __init__(self, session: "Session", render: Callable[[Card], Any] | None):
        means = meaning(session.learner, session.dataset, session.labels()[1])
        named = zip(means.names, _keys(means.names), strict=True)
        super().__init__(kind=means.kind, classes=[{"name": name, "key": key} for name, key in named])
        self._session, self._render, self._means = session, render, means
        self._guesses: dict[Any, Any] = {}  # point -> guess that its card shows
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
        if kind in (LABEL, LATER, NEVER) and message.get("first"):
            for answer in session.answers():
                if (answer.point, answer.who) == (point, session.who):
                    raise ValueError(
                        f"expected an open card, got point {point}, for which another window has said "
                        f"{self._said(answer)!r}: answer it again to replace that"
                    )
        if kind == LABEL:
            label = label_said(self._means, message.get("label"), self._guesses.get(point))
            session.answer(label, point=point)
        elif kind == LATER:
            session.skip(point=point)
        elif kind == NEVER:
            session.cannot_tell(point=point)
        elif kind == UNDO:
            session.undo()
        elif kind != LOOK:
            raise ValueError(f"expected a message of the labelling page, got {kind!r}: show the widget again")

    def _show(self, last: str, error: str, fitting: bool) -> None:
        session, means = self._session, self._means
        points, progress = session.batch(), session.progress()
        shown = (progress.round, *points)
        cards = self.cards
        # A round that asks for the same points with another model comes after an undo, which shows the round before.
        if shown != self._shown:
            held = [session.card(point) for point in points]
            self._guesses = {card.point: card.guess for card in held}
            cards = [
                {
                    "point": card.point,
                    "content": content(card, means.about.input_names, self._render),
                    "size": means.size,
                    "parts": parts(means, card),
                    **belief(card, means),
                }
                for card in held
            ]
        given: dict[str, dict[str, Any]] = {}
        for answer in sorted(session.answers(), key=lambda answer: answer.who != session.who):  # this person's first
            if answer.point in points:
                who = "" if answer.who == session.who else answer.who
                given.setdefault(str(answer.point), {"kind": answer.kind, "text": self._said(answer), "who": who})
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
                "progress": progress_line(progress, _nats(cards, means), len(session.disagreements())),
            }
        self._shown = shown

    def _said(self, answer: Answer) -> str:
        """An answer of the journal in words."""
        if answer.kind != LABEL:
            return answer.kind
        label = jax.tree.map(lambda leaf: leaf[0], from_journal(self._means.like, [answer.label]))
        return label_text(label, self._means)


def progress_line(progress: Progress, nats: float, num_differ: int) -> str:
    """How far a session is, in words.

    Args:
      progress: of the session.
      nats: that the labels of the batch are expected to tell; 0: not known.
      num_differ: points on which people differ.
    """
    parts = [f"{progress.num_labelled} of {progress.budget} labels"]
    if progress.round is None:
        parts.append("first labels, drawn at random")
    else:
        parts.append(f"round {progress.round + 1} of {progress.num_rounds}")
    if progress.metrics:
        name = "accuracy" if "accuracy" in progress.metrics else next(iter(progress.metrics))
        parts.append(f"held-out {name} {progress.metrics[name]:.3f}")
    if nats > 0:
        parts.append(f"the next {progress.batch_size} labels tell up to {nats:.2f} nats")
    if num_differ:
        parts.append(f"people differ on {num_differ}, see session.disagreements()")
    return " · ".join(parts)


def _nats(cards: list[Any], means: Meaning) -> float:
    """What the labels of a batch are expected to tell about the model: at most the sum of what each tells alone."""
    if means.kind not in (CLASS, LABELS):
        return 0.0
    labels_a_point = len(means.names) if means.kind == LABELS else 1  # over which the card's number is a mean
    return labels_a_point * sum(card["epistemic"] or 0.0 for card in cards)


def _keys(names: tuple[str, ...]) -> list[str]:
    """The key of each class: names that are digits are their own keys, others have 1 to 9 and 0; "" has none."""
    if all(name in KEYS and len(name) == 1 for name in names):
        return list(names)
    return [*KEYS[: len(names)], *[""] * (len(names) - len(KEYS))]
