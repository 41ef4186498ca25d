"""Tables from files, with a clear error for each way in which reading can fail."""

import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def as_frame(table: Any) -> "pd.DataFrame":
    """Read a table from a path, or copy a frame, as a data frame whose column names are strings.

    Raises:
      ValueError: neither a path of a known kind nor a frame, or a file that is damaged or empty.
      FileNotFoundError: no such file.
      ImportError: pandas, or pyarrow for Parquet, is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("tables are read with pandas: pip install 'bal-jax[studies]'") from error
    if isinstance(table, str | Path):
        frame = _read(Path(table))
    elif isinstance(table, pd.DataFrame):
        frame = table
    else:
        raise ValueError(f"expected a path or a pandas DataFrame, got {type(table).__name__}")
    return frame.set_axis([str(name) for name in frame.columns], axis=1)


def check_file(path: Path) -> None:
    """Raise unless the file exists, has a known ending, and is not empty."""
    if path.suffix not in {".csv", ".parquet", ".npz"}:
        raise ValueError(f"expected a table that ends in .csv, .parquet, or .npz, got {str(path)!r}")
    if not path.is_file():
        raise FileNotFoundError(f"expected a table at {path}, found no such file")
    if path.stat().st_size == 0:
        raise ValueError(f"expected a table with rows in {path}, got an empty file")


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file by name. Nothing is unpickled."""
    check_file(path)
    if not zipfile.is_zipfile(path):
        raise ValueError(f"expected an archive written by numpy.savez in {path}, got another kind of file")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except Exception as error:  # a damaged archive can raise anything from zlib.error to KeyError
        raise ValueError(f"expected arrays of numbers or strings in {path}, {_unreadable(error)}") from error


def _read(path: Path) -> "pd.DataFrame":
    import pandas as pd

    check_file(path)
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        # pandas would rename the second of two columns of the same name, and number a column without a name.
        header = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False).iloc[0].tolist()
        with warnings.catch_warnings():
            # Rows longer than the header would be cut off with a warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(path, index_col=False, low_memory=False)
    except (ValueError, OSError, pd.errors.ParserWarning) as error:
        raise ValueError(f"expected a table in {path}, {_unreadable(error)}") from error
    except ImportError as error:
        raise ImportError("Parquet files are read with pyarrow: pip install 'bal-jax[studies]'") from error
    if "" in header:
        raise ValueError(
            f"expected a name for each column in {path}, got none for column {header.index('') + 1}: "
            "write a table without its index"
        )
    return frame.set_axis(header, axis=1)


def _unreadable(error: Exception) -> str:
    return (
        f"got a file that cannot be read: {str(error).strip().splitlines()[0]}" if str(error) else "got a damaged file"
    )
