"""The best points of each class, the classes in turn."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from bal.selection._checks import as_floats, check_request
from bal.selection._selection import Selection
from bal.selection.greedy._greedy import among_all, greedy
from bal.types import RngKey


def class_stratified(
    rng_key: RngKey, scores: Float[Array, "N C"], available: Bool[Array, " N"], *, batch_size: int
) -> Selection:
    """The classes take turns, and each chooses its best point; for points that hold several classes, such as images.

    Args:
      rng_key: draws the order of the classes and breaks ties.
      scores: of each point for each class; -inf where a point has nothing of the class. A point with a NaN is never
        chosen, and counted.
      available: True where a point may be chosen.
      batch_size: number of points B.

    Returns:
      The selection in the order chosen, with the score for the class whose turn it was. A class that no point left has
      anything of is skipped; if none is left, points are drawn at random, with a score of -inf.

    Raises:
      ValueError: ``batch_size`` is not between 1 and N, or shapes that disagree.

    Example:
      >>> scores = jnp.array([[0.9, -jnp.inf], [0.8, -jnp.inf], [0.7, 0.1]])
      >>> sorted(class_stratified(jax.random.key(0), scores, jnp.ones(3, bool), batch_size=2).indices.tolist())
      [0, 2]

    References:
      Lüth et al. 2026, Finally outshining the random baseline: a simple and effective solution for active learning in
      3D biomedical imaging, arXiv:2601.13677
    """
    check_request(rng_key, available, batch_size)
    scores = as_floats("scores", scores, available.shape[0], "C")
    return _class_stratified(rng_key, scores, available, batch_size=batch_size)


@jax.jit(static_argnames=("batch_size",))
def _class_stratified(rng_key, scores, available, *, batch_size):
    key_turns, key_ties = jax.random.split(rng_key)
    num_points, num_classes = scores.shape
    turns = jax.random.permutation(key_turns, num_classes)
    invalid = jnp.isnan(scores).any(axis=1)

    def gain(state: tuple[Int[Array, " C"], Int[Array, ""]]) -> Float[Array, " N"]:
        return scores[:, state[1]]

    best = among_all(key_ties, num_points, gain)

    def find(state, left):
        counts, _ = state
        has_points = jnp.where(left[:, None], scores, -jnp.inf).max(axis=0) > -jnp.inf
        waiting = jnp.where(has_points, counts * num_classes + turns, jnp.iinfo(counts.dtype).max)
        return best((counts, waiting.argmin().astype(jnp.int32)), left)

    def update(state, step, index):
        counts, turn = state
        return counts.at[turn].add(1), turn

    start = jnp.zeros(num_classes, jnp.int32), jnp.int32(0)
    indices, gains, _ = greedy(available & ~invalid, start, find=find, update=update, batch_size=batch_size)
    return Selection(indices, gains, (available & invalid).sum())
