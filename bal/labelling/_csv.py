"""A session's points and answers as a table that a spreadsheet opens."""

import csv
import datetime
import json
from pathlib import Path
from typing import Any

from bal.labelling._history import LABEL
from bal.labelling._labels import as_numbers
from bal.labelling._records import Answer
from bal.labelling._session import Session

COLUMNS = ("project", "point", "guess", "label", "kind", "who", "when")


def to_csv(session: Session, path: str | Path) -> None:
    """Write the batch, in order of use and with empty labels, and then all answers.

    The columns are ``project``, ``point`` (pool index), ``guess`` of the model, ``label`` (a number, the name of a
    class, or JSON for labels of several numbers), ``kind`` ("label", "skip" or "cannot tell"), ``who`` and ``when``.

    Args:
      session: fits the next round first if that is due.
      path: of the file; an existing one is replaced.

    Raises:
      OSError: the file cannot be written.

    Example:
      >>> import tempfile, jax, bal
      >>> dataset = bal.datasets.load("wave")
      >>> posterior = bal.posteriors.bayesian_linear(noise=0.1)
      >>> learner = bal.build(posterior, bal.strategies.random(batch_size=2), num_initial=2, num_rounds=1)
      >>> folder = Path(tempfile.mkdtemp())
      >>> labelling = bal.labelling.session(learner, dataset, folder, rng_key=jax.random.key(0), who="ada")
      >>> to_csv(labelling, folder / "batch.csv")
      >>> (folder / "batch.csv").read_text().splitlines()[0]
      'project,point,guess,label,kind,who,when'
      >>> labelling.close()
    """
    rows = [
        [card.point, _told(session, None if card.guess is None else as_numbers(card.guess)), "", "", "", ""]
        for card in session.cards()
    ]
    for point, who, when, kind, label in session.answers():
        rows.append([point, "", _told(session, label) if kind == LABEL else "", kind, who, when])
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([session.project, *row] for row in rows)


def from_csv(session: Session, path: str | Path) -> int:
    """Read answers from a file that :func:`to_csv` wrote and people filled in, all of them or none.

    A row without ``label`` and ``kind`` is no answer. Without ``kind`` it is a label, without ``who`` that of the
    session's person, and without ``when`` it is of now.

    Args:
      session: whose project the file is of.
      path: of the file.

    Returns:
      The number of answers that are new.

    Raises:
      ValueError: a file of another project, or an answer that the session refuses; nothing is recorded.

    Example:
      >>> import tempfile, jax, bal
      >>> dataset = bal.datasets.load("wave")
      >>> posterior = bal.posteriors.bayesian_linear(noise=0.1)
      >>> learner = bal.build(posterior, bal.strategies.random(batch_size=2), num_initial=2, num_rounds=1)
      >>> folder = Path(tempfile.mkdtemp())
      >>> labelling = bal.labelling.session(learner, dataset, folder, rng_key=jax.random.key(0), who="ada")
      >>> to_csv(labelling, folder / "batch.csv")
      >>> filled = (folder / "batch.csv").read_text().replace(",,,,,", ",,0.5,,,")  # what a person writes
      >>> _ = (folder / "answers.csv").write_text(filled)
      >>> from_csv(labelling, folder / "answers.csv")
      2
      >>> labelling.close()
    """
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    answers = []
    # A spreadsheet may put a byte order mark at the beginning.
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if not set(COLUMNS) <= set(reader.fieldnames or ()):
            raise ValueError(f"expected the columns {', '.join(COLUMNS)} in {path}, got {reader.fieldnames}")
        for number, row in enumerate(reader, start=2):
            if row["project"] != session.project:
                raise ValueError(
                    f"expected answers of project {session.project} in {path}, got {row['project']!r} in line "
                    f"{number}: choose the file that this session wrote"
                )
            if not row["label"] and not row["kind"]:
                continue
            if not row["point"].isdecimal():
                raise ValueError(f"expected a pool index as point in line {number} of {path}, got {row['point']!r}")
            kind = row["kind"] or LABEL
            label = _read(session, row["label"]) if kind == LABEL else None
            answers.append(Answer(int(row["point"]), row["who"] or session.who, row["when"] or now, kind, label))
    return session.add(answers)


def _told(session: Session, label: Any) -> str:
    names = session.dataset.about.label_names
    if label is None:
        return ""
    return names[label] if names and isinstance(label, int) else json.dumps(label)


def _read(session: Session, text: str) -> Any:
    if text in session.dataset.about.label_names:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text  # the session says what it expects
