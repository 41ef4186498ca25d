"""Labels as results of Label Studio's controls, and back: choices, numbers, rectangles and brush masks."""

from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from bal.detection import padded_boxes
from bal.labelling._meaning import BOXES, CLASS, LABELS, MASK, NUMBER, Meaning
from bal.labelling._rle import decode_mask, encode_mask
from bal.types import PyTree

CONTROL = "label"  # the name of the control in the labelling interface
# kind of labels -> type of a result, which is also the key of its value
TYPES = {CLASS: "choices", NUMBER: "number", LABELS: "choices", BOXES: "rectanglelabels", MASK: "brushlabels"}


def control(means: Meaning, shown: str) -> str:
    """The control of the labelling interface.

    Args:
      means: of the labels.
      shown: name of the object that is labelled.
    """
    if means.kind == NUMBER:
        return f'<Number name="{CONTROL}" toName="{shown}"/>'
    tag, option, more = {
        CLASS: ("Choices", "Choice", ' choice="single"'),
        LABELS: ("Choices", "Choice", ' choice="multiple"'),
        BOXES: ("RectangleLabels", "Label", ' canRotate="false"'),
        MASK: ("BrushLabels", "Label", ""),
    }[means.kind]
    options = "".join(f"<{option} value={quoteattr(name)}/>" for name in means.names)
    return f'<{tag} name="{CONTROL}" toName="{shown}"{more}>{options}</{tag}>'


def results_of(means: Meaning, label: PyTree, shown: str, scores: Any = None) -> list[dict[str, Any]]:
    """The results that say a label.

    Args:
      means: of the labels.
      label: as the data set holds them.
      shown: name of the object that is labelled.
      scores: [M], of each box; None: not known.
    """
    kind = TYPES[means.kind]
    common: dict[str, Any] = {"from_name": CONTROL, "to_name": shown, "type": kind}
    if means.kind == NUMBER:
        return [{"id": "0", **common, "value": {"number": float(label)}}]
    if means.kind in (CLASS, LABELS):
        held = [int(label)] if means.kind == CLASS else np.flatnonzero(label).tolist()
        return [{"id": "0", **common, "value": {"choices": [means.names[k] for k in held]}}] if held else []
    height, width = _size(means)
    common |= {"original_width": width, "original_height": height, "image_rotation": 0}
    if means.kind == MASK:
        painted = [k for k in np.unique(label).tolist() if 0 < k < len(means.names)]
        codes = {k: {"format": "rle", "rle": encode_mask(np.asarray(label) == k)} for k in painted}
        return [{"id": f"{k}", **common, "value": {**code, kind: [means.names[k]]}} for k, code in codes.items()]
    results = []
    for place in np.flatnonzero(label["present"]).tolist():
        y0, x0, y1, x1 = label["boxes"][place].tolist()
        value = {
            "x": 100 * x0 / width,
            "y": 100 * y0 / height,
            "width": 100 * (x1 - x0) / width,
            "height": 100 * (y1 - y0) / height,
            "rotation": 0,
            kind: [means.names[int(label["classes"][place])]],
        }
        result = {"id": f"{place}", **common, "value": value}
        results.append(result if scores is None else {**result, "score": min(float(scores[place]), 1.0)})
    return results


def label_of(means: Meaning, results: list[dict[str, Any]], where: str) -> PyTree:
    """The label that results say, of which other controls' and comments are left out.

    Args:
      means: of the labels.
      results: of an annotation.
      where: the annotation, for messages.

    Raises:
      ValueError: results of another kind or number, of unknown classes, or of another image.
    """
    kind = TYPES[means.kind]
    ours = [result for result in results if result.get("from_name") == CONTROL]
    values = [_value(result, kind, where) for result in ours]
    if means.kind == NUMBER:
        return _only([value[kind] for value in values], kind, where)
    classes = [[_class(means, name, where) for name in value[kind] or []] for value in values]
    if means.kind in (CLASS, LABELS):
        chosen = [number for numbers in classes for number in numbers]
        if means.kind == CLASS:
            return _only(chosen, kind, where)
        return np.isin(np.arange(len(means.names)), chosen).astype(means.like.dtype)
    numbers = [_only(of_region, "class of a region", where) for of_region in classes]
    if means.kind == BOXES:
        room = means.like["classes"].shape[1]
        if len(numbers) > room:
            raise ValueError(
                f"expected at most {room} boxes, for which labels have room, in {where}, got {len(numbers)}"
            )
        corners = [_corners(means, result, where) for result in ours]
        labels = padded_boxes([np.array(corners, np.float64)], [np.array(numbers, np.int64)], room=room)
        return {name: leaf[0] for name, leaf in labels.items()}
    mask = np.zeros(_size(means), np.int64)
    for result, number in zip(ours, numbers, strict=True):
        mask[_painted(means, result, where)] = number
    return mask


def _value(result: dict[str, Any], kind: str, where: str) -> dict[str, Any]:
    value = result.get("value")
    if result.get("type") != kind or not isinstance(value, dict) or kind not in value:
        raise ValueError(f"expected {kind} of the control {CONTROL!r} in {where}, got {result.get('type')!r}")
    return value


def _only(values: list[Any], what: str, where: str) -> Any:
    if len(values) != 1 or values[0] is None:
        raise ValueError(f"expected one {what} of the control {CONTROL!r} in {where}, got {len(values)}")
    return values[0]


def _class(means: Meaning, name: str, where: str) -> int:
    if name not in means.names:
        raise ValueError(f"expected one of the classes {', '.join(means.names)} in {where}, got {name!r}")
    return means.names.index(name)


def _corners(means: Meaning, result: dict[str, Any], where: str) -> list[float]:
    """A rectangle in percent as (y0, x0, y1, x1) in pixels, cut at the edge of the image."""
    value, (height, width) = result["value"], _size(means)
    if value.get("rotation") or result.get("image_rotation"):
        raise ValueError(f"expected boxes along the image's axes in {where}, got one that is rotated: draw it again")
    try:
        x, y, across, down = (float(value[name]) for name in ("x", "y", "width", "height"))
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"expected x, y, width and height of each box in {where}, got {sorted(value)}") from None
    corners = np.array([y, x, y + down, x + across]) * np.array([height, width, height, width]) / 100
    return np.clip(corners, 0.0, np.array([height, width, height, width])).tolist()


def _painted(means: Meaning, result: dict[str, Any], where: str) -> np.ndarray:
    """Which pixels a brush has painted, [H, W]."""
    value, size = result["value"], _size(means)
    given = result.get("original_height"), result.get("original_width")
    if value.get("format") != "rle" or given != size:
        raise ValueError(
            f"expected masks of {size[0]} x {size[1]} pixels, as run-length codes, in {where}, got {given[0]} x "
            f"{given[1]} as {value.get('format')!r}: show the images in the size of the labels"
        )
    try:
        return decode_mask(value.get("rle"), size)
    except ValueError as error:
        raise ValueError(f"{error} in {where}: export it again") from None


def _size(means: Meaning) -> tuple[int, int]:
    if means.size is None:
        raise ValueError("expected images [N, H, W, channels] among the inputs, of which the boxes are, got none")
    return means.size
