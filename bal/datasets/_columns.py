"""Columns of a pandas table as numbers: known dtypes, missing values, indicators of categories."""

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

if TYPE_CHECKING:
    import pandas as pd

# A column with more categories than this holds names or ids, from which no model learns.
MAX_CATEGORIES = 256


class Columns(NamedTuple):
    """The inputs of a table."""

    values: Float[np.ndarray, "n D"]
    names: tuple[str, ...]
    is_numeric: Bool[np.ndarray, " D"]  # False for indicators of categories


def check_columns(frame: "pd.DataFrame") -> None:
    """Raise if a table has no rows, two columns of the same name, or missing values."""
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise ValueError(f"expected columns of different names, got {repeated[0]!r} more than once")
    if not len(frame):
        raise ValueError("expected a table with rows, got none")
    counts = frame.isna().sum()
    missing = [f"{name!r} ({count})" for name, count in counts.items() if count]
    if missing:
        names = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise ValueError(f"expected no missing values, got some in {names}: fill them in, or drop their rows")


def column_values(frame: "pd.DataFrame", name: str) -> np.ndarray:
    """A column as an array of booleans, integers, floats, or strings (an object array).

    Raises:
      ValueError: dates and any other dtype.
    """
    return _values(frame[name], _kind(name, frame[name]))


def encode_columns(frame: "pd.DataFrame") -> Columns:
    """All columns of a table as one array: numbers as they are, one indicator for each category.

    Args:
      frame: without missing values.

    Raises:
      ValueError: no column, infinity, more than 256 categories, dates, and any other dtype.
    """
    blocks, names, is_numeric = [], [], []
    for name, column in frame.items():
        kind = _kind(str(name), column)
        values = _values(column, kind)
        if kind == "text":
            categories, codes = np.unique(values, return_inverse=True)
            if len(categories) > MAX_CATEGORIES:
                raise ValueError(
                    f"expected at most {MAX_CATEGORIES} categories in column {name!r}, got {len(categories)}: drop it"
                )
            blocks.append((codes[:, None] == np.arange(len(categories))).astype(np.float64))
            names += [f"{name}={category}" for category in categories]
        else:
            numbers = values.astype(np.float64)[:, None]
            infinite = int((~np.isfinite(numbers)).sum())
            if infinite:
                raise ValueError(f"expected finite numbers in column {name!r}, got {infinite} infinite values")
            blocks.append(numbers)
            names.append(str(name))
        is_numeric += [kind != "text"] * blocks[-1].shape[1]
    if not blocks:
        raise ValueError("expected a column of inputs beside the target, got none")
    return Columns(np.concatenate(blocks, axis=1), tuple(names), np.array(is_numeric))


def _kind(name: str, column: "pd.Series") -> Literal["bool", "integer", "real", "text"]:
    from pandas.api import types

    dtype: Any = column.dtype
    if isinstance(dtype, types.CategoricalDtype):
        return "text"
    if types.is_bool_dtype(dtype):
        return "bool"
    if types.is_integer_dtype(dtype):
        return "integer"
    if types.is_float_dtype(dtype):
        return "real"
    if types.is_string_dtype(dtype) or types.is_object_dtype(dtype):
        found = types.infer_dtype(column)
        if found == "string":
            return "text"
        if found == "boolean":
            return "bool"
        dtype = found
    raise ValueError(
        f"expected numbers, strings, booleans, or categories in column {name!r}, got {dtype}: convert it to numbers, "
        "or drop it"
    )


def _values(column: "pd.Series", kind: str) -> np.ndarray:
    if kind == "bool":
        return column.to_numpy(bool)
    if kind == "integer":
        # Unsigned integers of 64 bits do not fit in int64.
        return column.to_numpy(np.uint64 if str(column.dtype).lower() == "uint64" else np.int64)
    if kind == "real":
        return column.to_numpy(np.float64)
    values = column.to_numpy(object)
    # Categories of one type keep their order; those of several types become strings.
    return values if len({type(value) for value in values}) == 1 else values.astype(str)
