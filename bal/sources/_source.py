"""The record of a pool on disk."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Int

from bal.types import PyTree


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """A pool that is read row by row or in blocks, never as a whole, for ``Dataset.pool_inputs``.

    It is static: it travels with a data set through JAX's tree functions and holds no array of theirs. The functions of
    a learner compile their pieces themselves, so they are called without ``jax.jit``, and for one run at a time.

    Args:
      rows: anything with a length whose rows are arrays or pytrees of arrays: a NumPy memmap, an array of HDF5 or Zarr,
        ``tfds.data_source``, a data source of grain. Rows are read by ``__getitems__`` if it exists, by slices of
        what has a ``shape``, and by ``__getitem__`` otherwise, from one thread at a time.
      transform: from one row to the inputs of one point, such as ``lambda row: row["image"]``; None takes rows as they
        are. It runs on the host and in another thread.

    Raises:
      ValueError: no rows, or a first row that cannot be read or is not numbers.

    Example:
      >>> pool = Source(np.arange(6.0).reshape(3, 2))
      >>> pool.size, pool.leaves
      (3, (((2,), dtype('float32')),))
    """

    rows: Any
    transform: Callable[[Any], PyTree] | None = None
    size: int = dataclasses.field(init=False)  # N
    structure: Any = dataclasses.field(init=False)  # of the pytree of a row
    leaves: tuple[tuple[tuple[int, ...], np.dtype], ...] = dataclasses.field(init=False)  # shape and dtype, one a leaf

    def __post_init__(self) -> None:
        if not hasattr(self.rows, "__getitem__") or not (hasattr(self.rows, "__len__") or hasattr(self.rows, "shape")):
            raise ValueError(
                f"expected rows with __len__ and __getitem__, such as a memmap, got {type(self.rows).__name__}"
            )
        size = num_rows(self.rows)
        if size == 0:
            raise ValueError("expected a pool of at least one row, got none")
        try:
            row = self.rows[0] if self.transform is None else self.transform(self.rows[0])
        except Exception as error:
            raise ValueError(unreadable(0, error)) from error
        leaves, structure = jax.tree.flatten(row)
        arrays = [np.asarray(leaf) for leaf in leaves]
        if not arrays or any(not is_numeric(array.dtype) for array in arrays):
            found = ", ".join(str(array.dtype) for array in arrays) or "nothing"
            raise ValueError(f"expected rows that are arrays of numbers, got {found}: convert them in transform")
        kinds = tuple((array.shape, as_held(array.dtype)) for array in arrays)
        for name, value in (("size", size), ("structure", structure), ("leaves", kinds)):
            object.__setattr__(self, name, value)  # as a frozen dataclass does itself

    def shapes(self, count: int) -> PyTree:
        """Shapes and dtypes of ``count`` points."""
        specs = [jax.ShapeDtypeStruct((count, *shape), dtype) for shape, dtype in self.leaves]
        return jax.tree.unflatten(self.structure, specs)

    def part(self, indices: Int[np.ndarray, " n"]) -> "Source":
        """A pool of some of the rows, which stay where they are."""
        return Source(_Part(self.rows, indices), self.transform)

    def __eq__(self, other: object) -> bool:
        """Whether both read the same rows, so that a cell of a notebook may be run again without a new program."""
        return isinstance(other, Source) and self.rows is other.rows and self._rest() == other._rest()

    def __hash__(self) -> int:
        return hash((id(self.rows), *self._rest()))

    def __repr__(self) -> str:
        return f"Source({self.size} rows of {type(self.rows).__name__})"

    def _rest(self) -> tuple:
        return self.transform, self.size, self.structure, self.leaves


class _Part:
    """Some rows of a pool on disk."""

    def __init__(self, rows: Any, indices: Int[np.ndarray, " n"]):
        self.rows, self.indices = rows, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.rows[int(self.indices[index])]

    def __getitems__(self, indices: list[int]) -> Any:
        chosen = self.indices[indices]
        if isinstance(self.rows, np.ndarray):
            return self.rows[chosen]
        if hasattr(self.rows, "__getitems__"):
            return self.rows.__getitems__(chosen.tolist())
        return [self.rows[index] for index in chosen.tolist()]


def num_rows(rows: Any) -> int:
    """How many rows there are; an array of Zarr tells its shape only."""
    return len(rows) if hasattr(rows, "__len__") else rows.shape[0]


def unreadable(index: int, error: Exception) -> str:
    """The sentence about a row that raises."""
    return f"expected to read index {index} of the pool, got {type(error).__name__}: {error}"


def is_numeric(dtype: np.dtype) -> bool:
    """Whether JAX can hold it; dtypes such as bfloat16 are no numbers to NumPy."""
    return jax.numpy.issubdtype(dtype, jax.numpy.number) or dtype.kind == "b"


def as_held(dtype: np.dtype) -> np.dtype:
    """The dtype of a JAX array of these numbers: of 32 bits instead of 64."""
    return np.dtype(jax.dtypes.canonicalize_dtype(dtype))
