"""Small tables that ship with scikit-learn: columns standardised by the pool, the same random split each time."""

import numpy as np

from bal.datasets._split import random_rows
from bal.datasets._tabular import tabular
from bal.datasets._target import encode_target
from bal.types import Dataset


def diabetes() -> Dataset:
    """Regression: diabetes progression of 442 patients from 10 measurements: 309 in the pool, 133 in the test set.

    The labels are standardised; ``about`` holds their unit.

    Raises:
      ImportError: scikit-learn is not installed.

    References:
      Efron et al. 2004, Least angle regression, Annals of Statistics 32(2)
    """
    return _load("diabetes", scaled=False)


def wine() -> Dataset:
    """178 wines of three cultivars, 13 chemical measurements: 125 in the pool, 53 in the test set.

    Raises:
      ImportError: scikit-learn is not installed.

    References:
      Aeberhard and Forina 1992, UCI Machine Learning Repository, doi:10.24432/C5PC7J
    """
    return _load("wine")


def breast_cancer() -> Dataset:
    """569 tumours, malignant or benign, 30 measurements of cells: 398 in the pool, 171 in the test set.

    Raises:
      ImportError: scikit-learn is not installed.

    References:
      Wolberg et al. 1993, UCI Machine Learning Repository, doi:10.24432/C5DW2B
    """
    return _load("breast_cancer")


def _load(name: str, **settings) -> Dataset:
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ImportError(f"data set {name!r} ships with scikit-learn: pip install 'bal-jax[datasets]'") from error
    bunch = getattr(datasets, f"load_{name}")(**settings)
    values = np.asarray(bunch.target_names)[bunch.target] if "target_names" in bunch else bunch.target
    return tabular(
        bunch.data,
        encode_target("target", values, None),
        input_names=[str(column) for column in bunch.feature_names],
        is_numeric=np.ones(bunch.data.shape[1], bool),
        is_test=random_rows(len(values), 0.3, seed=0),
    )
