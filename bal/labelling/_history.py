"""What the events of a journal mean: a pure function from events to batches, answers and decisions."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from bal.labelling._journal import Event

LABEL, LATER, NEVER, DECISION = "label", "skip", "cannot tell", "decision"
ASKED, UNDO = "asked", "undo"
RESPONSES = (LABEL, LATER, NEVER, DECISION)


class Response(NamedTuple):
    """The last word of one person on one point."""

    kind: str  # "label", "skip" (not now) or "cannot tell" (never ask again)
    label: Any  # as in the journal; None without one
    when: str


class Asked(NamedTuple):
    """The batch of a round."""

    points: tuple[int, ...]  # pool indices, in the order in which the strategy chose them
    scores: tuple[float, ...]
    metrics: dict[str, float]  # of the model that asked, on the test set


class History(NamedTuple):
    """All that was asked and answered."""

    asked: tuple[Asked, ...]  # one a round
    responses: dict[int, dict[str, Response]]  # point -> person -> last word; people in the order of their first one
    decisions: dict[int, Any]  # point -> label, where people differed


def effective(events: Sequence[Event]) -> list[Event]:
    """The events that were not undone. An undo takes back the last response, and the batches asked for since."""
    kept: list[Event] = []
    for event in events:
        if event["event"] == ASKED or event["event"] in RESPONSES:
            kept.append(event)
        elif event["event"] == UNDO:
            while kept and kept.pop()["event"] not in RESPONSES:
                pass
    return kept


def history(kept: Sequence[Event]) -> History:
    """Fold events that were not undone.

    Args:
      kept: from :func:`effective`, or the first ones of it.
    """
    asked: list[Asked] = []
    responses: dict[int, dict[str, Response]] = {}
    decisions: dict[int, Any] = {}
    for event in kept:
        if event["event"] == ASKED:
            asked.append(Asked(tuple(event["points"]), tuple(event["scores"]), event["metrics"]))
            for point in event["points"]:
                responses.pop(point, None)  # put off in an earlier round, and asked for again
        elif event["event"] == DECISION:
            decisions[event["point"]] = event["label"]
        else:
            response = Response(event["event"], event.get("label"), event["when"])
            responses.setdefault(event["point"], {})[event["who"]] = response
    return History(tuple(asked), responses, decisions)


def outcome(record: History, point: int) -> Response | None:
    """What holds for a point: the decision, else the label of the person who was first to give one, else "cannot tell".

    None if nobody has said anything.
    """
    given = record.responses.get(point, {}).values()
    labels = [response for response in given if response.kind == LABEL]
    if labels and point in record.decisions:
        return labels[0]._replace(label=record.decisions[point])
    if labels:
        return labels[0]
    return min(given, key=lambda response: response.kind != NEVER, default=None)


def labels_of(record: History) -> dict[int, Any]:
    """Point -> label, in the order in which points were first answered."""
    outcomes = {point: outcome(record, point) for point in record.responses}
    return {point: held.label for point, held in outcomes.items() if held is not None and held.kind == LABEL}


def points_of(record: History, kind: str) -> list[int]:
    """The points for which this kind of response holds."""
    held = {point: outcome(record, point) for point in record.responses}
    return [point for point, response in held.items() if response is not None and response.kind == kind]


def disagreements(record: History) -> dict[int, dict[str, Any]]:
    """Point -> person -> label, of the points on which people differ and nobody has decided."""
    found = {}
    for point, responses in record.responses.items():
        given = {who: response.label for who, response in responses.items() if response.kind == LABEL}
        # As text: NaN, the void label of a position, differs from itself. The text of a mask is long.
        several = len(given) > 1 and point not in record.decisions
        if several and len({json.dumps(label) for label in given.values()}) > 1:
            found[point] = given
    return found
