"""Tables of a report: numbers for files, and the same numbers as text for people."""

import math
from typing import NamedTuple

import pandas as pd

from bal.studies._tables import ABSENT


class ReportTable(NamedTuple):
    """A table and how it is shown."""

    name: str  # of its files
    title: str
    note: str  # what its columns mean
    numbers: pd.DataFrame  # for CSV
    shown: pd.DataFrame  # strings, for HTML and LaTeX


def number(value: float, decimals: int, *, sign: str = "") -> str:
    """A number, or a dash where it is undefined.

    Example:
      >>> number(0.12345, 3), number(0.1, 2, sign="+"), number(float("nan"), 3)
      ('0.123', '+0.10', '-')
    """
    return ABSENT if math.isnan(value) else f"{value:{sign}.{decimals}f}"


def interval(estimate: float, low: float, high: float, decimals: int, *, sign: str = "") -> str:
    """An estimate and the ends of its interval, which one run does not have.

    Example:
      >>> interval(0.1, -0.05, 0.25, 2, sign="+"), interval(0.1, float("nan"), float("nan"), 2)
      ('+0.10 [-0.05, +0.25]', '0.10')
    """
    text = number(estimate, decimals, sign=sign)
    if math.isnan(estimate) or math.isnan(low) or math.isnan(high):
        return text
    return f"{text} [{number(low, decimals, sign=sign)}, {number(high, decimals, sign=sign)}]"


def p_value(value: float) -> str:
    """A p-value.

    Example:
      >>> p_value(0.0421), p_value(0.0001)
      ('0.042', '< 0.001')
    """
    return "< 0.001" if value < 0.001 else number(value, 3)


def labels(value: float, most: int) -> str:
    """A number of labels; infinity lies beyond the budget.

    Example:
      >>> labels(40.0, 120), labels(float("inf"), 120)
      ('40', '> 120')
    """
    return f"> {most}" if math.isinf(value) else number(value, 0)


def difference_of_labels(value: float) -> str:
    """Labels that are saved; infinite where only one of two strategies reaches a target.

    Example:
      >>> difference_of_labels(12.34), difference_of_labels(float("-inf"))
      ('+12.3', 'not reached')
    """
    if math.isinf(value):
        return "not reached" if value < 0 else "only here"
    return number(value, 1, sign="+")
