"""A card as plain numbers and texts, which a page can show."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from bal.labelling._card import Card
from bal.labelling._meaning import BOXES, CLASS, LABELS, NUMBER, Meaning
from bal.labelling._picture import is_picture, picture
from bal.types import PyTree

MAX_ROWS = 16  # of the table of a point
MAX_GUESSES = 3


def content(card: Card, names: Sequence[str], render: Callable[[Card], Any] | None) -> dict[str, Any]:
    """What is shown of a point.

    Args:
      card: of the point.
      names: of the columns of a table; () without.
      render: the user's; see :meth:`bal.labelling.Session.widget`.

    Returns:
      "images" (addresses), "rows" (names and values), "text", "html" (unescaped) or "problem", a sentence.
    """
    try:
        if render is None:
            return _of_inputs(card.inputs, names)
        shown = render(card)
        markup = getattr(shown, "_repr_html_", None)
        return {"text": str(shown)} if markup is None else {"html": str(markup())}
    except Exception as error:  # of any renderer: the person can still answer, or say that nobody can tell
        return {"problem": sentence(error)}


def belief(card: Card, means: Meaning) -> dict[str, Any]:
    """What the model says of a point, and why it was asked for; units of the data set's labels undone.

    Args:
      card: of the point.
      means: of the labels.

    Returns:
      "guesses" (name and probability, most probable first), "score", "epistemic", "aleatoric", "unit", "near".
    """
    guesses: list[dict[str, Any]] = []
    scale = means.about.label_scale**2 if means.kind == NUMBER else 1.0
    if card.probabilities is not None and means.kind in (CLASS, LABELS):
        sure = card.probabilities if means.kind == CLASS else card.probabilities[:, 1]
        order = np.argsort(-sure, kind="stable")[:MAX_GUESSES].tolist()
        guesses = [{"name": means.names[k], "probability": number(sure[k])} for k in order]
    elif card.guess is not None and means.kind == NUMBER:
        guesses = [{"name": label_text(card.guess, means), "probability": None}]
    return {
        "guesses": guesses,
        "score": number(card.score),
        "epistemic": number(card.epistemic, scale),
        "aleatoric": number(card.aleatoric, scale),
        "unit": "variance" if means.kind == NUMBER else "nats",
        "near": [label_text(near.label, means) for near in card.neighbours],
    }


def label_text(label: PyTree, means: Meaning) -> str:
    """A label as a person reads it: names of classes, or a number in its unit."""
    if means.kind == NUMBER:
        return f"{float(label) * means.about.label_scale + means.about.label_shift:.4g}"
    if means.kind == CLASS:
        return means.names[int(label)]
    if means.kind == LABELS:
        return " + ".join(means.names[k] for k in np.flatnonzero(label)) or "none"
    if means.kind == BOXES:
        counts = Counter(means.names[k] for k in label["classes"][label["present"]].tolist())
        return " + ".join(f"{count} × {name}" if count > 1 else name for name, count in counts.items()) or "no object"
    held = [k for k in np.unique(label).tolist() if 0 <= k < len(means.names)]  # not void
    return " + ".join(means.names[k] for k in held) or "void"


def number(value: Any, scale: float = 1.0) -> float | None:
    """A number of JSON, which has no NaN."""
    return float(value) * scale if value is not None and math.isfinite(value) else None


def sentence(error: Exception) -> str:
    """An error as one line for a person."""
    first = (str(error).strip().splitlines() or [""])[0]
    return first if isinstance(error, ValueError) else f"{type(error).__name__}: {first}"


def _of_inputs(inputs: PyTree, names: Sequence[str]) -> dict[str, Any]:
    images: list[str] = []
    rows: list[tuple[str, str]] = []
    for place, leaf in jax.tree_util.tree_leaves_with_path(inputs):
        name, values = jax.tree_util.keystr(place, simple=True, separator="."), np.asarray(leaf)
        if is_picture(values):
            images.append(picture(values))
        elif values.ndim == 0:
            rows.append((name or "value", _text(values)))
        elif values.ndim == 1:
            columns = names if len(names) == len(values) else [str(k) for k in range(len(values))]
            prefix = f"{name}." if name and columns is not names else ""
            rows += [(prefix + column, _text(value)) for column, value in zip(columns, values, strict=True)]
        else:
            rows.append((name or "value", f"{values.dtype} {list(values.shape)}"))
    if len(rows) > MAX_ROWS:
        rows = [*rows[:MAX_ROWS], ("", f"and {len(rows) - MAX_ROWS} more")]
    return {"images": images, "rows": rows}


def _text(value: Any) -> str:
    return f"{value:.4g}" if np.issubdtype(value.dtype, np.floating) else str(value)
