"""Cover as many points as possible with balls of a fixed radius: a rule that needs no labels and no trained model."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal.precision import full_precision
from bal.selection._checks import as_floats, check_labelled, check_request
from bal.selection._selection import Selection
from bal.selection.geometry._kernels import LINEAR
from bal.selection.geometry._lloyd import squared_distances
from bal.selection.geometry._nearest import nearest_centers
from bal.selection.geometry._points import row, usable
from bal.selection.greedy._greedy import among_all, greedy
from bal.types import RngKey
from bal.validation import check_positive

CHUNK = 64  # balls that are counted together, against all points


class _State(NamedTuple):
    bounds: Float[Array, " N"]  # uncovered points in each ball, now or at some earlier step
    fresh: Bool[Array, " N"]  # whether the bound is the current count
    uncovered: Bool[Array, " N"]


@full_precision
def prob_cover(
    rng_key: RngKey,
    embeddings: Float[Array, "N D"],
    available: Bool[Array, " N"],
    *,
    batch_size: int,
    radius: float | Float[Array, ""],
    center_embeddings: Float[Array, "K D"] | None = None,
    center_weights: Float[Array, " K"] | None = None,
) -> Selection:
    r"""Greedily cover the pool with balls around labelled and chosen points.

    .. math:: \max_A \left|\bigcup_{i \in L \cup A} \{ j : \lVert x_j - x_i \rVert \le \delta \}\right|

    Coverage is submodular: the number of uncovered points in a ball only falls. So an earlier count bounds the current
    one, and each step recounts only the largest bounds until the best is certain (lazy greedy). The initial counts take
    time of order N squared.

    Args:
      rng_key: breaks ties.
      embeddings: one row per point, ideally of a self-supervised encoder.
      available: True where a point may be chosen; these are also the points to cover.
      batch_size: number of points B.
      radius: of the balls, :math:`\delta`, in the unit of the embeddings. The paper takes
        :func:`bal.selection.purity_radius`.
      center_embeddings: the labelled set; None where there is none yet.
      center_weights: weight 0 is padding, whose contents change nothing. None counts every row.

    Returns:
      The selection; a score is the fraction of the available points that the point newly covered. Once all are covered
      the score is 0 and the choice is random.

    Raises:
      ValueError: ``batch_size`` is not between 1 and N, shapes that disagree, a negative weight, or ``radius`` not
        above 0.

    Example:
      >>> line = jnp.array([[0.0], [1.0], [2.0], [9.0]])
      >>> prob_cover(jax.random.key(0), line, jnp.ones(4, bool), batch_size=2, radius=1.0).indices
      Array([1, 3], dtype=int32)

    References:
      Yehuda et al. 2022, Active learning through a covering lens, arXiv:2205.11320
    """
    check_request(rng_key, available, batch_size)
    embeddings = as_floats("embeddings", embeddings, available.shape[0], "D")
    check_labelled(embeddings, center_embeddings=center_embeddings, center_weights=center_weights)
    check_positive(radius=radius)
    return _prob_cover(rng_key, embeddings, available, radius, center_embeddings, center_weights, batch_size=batch_size)


@jax.jit(static_argnames="batch_size")
def _prob_cover(rng_key, embeddings, available, radius, centers, weights, *, batch_size):
    points, allowed, num_invalid = usable(available, embeddings)
    num_points = points.shape[0]

    def count(index, uncovered):
        inside = squared_distances(points[index][None], points)[0] <= radius**2
        return (inside & uncovered).sum().astype(points.dtype)

    def gain(state):
        return state.bounds

    largest = among_all(rng_key, num_points, gain)

    def find(state, left):
        """Recount the balls of the largest bounds until the largest of all is a current count."""

        def uncertain(state):
            bounds = jnp.where(left, state.bounds, -jnp.inf)
            # No count is below 0, so a bound of 0 is exact.
            return (left & ~state.fresh & (bounds == bounds.max()) & (bounds > 0)).any()

        def recompute(state):
            stale = jnp.where(left & ~state.fresh, state.bounds, -jnp.inf)
            top = jax.lax.top_k(stale, min(CHUNK, num_points))[1]
            bounds = state.bounds.at[top].set(jax.vmap(count, (0, None))(top, state.uncovered))
            return state._replace(bounds=bounds, fresh=state.fresh.at[top].set(True))

        return largest(jax.lax.while_loop(uncertain, recompute, state), left)

    def update(state, step, index):
        covered = jnp.square(points - row(points, index)[None]).sum(axis=1) <= radius**2
        covered &= index < num_points
        return _State(state.bounds, jnp.zeros_like(covered), state.uncovered & ~covered)

    nearest = nearest_centers(LINEAR, points, centers, weights).squared_distances
    uncovered = allowed & (nearest > radius**2)
    degrees = jax.lax.map(lambda index: count(index, uncovered), jnp.arange(num_points), batch_size=CHUNK)
    state = _State(degrees, jnp.ones_like(allowed), uncovered)
    indices, gains, _ = greedy(allowed, state, find=find, update=update, batch_size=batch_size)
    return Selection(indices, gains / jnp.maximum(allowed.sum(), 1), num_invalid)
