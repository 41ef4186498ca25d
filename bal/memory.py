"""How much memory there is, and how many points of a pass share it: the only room that chooses the size of chunks."""

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import jax
from jax.extend.core import Jaxpr, jaxprs_in_params

from bal.types import PyTree

# Bytes that the largest intermediate array of one chunk may take; several such arrays live at once. On a CPU, larger
# chunks no longer fit in cache and are slower; an accelerator needs enough work for all its cores.
CPU_CHUNK_BYTES = 2**24
ACCELERATOR_CHUNK_BYTES = 2**28  # where its memory is not known
# The share of an accelerator's memory that this array takes.
CHUNK_SHARE = 1 / 32
FEW, MANY = 64, 128  # numbers of points at which a function is traced to see what grows with them


class Pass(NamedTuple):
    """A pass over points, as it was divided when it was traced."""

    num_points: int
    chunk_size: int
    bytes_a_point: int  # of the largest intermediate array


_noted: ContextVar[list[Pass] | None] = ContextVar("passes", default=None)


@contextmanager
def noted_passes() -> Iterator[list[Pass]]:
    """Note every pass over points that is traced within this context."""
    passes: list[Pass] = []
    token = _noted.set(passes)
    try:
        yield passes
    finally:
        _noted.reset(token)


def accelerator_memory() -> int | None:
    """Bytes of the default device, if it is an accelerator that tells."""
    device = jax.devices()[0]
    stats = None if device.platform == "cpu" else device.memory_stats()
    return (stats or {}).get("bytes_limit")


def machine_memory() -> int | None:
    """Bytes of the memory of this machine, which is that of its CPU devices; None where they cannot be asked for."""
    if not hasattr(os, "sysconf"):
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def chunk_bytes(memory: int | None = None) -> int:
    """Bytes that the largest intermediate array of one chunk may take on the default device.

    A CPU has 16 MiB, whatever its memory, so that results do not depend on the machine; an accelerator has 1/32 of its
    memory, or 256 MiB where that is not known.

    Args:
      memory: bytes to share out, in place of the device's; a CPU still takes no more than 16 MiB.
    """
    if jax.default_backend() == "cpu":
        return CPU_CHUNK_BYTES if memory is None else max(1, min(CPU_CHUNK_BYTES, int(memory * CHUNK_SHARE)))
    memory = accelerator_memory() if memory is None else memory
    return ACCELERATOR_CHUNK_BYTES if memory is None else max(1, int(memory * CHUNK_SHARE))


def points_a_chunk(
    fn: Callable[[PyTree], PyTree], inputs: PyTree, *, chunk_size: int | None, memory_budget: int | None
) -> int:
    """How many points a pass takes at a time: ``chunk_size``, or as many as the budget holds; at least 1.

    Args:
      fn: the function of a chunk; it is traced to find its largest array.
      inputs: all points, leaves [N, ...]; only shapes matter.
      chunk_size: None follows from the budget.
      memory_budget: bytes; None suits the platform.
    """
    passes = _noted.get()
    if chunk_size is not None and passes is None:
        return chunk_size
    count, budget = jax.tree.leaves(inputs)[0].shape[0], memory_budget or chunk_bytes()
    few = _sizes_at(FEW, fn, inputs)
    # With a point no array grows by more than its share of these few: where all points fit, one trace tells.
    if passes is None and max(FEW, *few, 0) * count <= budget * FEW:
        return count
    grown = _growth(few, _sizes_at(MANY, fn, inputs))
    size = chunk_size or max(1, budget // grown)
    if passes is not None:
        passes.append(Pass(count, min(size, count), grown))
    return size


def bytes_a_point(fn: Callable[[PyTree], PyTree], inputs: PyTree) -> int:
    """Bytes by which the largest array in the computation of ``fn`` grows with each point; at least 1.

    Two traces differ only in the arrays that grow with the points; arrays of the size of the parameters cancel.
    """
    return _growth(_sizes_at(FEW, fn, inputs), _sizes_at(MANY, fn, inputs))


def _sizes_at(count: int, fn: Callable[[PyTree], PyTree], inputs: PyTree) -> list[int]:
    chunk = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((count, *leaf.shape[1:]), leaf.dtype), inputs)
    return list(_array_sizes(jax.make_jaxpr(fn)(chunk).jaxpr))


def _growth(few: list[int], many: list[int]) -> int:
    growth = [b - a for a, b in zip(few, many, strict=True)]
    return max(1, max(growth, default=0) // (MANY - FEW))


def bytes_of(tree: PyTree) -> int:
    """Bytes of all arrays of a tree, or of their shapes."""
    return sum(map(bytes_of_array, jax.tree.leaves(tree)))


def bytes_of_array(array: Any) -> int:
    """Bytes of an array, or of its shape; what has neither shape nor dtype has none."""
    shape, dtype = getattr(array, "shape", None), getattr(array, "dtype", None)
    return 0 if shape is None or dtype is None else math.prod(shape) * dtype.itemsize


def _array_sizes(jaxpr: Jaxpr) -> Iterator[int]:
    for equation in jaxpr.eqns:
        for variable in equation.outvars:
            yield bytes_of_array(variable.aval)
        for inner in jaxprs_in_params(equation.params):
            yield from _array_sizes(inner)
