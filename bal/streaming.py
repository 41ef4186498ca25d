"""Functions of points, streamed in chunks and divided over devices."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int

from bal.memory import points_a_chunk
from bal.processes import num_processes
from bal.regions import Regions
from bal.sources import Source, map_source, take_rows
from bal.types import PyTree
from bal.validation import check_count


def stream(
    fn: Callable[[PyTree], PyTree],
    inputs: PyTree,
    *,
    chunk_size: int | None = None,
    memory_budget: int | None = None,
    mesh: Mesh | None = None,
) -> PyTree:
    """Apply a function of points to all points without ever holding its intermediates for all of them.

    Args:
      fn: inputs [n, ...] -> pytree with leaves [n, ...]; a point's result must not depend on the other points.
      inputs: all points, a pytree with leaves [N, ...], :class:`bal.regions.Regions`, whose images are the points of a
        chunk, or :class:`bal.Source`.
      chunk_size: largest number of points at a time; None follows from the memory budget, by tracing ``fn``.
      memory_budget: bytes that the largest intermediate array of a chunk may take; None suits the platform.
      mesh: devices over which the points are divided; None keeps them where they are.

    Returns:
      Pytree with leaves [N, ...]. Chunking changes results by rounding only.

    Raises:
      ValueError: ``chunk_size`` or ``memory_budget`` below 1, or leaves of different lengths.

    Example:
      >>> stream(lambda x: 2 * x, jnp.arange(5), chunk_size=2)
      Array([0, 2, 4, 6, 8], dtype=int32)
    """
    for name, value in (("chunk_size", chunk_size), ("memory_budget", memory_budget)):
        if value is not None:
            check_count(name, value)
    count = num_points(inputs)
    if isinstance(inputs, Source):
        size = points_a_chunk(fn, inputs.shapes(count), chunk_size=chunk_size, memory_budget=memory_budget)
        if mesh is None:
            return map_source(fn, inputs, _even(count, size)[1])
        # A chunk that is read is divided over the devices of the process that reads it.
        here = [device for device in mesh.devices.flat if device.process_index == jax.process_index()]
        divided = partial(stream, fn, chunk_size=size, mesh=Mesh(np.array(here), ("points",)))
        shared = num_processes(mesh) > 1
        return map_source(divided, inputs, _even(count, size * len(here))[1], shared=shared)

    if isinstance(inputs, Regions) and isinstance(inputs.images, Source):
        return _stream_regions(fn, inputs, chunk_size=chunk_size, memory_budget=memory_budget, mesh=mesh)
    images = num_rows(inputs)

    def stream_here(block: PyTree) -> PyTree:
        return map_chunks(fn, block, points_a_chunk(fn, block, chunk_size=chunk_size, memory_budget=memory_budget))

    if mesh is None:
        return stream_here(inputs)
    # One axis over all devices, of the kind whose shardings the compiler infers, whatever the kind of the given mesh.
    mesh = Mesh(mesh.devices.reshape(-1), ("points",))
    axes = PartitionSpec("points")
    # Every device takes the same number of points; the surplus repeats the last point and is cut off again.
    surplus = -images % mesh.size
    padded = jax.tree.map(lambda leaf: jnp.concatenate([leaf, jnp.repeat(leaf[-1:], surplus, axis=0)]), inputs)
    # Devices do not communicate, so tracking what varies over them has no benefit, and it rejects a scan in ``fn`` that
    # starts from a constant.
    sharded = jax.shard_map(stream_here, mesh=mesh, in_specs=axes, out_specs=axes, check_vma=False)
    whole = NamedSharding(mesh, PartitionSpec())

    def gather(leaf: Array) -> Array:
        # Rules would look at divided scores in many small steps, in each of which devices wait for one another; larger
        # leaves stay where they are.
        return jax.lax.with_sharding_constraint(leaf, whole) if leaf.ndim == 1 else leaf

    return jax.tree.map(lambda leaf: gather(leaf)[:count], sharded(padded if surplus else inputs))


def _stream_regions(fn: Callable[[PyTree], PyTree], inputs: Regions, **settings: Any) -> PyTree:
    """A pass over images on disk, in whose results each image is a row of its regions."""

    def by_image(images: PyTree) -> PyTree:
        values = fn(Regions(images, None, inputs.grid))
        return jax.tree.map(lambda leaf: leaf.reshape(-1, inputs.num_regions, *leaf.shape[1:]), values)

    whole = stream(by_image, inputs.images, **settings)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), whole)


def num_points(points: PyTree) -> int:
    """The number of points N of a pytree with leaves [N, ...], of the regions of images, or of a pool on disk.

    Raises:
      ValueError: no leaf, one without an axis, or leaves of different lengths.
    """
    if isinstance(points, Source):
        return points.size
    return num_points(points.images) * points.num_regions if isinstance(points, Regions) else num_rows(points)


def num_rows(points: PyTree, axis: int = 0) -> int:
    """The length of all leaves along an axis."""
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(points)]
    lengths = {shape[axis] if len(shape) > axis else -1 for shape in shapes}
    if len(lengths) != 1 or -1 in lengths:
        raise ValueError(f"expected arrays with one length along axis {axis}, the points, got shapes {shapes}")
    return lengths.pop()


def take_points(points: PyTree, indices: Int[Array, " n"]) -> PyTree:
    """Rows of any kind of points; the absent index N, and any beyond it, gives zeros."""
    if isinstance(points, Regions):
        return points.take(indices)
    if isinstance(points, Source):
        return take_rows(points, indices)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf).at[indices].get(mode="fill", fill_value=0), points)


def map_chunks(fn: Callable[[PyTree], PyTree], inputs: PyTree, chunk_size: int, *, axis: int = 0) -> PyTree:
    """Apply a function to one chunk of points after another; the points lie along ``axis`` of its inputs.

    Args:
      fn: a chunk of n inputs -> pytree with leaves [n, ...], whatever the axis of the inputs; or with the same multiple
        of n rows for each chunk, such as one row a region.
      inputs: all points.
      chunk_size: largest number of points at a time.
      axis: axis of the inputs along which the points lie.

    Returns:
      Pytree with leaves [N, ...].
    """
    count = num_rows(inputs, axis)
    if chunk_size >= count:
        return fn(inputs)
    num_chunks, size = _even(count, chunk_size)
    # The last chunk is full too: it repeats points that are already done, so that no padded copy of the pool is made.
    starts = jnp.minimum(jnp.arange(num_chunks) * size, count - size)

    def chunk(start: Array) -> PyTree:
        return jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, size, axis), inputs)

    chunks = jax.lax.map(lambda start: fn(chunk(start)), starts)

    def join(leaf: Array) -> Array:
        whole = leaf[:-1].reshape(-1, *leaf.shape[2:])
        rows = leaf.shape[1] // size  # for each input
        return jnp.concatenate([whole, leaf[-1, whole.shape[0] + (size - count) * rows :]])

    return jax.tree.map(join, chunks)


def _even(count: int, chunk_size: int) -> tuple[int, int]:
    """The smallest number of chunks of at most this size, and the size at which they are evenly filled."""
    num_chunks = -(-count // chunk_size)
    return num_chunks, -(-count // num_chunks)
