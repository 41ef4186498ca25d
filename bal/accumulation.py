"""Sums over points, accumulated chunk by chunk, so that the summands never exist for all points at once."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float

from bal.memory import points_a_chunk
from bal.streaming import num_points
from bal.types import PyTree
from bal.validation import check_count


def accumulate(
    fn: Callable[[PyTree, Float[Array, " n"]], tuple[PyTree, PyTree]],
    points: PyTree,
    weights: Float[Array, " N"],
    *,
    chunk_size: int | None = None,
    memory_budget: int | None = None,
    mesh: Mesh | None = None,
) -> tuple[PyTree, PyTree]:
    """Apply a function of points and weights to each chunk of points, add up its sums and join its per-point results.

    Args:
      fn: (points [n, ...], weights [n]) -> sums over these points, and leaves [n, ...]. A point of weight 0 adds
        nothing to the sums.
      points: a pytree with leaves [N, ...], such as inputs and labels.
      weights: of the points.
      chunk_size: largest number of points at a time; None follows from the memory budget, by tracing ``fn``.
      memory_budget: bytes that the largest intermediate array of a chunk may take; None suits the platform.
      mesh: devices over which the points are divided; None keeps them where they are.

    Returns:
      Sums over all points, and leaves [N, ...]. Chunks and devices change them by rounding only.

    Raises:
      ValueError: no points, ``chunk_size`` or ``memory_budget`` below 1, or leaves of different lengths.

    Example:
      >>> accumulate(lambda x, w: ((x * w).sum(), 2 * x), jnp.arange(3.0), jnp.ones(3), chunk_size=2)
      (Array(3., dtype=float32), Array([0., 2., 4.], dtype=float32))
    """
    for name, value in (("chunk_size", chunk_size), ("memory_budget", memory_budget)):
        if value is not None:
            check_count(name, value)
    count = num_points((points, weights))
    if count == 0:
        raise ValueError("expected at least one point to add up, got none")

    def accumulate_here(block: tuple[PyTree, Array]) -> tuple[PyTree, PyTree]:
        size = points_a_chunk(lambda chunk: fn(*chunk), block, chunk_size=chunk_size, memory_budget=memory_budget)
        return _over_chunks(fn, *block, size)

    if mesh is None:
        return accumulate_here((points, weights))
    mesh = Mesh(mesh.devices.reshape(-1), ("points",))
    axes = PartitionSpec("points")
    # Every device takes the same number of points; the surplus repeats the last point with weight 0.
    surplus = -count % mesh.size
    padded = jax.tree.map(lambda leaf: jnp.concatenate([leaf, jnp.repeat(leaf[-1:], surplus, axis=0)]), points)
    padded_weights = jnp.concatenate([weights, jnp.zeros(surplus, weights.dtype)])

    def on_one_device(block: tuple[PyTree, Array]) -> tuple[PyTree, PyTree]:
        sums, kept = accumulate_here(block)
        return jax.tree.map(lambda leaf: leaf[None], sums), kept

    # Tracking what varies over devices would reject a scan that starts from a constant; see ``stream``.
    sharded = jax.shard_map(on_one_device, mesh=mesh, in_specs=(axes,), out_specs=axes, check_vma=False)
    sums, kept = sharded((padded, padded_weights))
    return jax.tree.map(lambda leaf: leaf.sum(axis=0), sums), jax.tree.map(lambda leaf: leaf[:count], kept)


def _over_chunks(fn, points: PyTree, weights: Float[Array, " N"], chunk_size: int) -> tuple[PyTree, PyTree]:
    count = weights.shape[0]
    if chunk_size >= count:
        return fn(points, weights)
    num_chunks = -(-count // chunk_size)
    size = -(-count // num_chunks)  # the same number of chunks, evenly filled
    # The last chunk is full too: it repeats points that are already done, with weight 0.
    first_new = jnp.arange(num_chunks) * size
    starts = jnp.minimum(first_new, count - size)
    rows = jnp.arange(size)

    def add_chunk(total: PyTree, chunk: tuple[Array, Array]) -> tuple[PyTree, PyTree]:
        start, first = chunk
        here, weights_here = jax.tree.map(
            lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, size), (points, weights)
        )
        sums, kept = fn(here, jnp.where(start + rows >= first, weights_here, 0.0))
        return jax.tree.map(jnp.add, total, sums), kept

    block = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((size, *leaf.shape[1:]), leaf.dtype), (points, weights))
    zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(fn, *block)[0])
    sums, kept = jax.lax.scan(add_chunk, zero, (starts, first_new))

    def join(leaf: Array) -> Array:
        whole = leaf[:-1].reshape(-1, *leaf.shape[2:])
        return jnp.concatenate([whole, leaf[-1, whole.shape[0] + size - count :]])

    return sums, jax.tree.map(join, kept)
