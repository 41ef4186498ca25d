"""A card as plain numbers and texts, which a page can show."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from bal.labelling._card import Card
from bal.labelling._picture import is_picture, picture
from bal.types import Description, PyTree

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


def belief(card: Card, names: Sequence[str], about: Description) -> dict[str, Any]:
    """What the model says of a point, and why it was asked for; units of the data set's labels undone.

    Args:
      card: of the point.
      names: of the classes; () for real labels.
      about: of the data set.

    Returns:
      "guesses" (name and probability, most probable first), "score", "epistemic", "aleatoric", "unit", "near".
    """
    guesses: list[dict[str, Any]] = []
    scale = 1.0 if names else about.label_scale**2
    if card.probabilities is not None:
        order = np.argsort(-card.probabilities, kind="stable")[:MAX_GUESSES].tolist()
        guesses = [{"name": names[k], "probability": number(card.probabilities[k])} for k in order]
    elif card.guess is not None:
        guesses = [{"name": label_text(card.guess, names, about), "probability": None}]
    return {
        "guesses": guesses,
        "score": number(card.score),
        "epistemic": number(card.epistemic, scale),
        "aleatoric": number(card.aleatoric, scale),
        "unit": "nats" if names else "variance",
        "near": [label_text(near.label, names, about) for near in card.neighbours],
    }


def label_text(label: Any, names: Sequence[str], about: Description) -> str:
    """A label as a person reads it: the name of a class, or a number in its unit."""
    if names:
        return names[int(label)]
    return f"{float(label) * about.label_scale + about.label_shift:.4g}"


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
