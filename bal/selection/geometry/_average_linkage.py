"""Agglomerative clusters of a masked set of points under average linkage, in one compiled loop."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


class _State(NamedTuple):
    distances: Float[Array, "M M"]  # between clusters, each known by one of its points; inf to itself and to dead ones
    sizes: Float[Array, " M"]  # 0 where a cluster has been merged into another
    chain: Int[Array, " M"]  # clusters, each the nearest of the one before
    length: Int[Array, ""]
    merges: Int[Array, "M 2"]  # (kept, dead)
    heights: Float[Array, " M"]  # distances at which they were merged; inf where there was none
    num_merges: Int[Array, ""]


def average_linkage(distances: Float[Array, "M M"], kept: Bool[Array, " M"], *, num_clusters: int) -> Int[Array, " M"]:
    """Merge the two clusters of the smallest mean distance until ``num_clusters`` are left.

    Chains of nearest neighbours find the merges in time of order M squared (Müllner 2011); the lowest of them are
    applied. They are the greedy ones, since merged clusters are never nearer to a third one than both were.

    Args:
      distances: between points, symmetric.
      kept: the points that count.
      num_clusters: left at the end; fewer where there are fewer points.

    Returns:
      A cluster for each point, as the index of one of its points; those not kept are alone.

    References:
      Müllner 2011, Modern hierarchical, agglomerative clustering algorithms, arXiv:1109.2378
    """
    size = kept.shape[0]
    indices, num_kept = jnp.arange(size, dtype=jnp.int32), kept.sum(dtype=jnp.int32)
    pairs = kept[:, None] & kept[None] & (indices[:, None] != indices[None])
    # Only what is no pair is infinitely far, or the chain would not end; means of such distances do not overflow.
    far = jnp.finfo(distances.dtype).max / (4 * size)
    state = _State(
        jnp.where(pairs, jnp.fmin(distances, far), jnp.inf),
        kept.astype(distances.dtype),
        jnp.zeros(size, jnp.int32),
        jnp.int32(0),
        jnp.zeros((size, 2), jnp.int32),
        jnp.full(size, jnp.inf, distances.dtype),
        jnp.int32(0),
    )
    state = jax.lax.while_loop(lambda state: state.num_merges < num_kept - 1, _grow_or_merge, state)
    lowest_first = jnp.argsort(state.heights)

    def merge(step, labels):
        survivor, dead = labels[state.merges[lowest_first[step]]]
        return jnp.where(labels == dead, survivor, labels)

    return jax.lax.fori_loop(0, jnp.maximum(num_kept - num_clusters, 0), merge, indices)


def _grow_or_merge(state: _State) -> _State:
    """Go on to the nearest cluster of the last one in the chain; if that is the one before it, merge the two."""
    last = jnp.where(state.length > 0, state.chain[state.length - 1], jnp.argmax(state.sizes > 0).astype(jnp.int32))
    length = jnp.maximum(state.length, 1)
    chain = state.chain.at[length - 1].set(last)
    row = state.distances[last]
    before = chain[jnp.maximum(length - 2, 0)]
    # Among equally near ones the one before, or the chain would not end.
    is_before = (length > 1) & (row[before] <= row.min())
    nearest = jnp.where(is_before, before, jnp.argmin(row).astype(jnp.int32))
    grown = state._replace(chain=chain.at[length].set(nearest, mode="drop"), length=length + 1)

    # Lance and Williams: the mean distance of a union is the mean of both, weighted by their sizes.
    ours, theirs = state.sizes[nearest], state.sizes[last]
    union = (ours * state.distances[nearest] + theirs * row) / (ours + theirs)
    union = union.at[last].set(jnp.inf).at[nearest].set(jnp.inf)
    keep = jnp.where(is_before, union, state.distances[nearest])
    dead = jnp.where(is_before, jnp.inf, row)
    updated = state.distances.at[nearest].set(keep).at[:, nearest].set(keep).at[last].set(dead).at[:, last].set(dead)
    sizes = state.sizes.at[nearest].add(jnp.where(is_before, theirs, 0)).at[last].multiply(jnp.where(is_before, 0, 1))
    place = jnp.where(is_before, state.num_merges, state.heights.shape[0])
    return _State(
        updated,
        sizes,
        grown.chain,
        jnp.where(is_before, length - 2, grown.length),
        state.merges.at[place].set(jnp.stack([nearest, last]), mode="drop"),
        state.heights.at[place].set(row[nearest], mode="drop"),
        state.num_merges + is_before,
    )
