"""Functions of points, streamed: chunks whose size follows from a memory budget, divided over devices."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array

from bal.types import PyTree

# Bytes that the largest intermediate array of one chunk may take; a handful of such arrays live at once. Caches decide
# on a CPU, where larger chunks are slower; an accelerator wants enough work for all its cores.
CPU_MEMORY_BUDGET = 2**24
ACCELERATOR_MEMORY_BUDGET = 2**28


def stream(
    fn: Callable[[Array], PyTree], inputs: Array, *, chunk_size: int | None = None, mesh: Mesh | None = None
) -> PyTree:
    """Apply a function of points to all points without ever holding its intermediates for all of them.

    Args:
      fn: inputs [n, ...] -> pytree with leaves [n, ...]; a point's result must not depend on the other points.
      inputs: all points [N, ...].
      chunk_size: points at a time, at most; None chooses from a memory budget by tracing ``fn``.
      mesh: devices over all of which the points are divided; None keeps them where they are.

    Returns:
      Pytree with leaves [N, ...]. Chunking changes results by rounding only.

    Raises:
      ValueError: ``chunk_size`` below 1.

    Example:
      >>> stream(lambda x: 2 * x, jnp.arange(5), chunk_size=2)
      Array([0, 2, 4, 6, 8], dtype=int32)
    """
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"expected chunk_size of at least 1, got {chunk_size}")
    if mesh is None:
        return _stream_here(fn, inputs, chunk_size)
    num_points = inputs.shape[0]
    # One axis over all devices, of the kind whose shardings the compiler fills in, whatever kind the mesh was made of.
    mesh = Mesh(mesh.devices.reshape(-1), ("points",))
    axes = PartitionSpec("points")
    # Every device takes the same number of points; the surplus repeats the last point and is cut off again.
    surplus = -num_points % mesh.size
    padded = jnp.concatenate([inputs, jnp.repeat(inputs[-1:], surplus, axis=0)]) if surplus else inputs
    sharded = jax.shard_map(lambda block: _stream_here(fn, block, chunk_size), mesh=mesh, in_specs=axes, out_specs=axes)
    return jax.tree.map(lambda leaf: leaf[:num_points], sharded(padded))


def _stream_here(fn: Callable[[Array], PyTree], inputs: Array, chunk_size: int | None) -> PyTree:
    return map_chunks(fn, inputs, chunk_size or max(1, _memory_budget() // bytes_a_point(fn, inputs)))


def map_chunks(fn: Callable[[Array], PyTree], inputs: Array, chunk_size: int, *, axis: int = 0) -> PyTree:
    """Apply a function to one chunk of points after another; the points lie along ``axis`` of its inputs.

    Args:
      fn: a chunk of the inputs -> pytree with leaves [n, ...], whatever the axis of the inputs.
      inputs: all points.
      chunk_size: points at a time, at most.
      axis: of the inputs, along which the points lie.

    Returns:
      Pytree with leaves [N, ...].
    """
    num_points = inputs.shape[axis]
    if chunk_size >= num_points:
        return fn(inputs)
    num_chunks = -(-num_points // chunk_size)
    size = -(-num_points // num_chunks)  # the same number of chunks, evenly filled
    # The last chunk is full too: it goes back over points that are done, so that no padded copy of the pool is made.
    starts = jnp.minimum(jnp.arange(num_chunks) * size, num_points - size)
    chunks = jax.lax.map(lambda start: fn(jax.lax.dynamic_slice_in_dim(inputs, start, size, axis)), starts)

    def join(leaf: Array) -> Array:
        whole = leaf[:-1].reshape(-1, *leaf.shape[2:])
        return jnp.concatenate([whole, leaf[-1, whole.shape[0] + size - num_points :]])

    return jax.tree.map(join, chunks)


def _memory_budget() -> int:
    return CPU_MEMORY_BUDGET if jax.default_backend() == "cpu" else ACCELERATOR_MEMORY_BUDGET


def bytes_a_point(fn: Callable[[Array], PyTree], inputs: Array) -> int:
    """Bytes by which the largest array in the computation of ``fn`` grows with each point; at least 1.

    Two traces differ in the arrays that grow with the points only: those of the size of the parameters cancel.
    """
    few, many = 64, 128

    def array_sizes(num_points: int) -> list[int]:
        chunk = jax.ShapeDtypeStruct((num_points, *inputs.shape[1:]), inputs.dtype)
        return list(_array_sizes(jax.make_jaxpr(fn)(chunk).jaxpr))

    growth = [b - a for a, b in zip(array_sizes(few), array_sizes(many), strict=True)]
    return max(1, max(growth, default=0) // (many - few))


def _array_sizes(jaxpr: Jaxpr):
    for equation in jaxpr.eqns:
        for variable in equation.outvars:
            shape, dtype = getattr(variable.aval, "shape", None), getattr(variable.aval, "dtype", None)
            yield 0 if shape is None or dtype is None else math.prod(shape) * dtype.itemsize
        for parameter in equation.params.values():
            for inner in parameter if isinstance(parameter, tuple | list) else (parameter,):
                if isinstance(inner, ClosedJaxpr):
                    yield from _array_sizes(inner.jaxpr)
                elif isinstance(inner, Jaxpr):
                    yield from _array_sizes(inner)
