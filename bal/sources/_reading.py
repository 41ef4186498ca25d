"""Read rows of a pool on disk and check them; read blocks ahead in a thread."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import jax
import numpy as np

from bal.sources._source import Source, as_held, is_numeric, num_rows, unreadable

AHEAD = 2  # blocks that are read before they are needed
DIGESTED = 100  # rows, evenly spaced: all of a large pool would take as long as a round

Request = TypeVar("Request")
Block = TypeVar("Block")


def read_rows(source: Source, indices: np.ndarray) -> list[np.ndarray]:
    """The leaves [n, ...] of some rows; an index outside the pool, such as the absent one N, gives zeros."""
    found = (indices >= 0) & (indices < source.size)
    leaves = [np.zeros((len(indices), *shape), dtype) for shape, dtype in source.leaves]
    if found.any():
        # Each row is read once, in the order of the file.
        distinct, places = np.unique(indices[found], return_inverse=True)
        for leaf, rows in zip(leaves, _checked(source, distinct), strict=True):
            leaf[found] = rows[places]
    return leaves


def read_block(source: Source, start: int, stop: int, length: int) -> list[np.ndarray]:
    """The leaves [length, ...] of the rows from ``start`` to ``stop``; what follows them is not set."""
    rows = _checked(source, np.arange(start, stop))
    if stop - start == length:
        return rows
    leaves = [np.empty((length, *shape), dtype) for shape, dtype in source.leaves]
    for leaf, block in zip(leaves, rows, strict=True):
        leaf[: stop - start] = block
    return leaves


def digest_of(source: Source) -> str:
    """A digest of a pool's length, shapes and dtypes, and of some of its rows; another pool has another one."""
    digest = hashlib.sha256(f"{source.size} {source.structure} {source.leaves}".encode())
    places = np.unique(np.linspace(0, source.size - 1, DIGESTED).astype(np.int64))
    for leaf in _checked(source, places):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()


def read_ahead(read: Callable[[Request], Block], requests: Iterable[Request]) -> Iterator[Block]:
    """The answers to requests in their order; one thread reads the next ones, and its error is raised at once."""
    reader = ThreadPoolExecutor(1, thread_name_prefix="bal-reader")
    pending: deque = deque()
    try:
        for request in requests:
            pending.append(reader.submit(read, request))
            if len(pending) > AHEAD:
                yield _first(pending)
        while pending:
            yield _first(pending)
    finally:
        reader.shutdown(wait=False, cancel_futures=True)


def _first(pending: deque) -> Any:
    for later in pending:
        if later.done() and later.exception() is not None:
            raise later.exception()
    return pending.popleft().result()


def _checked(source: Source, indices: np.ndarray) -> list[np.ndarray]:
    """Leaves of rows in ascending order, in memory, after all checks."""
    count = num_rows(source.rows)
    if count != source.size:
        raise ValueError(
            f"expected a pool of {source.size} rows, as it was when it was opened, got {count}: keep the rows of a "
            "run in their places, and start another run for more of them"
        )
    try:
        rows = _fetch(source, indices)
    except Exception as error:
        raise ValueError(_culprit(source, indices, error)) from error
    if isinstance(rows, list):
        leaves = _stacked(source, indices, rows)
    else:
        ((shape, dtype),) = source.leaves
        if rows.shape != (len(indices), *shape) or as_held(rows.dtype) != dtype:
            found = f"{rows.dtype} {list(rows.shape[1:])}"
            raise ValueError(f"expected {dtype} {list(shape)} at index {indices[0]} of the pool, got {found}")
        leaves = [np.array(rows, dtype)]  # a copy: pages of a file could change while they are used
    _check_numbers(indices, leaves)
    return leaves


def _fetch(source: Source, indices: np.ndarray) -> list | np.ndarray:
    """Rows as one array, or as a list of them after the transform."""
    rows, transform = source.rows, source.transform
    is_range = len(indices) == indices[-1] + 1 - indices[0]
    found: Any
    if isinstance(rows, np.ndarray):
        found = rows[indices[0] : indices[-1] + 1] if is_range else rows[indices]
    elif hasattr(rows, "__getitems__"):
        found = rows.__getitems__(indices.tolist())
    elif hasattr(rows, "shape") and is_range:
        found = np.asarray(rows[int(indices[0]) : int(indices[-1]) + 1])
    else:
        found = [rows[index] for index in indices.tolist()]
    if len(found) != len(indices):
        raise ValueError(f"{len(found)} rows for {len(indices)} indices")
    if transform is not None:
        return [transform(row) for row in found]
    return found if isinstance(found, np.ndarray) else list(found)


def _culprit(source: Source, indices: np.ndarray, error: Exception) -> str:
    """The sentence about the first of several rows that cannot be read by itself."""
    for index in indices.tolist():
        try:
            _fetch(source, np.array([index]))
        except Exception as own:
            return unreadable(index, own)
    return f"{unreadable(indices[0], error)} (with those up to index {indices[-1]}; alone, each can be read)"


def _stacked(source: Source, indices: np.ndarray, rows: list) -> list[np.ndarray]:
    leaves = [np.empty((len(rows), *shape), dtype) for shape, dtype in source.leaves]
    for place, row in enumerate(rows):
        parts, structure = jax.tree.flatten(row)
        arrays = [np.asarray(part) for part in parts]
        kinds = tuple((array.shape, as_held(array.dtype) if is_numeric(array.dtype) else None) for array in arrays)
        if kinds != source.leaves or structure != source.structure:
            expected, found = (
                ", ".join(f"{dtype or 'no numbers'} {list(shape)}" for shape, dtype in shown)
                for shown in (source.leaves, kinds)
            )
            raise ValueError(
                f"expected {expected}, as at index 0, at index {indices[place]} of the pool, got {found}: "
                "give all rows one shape and dtype in transform"
            )
        for leaf, array in zip(leaves, arrays, strict=True):
            leaf[place] = array
    return leaves


def _check_numbers(indices: np.ndarray, leaves: list[np.ndarray]) -> None:
    for leaf in leaves:
        # The minimum is NaN if any number is, and takes a fraction of the time of isnan.
        if jax.numpy.issubdtype(leaf.dtype, jax.numpy.floating) and leaf.size and np.isnan(leaf.min()):
            first = np.isnan(leaf).reshape(len(leaf), -1).any(axis=1).argmax()
            raise ValueError(
                f"expected numbers at index {indices[first]} of the pool, got NaN: replace it in transform"
            )
