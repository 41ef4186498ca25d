"""What the page of a session shows of boxes and masks to accept or to correct, and the label that it sends back."""

from typing import Any

import numpy as np

from bal.detection import padded_boxes
from bal.labelling._card import Card
from bal.labelling._meaning import BOXES, LABELS, MASK, NUMBER, Meaning
from bal.labelling._picture import layer
from bal.types import PyTree


def parts(means: Meaning, card: Card) -> list[dict[str, Any]]:
    """The boxes that the model proposes, or the classes of its mask; [] before the first model and for other labels.

    Args:
      means: of the labels.
      card: of the point.

    Returns:
      "class", "probability", and "box" (y0, x0, y1, x1) or "layer", the address of a picture that is opaque where the
      mask has the class.
    """
    if means.kind == BOXES and card.guess is not None:
        return [
            {
                "class": int(card.guess["classes"][place]),
                "probability": float(card.probabilities[place]),
                "box": card.guess["boxes"][place].tolist(),
            }
            for place in np.flatnonzero(card.guess["present"])
        ]
    if means.kind == MASK and card.guess is not None:
        return [
            {
                "class": k,
                "probability": float(card.probabilities[card.guess == k, k].mean()),
                "layer": layer(card.guess == k),
            }
            for k in np.unique(card.guess).tolist()
        ]
    return []


def label_said(means: Meaning, said: Any, guess: PyTree | None) -> PyTree:
    """The label that a page has sent, as the data set holds labels.

    Args:
      means: of the labels.
      said: the number of a class; a number in the data set's unit; numbers of the labels that hold; boxes with their
        classes; or a class for each of the :func:`parts` of a mask.
      guess: of the card that was shown.

    Raises:
      ValueError: what is none of these.
    """
    if means.kind == NUMBER:
        try:
            return (float(said) - means.about.label_shift) / means.about.label_scale
        except (TypeError, ValueError):
            raise ValueError(f"expected a number, got {said!r}") from None
    if means.kind == LABELS:
        return np.isin(np.arange(len(means.names)), said).astype(means.like.dtype)
    if means.kind == BOXES:
        room = means.like["classes"].shape[1]
        if len(said) > room:
            raise ValueError(f"expected at most {room} boxes, for which labels have room, got {len(said)}: remove some")
        corners, numbers = [one["box"] for one in said], [one["class"] for one in said]
        labels = padded_boxes([np.array(corners, np.float64)], [np.array(numbers, np.int64)], room=room)
        return {name: leaf[0] for name, leaf in labels.items()}
    if means.kind == MASK:
        if guess is None:
            raise ValueError(
                "expected a mask of the model to accept, got none before the first fit: give the first labels by "
                "session.answer or bal.labelling.from_label_studio"
            )
        # Class -> class that replaces it.
        return np.array(said)[np.searchsorted(np.unique(guess), guess)]
    return said
