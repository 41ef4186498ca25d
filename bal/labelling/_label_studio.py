"""Exchange with Label Studio: a batch as its tasks, and its annotations as answers. Classes and real labels."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import jax
import jax.numpy as jnp
import numpy as np

from bal.labelling._card import Card
from bal.labelling._history import LABEL, LATER
from bal.labelling._records import Answer
from bal.labelling._session import Session
from bal.validation import check_choice

CONTROL = "label"  # the name of the control in the labelling interface
OBJECTS = {"image": "Image", "text": "Text", "html": "HyperText", "audio": "Audio"}  # key of the data -> tag


def label_studio_config(session: Session, shown: str = "image") -> str:
    """The labelling interface for the tasks of :func:`to_label_studio`, to be pasted into a project's settings.

    Args:
      session: whose classes become the choices, or whose real labels become a number.
      shown: key of the data that is shown: "image", "text", "html" or "audio".

    Raises:
      ValueError: another key, or labels that are neither classes nor real numbers.

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
    check_choice("shown", shown, OBJECTS)
    if _is_class(session):
        choices = "".join(f"<Choice value={quoteattr(name)}/>" for name in _names(session))
        control = f'<Choices name="{CONTROL}" toName="{shown}" choice="single">{choices}</Choices>'
    else:
        control = f'<Number name="{CONTROL}" toName="{shown}"/>'
    return f'<View><{OBJECTS[shown]} name="{shown}" value="${shown}"/>{control}</View>'


def to_label_studio(
    session: Session, path: str | Path, data: Callable[[Card], dict[str, Any]], *, shown: str = "image"
) -> int:
    """Write the batch as tasks that Label Studio imports, in order of use, with the model's guesses as predictions.

    The score of a prediction is the probability of the guess. The data of a task also have ``bal_order``, by which the
    tasks can be sorted, ``bal_score``, that of the strategy, and what :func:`from_label_studio` needs.

    Args:
      session: fits the next round first if that is due.
      path: of the JSON file; an existing one is replaced.
      data: what is shown of a point, such as ``{"image": url}`` or ``{"text": text}``.
      shown: its key that the interface shows, see :func:`label_studio_config`.

    Returns:
      The number of tasks.

    Raises:
      ValueError: data without that key, or labels that are neither classes nor real numbers.
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
    check_choice("shown", shown, OBJECTS)
    tasks = []
    for order, card in enumerate(session.cards()):
        given = data(card)
        if not isinstance(given, dict) or shown not in given:
            raise ValueError(f"expected data with the key {shown!r} for point {card.point}, got {given!r}")
        own = {"bal_project": session.project, "bal_point": card.point, "bal_order": order, "bal_score": card.score}
        task: dict[str, Any] = {"data": {**given, **own}}
        if card.guess is not None:
            value, kind = _value(session, card.guess)
            result = {"id": f"guess{card.point}", "from_name": CONTROL, "to_name": shown, "type": kind, "value": value}
            prediction: dict[str, Any] = {"model_version": f"bal round {card.round}", "result": [result]}
            if card.probabilities is not None:
                prediction["score"] = min(float(np.max(card.probabilities)), 1.0)  # not above 1 by rounding
            task["predictions"] = [prediction]
        tasks.append(task)
    Path(path).write_text(json.dumps(tasks, indent=1), encoding="utf-8")
    return len(tasks)


def from_label_studio(session: Session, path: str | Path) -> int:
    """Read the annotations of a file that Label Studio exported as JSON, all of them or none.

    An annotation is an answer of the person who completed it; one that was skipped there is put off here. Where a
    person has annotated a task several times, the last one counts. Tasks without annotations are no answers.

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
                label = _label(session, annotation, f"task {task.get('id')} of {path}")
                answers[point, who] = Answer(point, who, when, LABEL, label)
    return session.add(answers.values())


def _who(annotation: dict[str, Any]) -> str:
    person = annotation.get("completed_by")
    if isinstance(person, dict):
        return str(person.get("email") or f"label studio user {person.get('id')}")
    return f"label studio user {person}"


def _label(session: Session, annotation: dict[str, Any], where: str) -> Any:
    """The one result of the control; others, such as comments, are not ours."""
    results = [result for result in annotation.get("result", []) if result.get("from_name") == CONTROL]
    kind = "choices" if _is_class(session) else "number"
    values = [result["value"].get(kind) for result in results if result.get("type") == kind]
    if kind == "choices":
        values = [choice for choices in values for choice in choices or []]
    if len(values) != 1 or values[0] is None:
        raise ValueError(f"expected one {kind} of the control {CONTROL!r} in {where}, got {len(values)}")
    if kind == "number":
        return values[0]
    if values[0] not in _names(session):
        raise ValueError(f"expected one of the classes {', '.join(_names(session))} in {where}, got {values[0]!r}")
    return _names(session).index(values[0])


def _value(session: Session, guess: Any) -> tuple[dict[str, Any], str]:
    if _is_class(session):
        return {"choices": [_names(session)[int(guess)]]}, "choices"
    return {"number": float(guess)}, "number"


def _is_class(session: Session) -> bool:
    """Whether labels are classes, rather than real numbers."""
    leaves = jax.tree.leaves(session.labels()[1])
    if len(leaves) != 1 or leaves[0].ndim != 1:
        raise ValueError(
            f"expected labels of one number a point for Label Studio, got shapes {[leaf.shape[1:] for leaf in leaves]}"
        )
    return bool(jnp.issubdtype(leaves[0].dtype, jnp.integer))


def _names(session: Session) -> list[str]:
    """Names of the classes: the data set's, or their numbers."""
    about = session.dataset.about
    if about.label_names:
        return list(about.label_names)
    if about.num_classes is None:
        raise ValueError("expected a data set that names or counts its classes, got neither: set about.num_classes")
    return [str(number) for number in range(about.num_classes)]
