"""The best points, in equal numbers from each class."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from bal.selection._checks import as_floats, check_request, check_rows
from bal.selection._selection import Selection, random_order, take_first
from bal.types import RngKey
from bal.validation import check_count, check_indices, check_nonnegative


def class_balanced(
    rng_key: RngKey,
    scores: Float[Array, " N"],
    classes: Int[Array, " N"],
    available: Bool[Array, " N"],
    *,
    batch_size: int,
    num_classes: int,
    class_counts: Float[Array, " C"] | None = None,
) -> Selection:
    """Repeatedly choose the highest score of the class that has the fewest points so far; for any score.

    Args:
      rng_key: breaks ties.
      scores: higher is more useful. NaN is never chosen, and counted.
      classes: predicted class of each point, from 0 to C - 1.
      available: True where a point may be chosen.
      batch_size: number of points B.
      num_classes: number of classes C.
      class_counts: how many points of each class are already labelled; the batch evens these out first. None means
        none.

    Returns:
      The selection in the order chosen: among the classes that have the fewest points, the best score first. A class
      with no points left is skipped.

    Raises:
      ValueError: ``batch_size`` is not between 1 and N, shapes that disagree, or a negative count.

    Example:
      >>> scores, classes = jnp.array([0.9, 0.8, 0.7, 0.1]), jnp.array([0, 0, 0, 1])
      >>> class_balanced(jax.random.key(0), scores, classes, jnp.ones(4, bool), batch_size=3, num_classes=2).indices
      Array([0, 3, 1], dtype=int32)
    """
    check_request(rng_key, available, batch_size)
    scores = as_floats("scores", scores, available.shape[0])
    check_count("num_classes", num_classes)
    check_rows(available.shape[0], classes=classes)
    check_indices("classes", classes, num_classes, absent=False)
    counts = jnp.zeros(num_classes) if class_counts is None else as_floats("class_counts", class_counts, num_classes)
    check_nonnegative(class_counts=counts)
    return _class_balanced(rng_key, scores, classes, available, counts, batch_size=batch_size)


@jax.jit(static_argnames="batch_size")
def _class_balanced(rng_key, scores, classes, available, counts, *, batch_size):
    key_turns, key_order = jax.random.split(rng_key)
    excluded = ~available | jnp.isnan(scores)
    kept_scores = jnp.where(excluded, 0.0, scores)
    # The j-th best point of a class is due once the class has j more points than now.
    sizes_then = counts[classes] + places(key_turns, classes, kept_scores, excluded)
    order = random_order(key_order, excluded, sizes_then, -kept_scores)
    return take_first(order, scores, available, batch_size=batch_size)


def places(
    rng_key: RngKey, groups: Int[Array, " N"], scores: Float[Array, " N"], excluded: Bool[Array, " N"]
) -> Int[Array, " N"]:
    """Rank of each point within its group by score, from 0; excluded points come last."""
    order = random_order(rng_key, groups, excluded, -scores)
    in_order = groups[order]
    starts = jnp.searchsorted(in_order, in_order, side="left")
    return jnp.zeros_like(order).at[order].set(jnp.arange(order.shape[0], dtype=order.dtype) - starts)
