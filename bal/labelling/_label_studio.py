"""Exchange with Label Studio: a batch as its tasks, and its annotations as answers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bal.labelling._card import Card, confidence
from bal.labelling._history import LABEL, LATER
from bal.labelling._label_studio_results import control, label_of, results_of
from bal.labelling._meaning import BOXES, MASK, Meaning, meaning
from bal.labelling._records import Answer
from bal.labelling._session import Session
from bal.validation import check_choice

OBJECTS = {"image": "Image", "text": "Text", "html": "HyperText", "audio": "Audio"}  # key of the data -> tag


def label_studio_config(session: Session, shown: str = "image") -> str:
    """The labelling interface for the tasks of :func:`to_label_studio`, to be pasted into a project's settings.

    Args:
      session: whose classes become choices, one or several of them, labels of boxes or of a brush; real labels are a
        number.
      shown: key of the data that is shown: "image", "text", "html" or "audio".

    Raises:
      ValueError: another key, boxes or masks on something else than an image, or labels of another kind.

    Example:
      >>> import tempfile, jax, bal
      >>> dataset = bal.datasets.load("wave")
      >>> posterior = bal.posteriors.bayesian_linear(noise=0.1)
      >>> learner = bal.build(posterior, bal.strategies.random(batch_size=2), num_initial=2, num_rounds=1)
      >>> folder = Path(tempfile.mkdtemp())
      >>> labelling = bal.labelling.session(learner, dataset, folder, rng_key=jax.random.key(0), who="ada")
      >>> label_studio_config(labelling, "text")
      '<View><Text name="text" value="$text"/><Number name="label" toName="text"/></View>'
      >>> labelling.close()
    """
    means = _meaning(session, shown)
    return f'<View><{OBJECTS[shown]} name="{shown}" value="${shown}"/>{control(means, shown)}</View>'


def to_label_studio(
    session: Session, path: str | Path, data: Callable[[Card], dict[str, Any]], *, shown: str = "image"
) -> int:
    """Write the batch as tasks that Label Studio imports, in order of use, with the model's guesses as predictions.

    The score of a prediction is the probability of the guess, averaged over its labels, boxes or pixels. The data of a
    task also have ``bal_order``, by which the tasks can be sorted, ``bal_score``, that of the strategy, and what
    :func:`from_label_studio` needs. Boxes are in percent of the image, which may be shown in any size; masks have a
    region for each class but the first, class 0, which is what nobody paints.

    Args:
      session: fits the next round first if that is due.
      path: of the JSON file; an existing one is replaced.
      data: what is shown of a point, such as ``{"image": url}`` or ``{"text": text}``.
      shown: its key that the interface shows, see :func:`label_studio_config`.

    Returns:
      The number of tasks.

    Raises:
      ValueError: data without that key, or what :func:`label_studio_config` refuses.
      OSError: the file cannot be written.

    Example:
      >>> import tempfile, jax, bal
      >>> dataset = bal.datasets.load("wave")
      >>> posterior = bal.posteriors.bayesian_linear(noise=0.1)
      >>> learner = bal.build(posterior, bal.strategies.random(batch_size=2), num_initial=2, num_rounds=1)
      >>> folder = Path(tempfile.mkdtemp())
      >>> labelling = bal.labelling.session(learner, dataset, folder, rng_key=jax.random.key(0), who="ada")
      >>> to_label_studio(labelling, folder / "tasks.json", lambda card: {"text": str(card.inputs)}, shown="text")
      2
      >>> labelling.close()
    """
    means = _meaning(session, shown)
    tasks = []
    for order, card in enumerate(session.cards()):
        given = data(card)
        if not isinstance(given, dict) or shown not in given:
            raise ValueError(f"expected data with the key {shown!r} for point {card.point}, got {given!r}")
        own = {"bal_project": session.project, "bal_point": card.point, "bal_order": order, "bal_score": card.score}
        task: dict[str, Any] = {"data": {**given, **own}}
        if card.guess is not None:
            scores = card.probabilities if means.kind == BOXES else None
            prediction: dict[str, Any] = {
                "model_version": f"bal round {card.round}",
                "result": results_of(means, card.guess, shown, scores),
            }
            if (sure := confidence(card)) is not None:
                prediction["score"] = sure
            task["predictions"] = [prediction]
        tasks.append(task)
    Path(path).write_text(json.dumps(tasks, indent=1), encoding="utf-8")
    return len(tasks)


def from_label_studio(session: Session, path: str | Path) -> int:
    """Read the annotations of a file that Label Studio exported as JSON, all of them or none.

    An annotation is an answer of the person who completed it; one that was skipped there is put off here. Where a
    person has annotated a task several times, the last one counts. Tasks without annotations are no answers. An
    annotation without a box says that there is no object, one of several labels without a choice that none holds.
    Where masks overlap, the later region counts; pixels that nobody painted are of class 0.

    Args:
      session: that wrote the tasks.
      path: of the file, in the format "JSON".

    Returns:
      The number of answers that are new.

    Raises:
      ValueError: a file of another kind or project, or an answer that the session refuses; nothing is recorded.

    Example:
      >>> import tempfile, jax, bal
      >>> dataset = bal.datasets.load("wave")
      >>> posterior = bal.posteriors.bayesian_linear(noise=0.1)
      >>> learner = bal.build(posterior, bal.strategies.random(batch_size=2), num_initial=2, num_rounds=1)
      >>> folder = Path(tempfile.mkdtemp())
      >>> labelling = bal.labelling.session(learner, dataset, folder, rng_key=jax.random.key(0), who="ada")
      >>> to_label_studio(labelling, folder / "tasks.json", lambda card: {"text": str(card.inputs)}, shown="text")
      2
      >>> tasks = json.loads((folder / "tasks.json").read_text())
      >>> given = {"from_name": "label", "to_name": "text", "type": "number", "value": {"number": 0.5}}
      >>> tasks[0]["annotations"] = [{"completed_by": {"email": "ada@example.org"}, "result": [given]}]
      >>> _ = (folder / "export.json").write_text(json.dumps(tasks))  # what Label Studio exports
      >>> from_label_studio(labelling, folder / "export.json")
      1
      >>> labelling.close()
    """
    try:
        tasks = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"expected a JSON file of Label Studio, got {path}, which is none: export as JSON") from error
    if not isinstance(tasks, list) or not all(isinstance(task, dict) and "data" in task for task in tasks):
        raise ValueError(f"expected a list of tasks with data in {path}, got something else: export as JSON, not CSV")
    means = _meaning(session)
    answers = {}
    for task in tasks:
        project, point = task["data"].get("bal_project"), task["data"].get("bal_point")
        if project != session.project or not isinstance(point, int):
            raise ValueError(
                f"expected tasks of project {session.project} in {path}, got task {task.get('id')} of {project!r}: "
                "choose the export of the project that this session's tasks were imported into"
            )
        for annotation in task.get("annotations", []):
            who, when = _who(annotation), annotation.get("updated_at") or annotation.get("created_at") or ""
            if annotation.get("was_cancelled"):
                answers[point, who] = Answer(point, who, when, LATER, None)
            else:
                label = label_of(means, annotation.get("result", []), f"task {task.get('id')} of {path}")
                answers[point, who] = Answer(point, who, when, LABEL, label)
    return session.add(answers.values())


def _who(annotation: dict[str, Any]) -> str:
    person = annotation.get("completed_by")
    if isinstance(person, dict):
        return str(person.get("email") or f"label studio user {person.get('id')}")
    return f"label studio user {person}"


def _meaning(session: Session, shown: str = "image") -> Meaning:
    check_choice("shown", shown, OBJECTS)
    means = meaning(session.learner, session.dataset, session.labels()[1])
    if means.kind in (BOXES, MASK) and shown != "image":
        raise ValueError(f"expected shown to be 'image' for labels that are a {means.kind}, got {shown!r}")
    return means
