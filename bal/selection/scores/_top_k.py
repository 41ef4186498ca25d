"""Rules that use one score per point: the highest ones, a random sample weighted by score, or a uniform sample."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal.selection._checks import as_floats, check_request
from bal.selection._selection import Selection, first_in_order, random_order, take_first
from bal.types import RngKey
from bal.validation import check_choice, check_nonnegative

SAMPLING_KINDS = ("power", "softmax", "softrank")


def top_k(rng_key: RngKey, scores: Float[Array, " N"], available: Bool[Array, " N"], *, batch_size: int) -> Selection:
    """The points of the highest scores; equal scores are ordered by the key, not by index.

    Args:
      rng_key: breaks ties.
      scores: higher is more useful. NaN is never chosen, and counted.
      available: True where a point may be chosen.
      batch_size: number of points B.

    Returns:
      The selection, best first.

    Raises:
      ValueError: ``batch_size`` is not between 1 and N.

    Example:
      >>> top_k(jax.random.key(0), jnp.array([0.1, 0.9, 0.5]), jnp.array([True, False, True]), batch_size=2).indices
      Array([2, 0], dtype=int32)
    """
    check_request(rng_key, available, batch_size)
    scores = as_floats("scores", scores, available.shape[0])
    return _top_k(rng_key, scores, available, batch_size=batch_size)


def gumbel_top_k(
    rng_key: RngKey,
    scores: Float[Array, " N"],
    available: Bool[Array, " N"],
    *,
    batch_size: int,
    kind: str = "power",
    beta: float | Float[Array, ""] = 1.0,
) -> Selection:
    r"""Sample points without replacement, those of higher score with higher probability: the top B of perturbed scores.

    With :math:`\varepsilon_i \sim \mathrm{Gumbel}(0, 1)` the order is that of

    .. math:: \beta \log s_i + \varepsilon_i \;(\text{power}),\quad \beta s_i + \varepsilon_i \;(\text{softmax}),\quad
              -\beta \log r_i + \varepsilon_i \;(\text{softrank, } r_i = 1 \text{ for the best available point})

    Power sampling takes positive scores first, then those of 0 (or below) in random order.

    Args:
      rng_key: draws the perturbation and breaks ties.
      scores: higher is more useful. NaN is never chosen, and counted.
      available: True where a point may be chosen.
      batch_size: number of points B.
      kind: "power", "softmax" or "softrank": the transformation of the score that is perturbed.
      beta: inverse temperature, at least 0: 0 samples uniformly, infinity is ``top_k``. May be traced.

    Returns:
      The selection in the order drawn, with the unperturbed scores.

    Raises:
      ValueError: ``batch_size`` is not between 1 and N, ``kind`` is unknown, or ``beta`` is negative.

    Example:
      >>> scores, available = jnp.array([0.0, 1.0, 2.0]), jnp.array([False, True, True])
      >>> sorted(gumbel_top_k(jax.random.key(0), scores, available, batch_size=2).indices.tolist())
      [1, 2]

    References:
      Kirsch et al. 2023, Stochastic batch acquisition, arXiv:2106.12059
    """
    check_request(rng_key, available, batch_size)
    scores = as_floats("scores", scores, available.shape[0])
    check_choice("kind", kind, SAMPLING_KINDS)
    check_nonnegative(beta=beta)
    return _gumbel_top_k(rng_key, scores, available, beta, batch_size=batch_size, kind=kind)


def uniform(rng_key: RngKey, available: Bool[Array, " N"], *, batch_size: int) -> Selection:
    """A uniform sample without replacement: the baseline. Scores are 0.

    Args:
      rng_key: draws the points.
      available: True where a point may be chosen.
      batch_size: number of points B.

    Raises:
      ValueError: ``batch_size`` is not between 1 and N.

    Example:
      >>> int(uniform(jax.random.key(0), jnp.array([False, True, False]), batch_size=1).indices[0])
      1
    """
    return top_k(rng_key, jnp.zeros(available.shape), available, batch_size=batch_size)


@jax.jit(static_argnames="batch_size")
def _top_k(rng_key, scores, available, *, batch_size):
    order = first_in_order(rng_key, *_worst_last(scores, available), count=batch_size)
    return take_first(order, scores, available, batch_size=batch_size)


@jax.jit(static_argnames=("batch_size", "kind"))
def _gumbel_top_k(rng_key, scores, available, beta, *, batch_size, kind):
    key_noise, key_rank, key_ties = jax.random.split(rng_key, 3)
    # Half precision has too few numbers for the noise, and for the ranks of a large pool.
    dtype = jnp.promote_types(scores.dtype, jnp.float32)
    precise = scores.astype(dtype)
    noise = jax.random.gumbel(key_noise, scores.shape, dtype)
    excluded = ~available | jnp.isnan(scores)
    last = jnp.zeros_like(excluded)
    if kind == "power":
        positive = scores > 0
        last = ~positive & (beta > 0)
        logits = jnp.log(jnp.where(positive, precise, 1.0))
    elif kind == "softmax":
        logits = precise
    else:
        best_first = random_order(key_rank, *_worst_last(scores, available))
        ranks = jnp.zeros_like(precise).at[best_first].set(jnp.arange(1, scores.shape[0] + 1, dtype=dtype))
        logits = -jnp.log(ranks)
    # At the two limits the product may be 0 times infinity.
    perturbed = jnp.where(beta == 0, 0.0, beta * logits) + noise
    is_top_k = jnp.isinf(beta)
    perturbed = jnp.where(is_top_k, precise, perturbed)
    # With the key that top_k breaks its ties with.
    key_order = jnp.where(is_top_k, rng_key, key_ties)
    sort_keys = excluded, last & ~is_top_k, jnp.where(excluded, 0.0, -perturbed)
    order = first_in_order(key_order, *sort_keys, count=batch_size)
    return take_first(order, scores, available, batch_size=batch_size)


def _worst_last(scores: Float[Array, " N"], available: Bool[Array, " N"]) -> tuple[Array, Array]:
    """Keys that sort points by falling score, with those that may not be chosen at the end."""
    excluded = ~available | jnp.isnan(scores)
    return excluded, jnp.where(excluded, 0.0, -scores)
