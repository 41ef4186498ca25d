"""Which rows of a table are the test set."""

import numpy as np
from jaxtyping import Bool

from bal.validation import check_count, check_fraction


def random_rows(num_rows: int, fraction: float, seed: int) -> Bool[np.ndarray, " n"]:
    """A random fraction of the rows, always the same for the same seed.

    Raises:
      ValueError: a fraction that is not strictly between 0 and 1, or that leaves no row in one part.

    Example:
      >>> int(random_rows(10, 0.3, seed=0).sum())
      3
    """
    check_fraction(test=fraction)
    check_count("seed", seed, least=0)
    count = round(fraction * num_rows)
    if not 1 <= count < num_rows:
        raise ValueError(f"expected test to leave rows for the test set and for the pool, got {fraction} of {num_rows}")
    chosen = np.zeros(num_rows, bool)
    chosen[np.random.default_rng(seed).permutation(num_rows)[:count]] = True
    return chosen


def marked_rows(name: str, values: np.ndarray) -> Bool[np.ndarray, " n"]:
    """The rows that a column marks by True or by "test"; the others hold False or "train".

    Raises:
      ValueError: other values, or no row in one part.

    Example:
      >>> marked_rows("part", np.array(["train", "test", "train"])).tolist()
      [False, True, False]
    """
    known = values.dtype == bool or set(values.tolist()) <= {"train", "test"}
    if not known:
        found = ", ".join(map(repr, dict.fromkeys(values.tolist()[:1000])))
        found = found if len(found) < 80 else f"{found[:80]} ..."
        raise ValueError(f"expected True and False, or 'train' and 'test', in column {name!r}, got {found}")
    marked = values if values.dtype == bool else values == "test"
    if marked.all() or not marked.any():
        raise ValueError(f"expected rows of both kinds in column {name!r}, got {values[0]} in all {len(values)} rows")
    return np.asarray(marked, bool)
