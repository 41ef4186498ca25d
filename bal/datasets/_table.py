"""Data sets from your own tables: CSV, Parquet, NumPy archives, and data frames."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from bal.datasets._arrays import from_arrays
from bal.datasets._columns import check_columns, column_values, encode_columns
from bal.datasets._files import as_frame, read_arrays
from bal.datasets._split import marked_rows, random_rows
from bal.datasets._tabular import labelled, tabular
from bal.datasets._target import Task, encode_target
from bal.types import Dataset
from bal.validation import check_choice

if TYPE_CHECKING:
    import pandas as pd

ARGUMENTS = ("pool_inputs", "pool_labels", "test_inputs", "test_labels", "target_inputs", "target_weights")


def from_table(
    table: Union[str, Path, "pd.DataFrame"],
    *,
    target: str | None = None,
    test: float | str | None = 0.3,
    seed: int = 0,
    task: Task | None = None,
) -> Dataset:
    """A data set from a table: one row a point, one column the target, the other columns the inputs.

    Inputs: numbers and booleans are standardised by the rows of the pool, and a constant column is only shifted;
    strings and categories become one indicator for each value. Targets: strings, booleans, and categories are classes
    in sorted order, and so are integers of at most 20 values that occur in two or more rows on average. Other numbers
    are real labels, standardised by the rows of the pool: a label times ``about.label_scale`` plus
    ``about.label_shift`` is in the unit of the table.

    An ``.npz`` file holds either arrays named as the arguments of :func:`from_arrays` (``pool_inputs``,
    ``pool_labels``, ``test_inputs``, ...), or arrays with the points along their first axis, of which ``target`` names
    the labels and the others are inputs. Its inputs are not scaled; several arrays of inputs become a dict.

    Args:
      table: path that ends in ``.csv``, ``.parquet``, or ``.npz``, or a pandas data frame.
      target: name of the column to predict.
      test: fraction of the rows that form the test set, drawn at random; or the name of a column that marks them by
        True or "test" (the others by False or "train"); or None for no test set. Files with a pool have their own.
      seed: of the random split, which is always the same for the same seed.
      task: "classification" or "regression"; None decides by the dtype of the target, as above.

    Returns:
      The data set. ``about`` holds the names of inputs and classes, and the unit of real labels.

    Raises:
      ValueError: names the column that does not exist, has missing values, or is of a dtype that is not listed above;
        a table without rows; a target that does not vary; a test set or pool without rows.
      FileNotFoundError: no such file.
      ImportError: pandas is not installed; the message says what to install.

    Example:
      >>> import pandas as pd
      >>> table = pd.DataFrame({"size": [1.0, 3.0, 2.0, 5.0], "kind": ["a", "b", "a", "b"], "ripe": ["no", "yes"] * 2})
      >>> dataset = from_table(table, target="ripe", test=None)
      >>> dataset.about.label_names, dataset.about.input_names, dataset.pool_labels.tolist()
      (('no', 'yes'), ('size', 'kind=a', 'kind=b'), [0, 1, 0, 1])
    """
    if task is not None:
        check_choice("task", task, ("classification", "regression"))
    if isinstance(table, str | Path) and Path(table).suffix == ".npz":
        return _from_archive(Path(table), target, test, seed, task)
    frame = as_frame(table)
    check_columns(frame)
    target = _target_name(target, list(frame.columns))
    encoded = encode_target(target, column_values(frame, target), task)
    is_test = _test_rows(test, target, lambda name: column_values(frame, name), list(frame.columns), len(frame), seed)
    inputs = encode_columns(frame.drop(columns=[target, test] if isinstance(test, str) else [target]))
    return tabular(inputs.values, encoded, input_names=inputs.names, is_numeric=inputs.is_numeric, is_test=is_test)


def _from_archive(path: Path, target: str | None, test: float | str | None, seed: int, task: Task | None) -> Dataset:
    arrays = read_arrays(path)
    if "pool_inputs" in arrays:
        if target is not None:
            raise ValueError(f"expected no target for {path}, which has pool_inputs and pool_labels, got {target!r}")
        for name in arrays:
            check_choice(f"the arrays in {path}", name, ARGUMENTS)
        fields: dict[str, Any] = {"pool_labels": None, **arrays}
        return from_arrays(**fields)
    target = _target_name(target, list(arrays))
    lengths = {name: len(array) if array.ndim else 0 for name, array in arrays.items()}
    num_rows = lengths[target]
    if arrays[target].ndim != 1:
        raise ValueError(
            f"expected target {target!r} of shape [n], got {list(arrays[target].shape)}: "
            "save other labels as pool_inputs, pool_labels, test_inputs, and test_labels"
        )
    for name, length in lengths.items():
        if length != num_rows or not length:
            raise ValueError(f"expected the same number of points in each array of {path}, got {length} in {name!r}")
    is_test = _test_rows(test, target, arrays.__getitem__, list(arrays), num_rows, seed)
    inputs = {name: array for name, array in arrays.items() if name not in (target, test)}
    if not inputs:
        raise ValueError("expected an array of inputs beside the target, got none")
    values = next(iter(inputs.values())) if len(inputs) == 1 else inputs
    return labelled(values, encode_target(target, arrays[target], task), is_test)


def _target_name(target: str | None, names: list[str]) -> str:
    if target is None:
        raise ValueError(f"expected target to name one of {', '.join(map(repr, names[:10]))}, got None")
    check_choice("target", target, names)
    return target


def _test_rows(test: Any, target: str, values, names: list[str], num_rows: int, seed: int) -> np.ndarray:
    if test is None:
        return np.zeros(num_rows, bool)
    if not isinstance(test, str):
        return random_rows(num_rows, test, seed)
    check_choice("test", test, names)
    if test == target:
        raise ValueError(f"expected test and target to name different columns, got {test!r} for both")
    return marked_rows(test, values(test))
