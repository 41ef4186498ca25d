r"""Entropies and mutual information of categorical predictions, in nats.

This is the only place that guards the logarithm of 0. A probability of exactly 0 arrives as a log-probability of
-inf; it is raised to ``LOG_ZERO``, far below anything that float32 can tell from 0 after ``exp``, so that
``p log p`` is 0 and has gradient 0 instead of nan.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.precision import full_precision
from bal.streaming import map_chunks

LOG_ZERO = -1e4

# Probabilities a side of the tiles in which pairs of predictions are joined: large enough for a fast matrix product,
# small enough that the product is still in cache when its logarithm is taken.
TILE = 2048


def finite_log(log_probs: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Raise -inf to ``LOG_ZERO``. NaN stays NaN, so that an invalid prediction is detected.

    Example:
      >>> bool(finite_log(jnp.array([-jnp.inf]))[0] == LOG_ZERO)
      True
    """
    return jnp.maximum(log_probs, LOG_ZERO)


def log_mean_exp(log_values: Float[Array, "S *n"]) -> Float[Array, "*n"]:
    r"""Logarithm of the mean over the leading axis, :math:`\log \frac{1}{S} \sum_s e^{v_s}`.

    Args:
      log_values: values in the log domain; -inf is allowed.

    Returns:
      At least ``LOG_ZERO``. S equal values give back exactly that value.

    Example:
      >>> float(log_mean_exp(jnp.log(jnp.array([0.2, 0.4])))) == float(jnp.log(0.3))
      True
    """
    values = finite_log(log_values)
    # Any shift gives the same result; the gradient must not flow through the choice of the maximum.
    shift = jax.lax.stop_gradient(values.max(axis=0, keepdims=True))
    return shift[0] + jnp.log(jnp.exp(values - shift).mean(axis=0))


def entropy(log_probs: Float[Array, "*n C"]) -> Float[Array, "*n"]:
    r"""Shannon entropy :math:`-\sum_c p_c \log p_c` over the last axis.

    Args:
      log_probs: normalised log-probabilities; -inf is allowed.

    Returns:
      Entropy in nats, between 0 and log C.

    Example:
      >>> float(entropy(jnp.log(jnp.array([1.0, 0.0]))))
      0.0
    """
    finite = finite_log(log_probs)
    # Rounding of a normalised prediction can leave -1e-8; an entropy is not negative.
    return jnp.maximum(-(jnp.exp(finite) * finite).sum(axis=-1), 0.0)


def entropy_terms(probs: Float[Array, "*n"]) -> Float[Array, "*n"]:
    r"""The summands :math:`-p \log p` of an entropy, for probabilities whose logarithm is not known.

    Args:
      probs: probabilities; exactly 0 is allowed.

    Returns:
      Nats; 0 with a finite gradient at a probability of 0.

    Example:
      >>> float(entropy_terms(jnp.array([0.5, 0.5, 0.0])).sum()) == float(jnp.log(2))
      True
    """
    return -probs * jnp.log(jnp.maximum(probs, jnp.finfo(probs.dtype).tiny))


def mean_pair_entropy(
    probs: Float[Array, "S N C"], other_probs: Float[Array, "S M D"], other_weights: Float[Array, " M"]
) -> Float[Array, " N"]:
    r"""Weighted mean over the others of the joint entropy of a point's label and the other's.

    .. math:: \sum_j w_j H\left[\sum_s a_s(y)\, b_{s,j}(y')\right]

    Args:
      probs: probabilities under each draw times the weight of that draw (1/S for equal draws).
      other_probs: probabilities of the other labels under the same draws.
      other_weights: weights that sum to 1.

    Returns:
      Nats, between 0 and log C + log D.

    Example:
      >>> probs = jnp.full((1, 1, 2), 0.5)
      >>> float(mean_pair_entropy(probs, probs, jnp.ones(1))[0]) == float(jnp.log(4))
      True
    """
    return mean_over_pairs(_weighted_entropy_terms, probs, other_probs, other_weights)


def _weighted_entropy_terms(joint: Float[Array, "a D m"], weights: Float[Array, " m"]) -> Float[Array, " a"]:
    terms = entropy_terms(joint).reshape(joint.shape[0], -1)
    return terms @ jnp.tile(weights, joint.shape[1])


@full_precision
@functools.partial(jax.jit, static_argnums=0)
def mean_over_pairs(
    fn: Callable[[Float[Array, "a D m"], Float[Array, " m"]], Float[Array, " a"]],
    probs: Float[Array, "S N C"],
    other_probs: Float[Array, "S M D"],
    other_weights: Float[Array, " M"],
) -> Float[Array, " N"]:
    r"""Sum over a point's labels of a function of its joint probabilities with the labels of others.

    The pairs are joined in tiles, so no array of N x M x C x D exists, even under ``jax.grad``.

    Args:
      fn: from the joint probabilities :math:`\sum_s a_s(y)\, b_{s,j}(y')` of some labels y with all labels of m others,
        and the weights of those, to one term of the weighted sum over the others for each y.
      probs: probabilities under each draw times the weight of that draw (1/S for equal draws).
      other_probs: probabilities of the other labels under the same draws.
      other_weights: weights that sum to 1.

    Returns:
      One number a point, in the unit of ``fn``. Others that fill up a tile have probability 0 and weight 0: ``fn`` must
      be finite there.

    Example:
      >>> probs = jnp.full((1, 3, 2), 0.5)
      >>> mean_over_pairs(lambda joint, weights: joint.sum(axis=1) @ weights, probs, probs, jnp.full(3, 1 / 3)).shape
      (3,)
    """
    num_draws, num_others, num_other_classes = other_probs.shape
    others_per_tile = min(num_others, max(1, TILE // num_other_classes))
    num_tiles = -(-num_others // others_per_tile)
    padding = num_tiles * others_per_tile - num_others
    padded = jnp.pad(other_probs, ((0, 0), (0, padding), (0, 0))).reshape(num_draws, num_tiles, others_per_tile, -1)
    # Others last, so that operations on each of their labels run along rows.
    tiles = padded.transpose(1, 0, 3, 2)
    weights = jnp.pad(other_weights, (0, padding)).reshape(num_tiles, -1)

    def chunk_sums(chunk):  # [S, n, C] -> [n]
        labels = chunk.reshape(num_draws, -1)

        @jax.checkpoint
        def tile_terms(tile):
            others, tile_weights = tile
            joint = jnp.einsum("sa,sb->ab", labels, others.reshape(num_draws, -1))
            return fn(joint.reshape(-1, num_other_classes, others_per_tile), tile_weights)

        # The terms of all tiles (a few rows) are returned instead of carrying a total: inside shard_map, a carry must
        # start with the same division over devices as the values added to it.
        return jax.lax.map(tile_terms, (tiles, weights)).sum(axis=0).reshape(chunk.shape[1:]).sum(-1)

    return map_points(chunk_sums, probs)


def map_points(
    fn: Callable[[Float[Array, "S n C"]], Float[Array, "n *value"]], predictions: Float[Array, "S N C"]
) -> Float[Array, "N *value"]:
    """Apply a function of predictions to one chunk of points after another, so that its temporaries stay in cache.

    Args:
      fn: treats each point separately.
      predictions: of all points.

    Returns:
      The results of ``fn`` for all points.

    Example:
      >>> map_points(mutual_information, jnp.zeros((2, 5, 1))).shape
      (5,)
    """
    return map_chunks(fn, predictions, max(1, TILE // predictions.shape[-1]), axis=1)


def mutual_information(log_probs: Float[Array, "S *n C"]) -> Float[Array, "*n"]:
    r"""Mutual information of label and draw, :math:`\frac1S \sum_s KL(p_s \| \bar p)`.

    The divergence form equals the entropy of the mean less the mean entropy, but nothing cancels: equal draws give
    exactly 0, also in float32.

    Args:
      log_probs: normalised log-probabilities under S draws; -inf is allowed.

    Returns:
      Nats, between 0 and min(log C, log S). Values within rounding of 0 are 0.

    Example:
      >>> disagree = jnp.log(jnp.array([[1.0, 0.0], [0.0, 1.0]]))
      >>> bool(jnp.isclose(mutual_information(disagree), jnp.log(2)))
      True
    """
    finite = finite_log(log_probs)
    divergences = (jnp.exp(finite) * (finite - log_mean_exp(log_probs)[None])).sum(axis=-1)
    information = divergences.mean(axis=0)
    # Draws that differ by rounding alone must tie with those that do not differ at all.
    rounding = 8 * jnp.finfo(information.dtype).eps
    return jnp.where(information < rounding, 0.0, information)


def check_log_probs(log_probs: Float[Array, "S *n C"], *, tolerance: float = 1e-3) -> None:
    """Raise ``ValueError`` unless an array holds normalised log-probabilities. For the host: it reads the values.

    Args:
      log_probs: predictions from any source.
      tolerance: how far the probabilities of a prediction may sum from 1.

    Raises:
      ValueError: fewer than three axes, NaN, values above 0, or predictions that do not sum to 1.

    Example:
      >>> check_log_probs(jnp.zeros((1, 1, 2)))
      Traceback (most recent call last):
      ValueError: expected probabilities that sum to 1 over the last axis, got a sum of 2: apply jax.nn.log_softmax
    """
    log_probs = jnp.asarray(log_probs)
    if log_probs.ndim < 3:
        raise ValueError(f"expected log_probs of shape [S, N, C], got shape {list(log_probs.shape)}")
    if jnp.isnan(log_probs).any():
        raise ValueError(f"expected log_probs without NaN, got NaN in {int(jnp.isnan(log_probs).sum())} places")
    if (log_probs > tolerance).any():
        raise ValueError(
            f"expected log-probabilities of at most 0, got {float(log_probs.max()):.4g}: pass jnp.log(probs)"
        )
    sums = jnp.exp(log_probs).sum(axis=-1)
    worst = sums.ravel()[jnp.abs(sums - 1).argmax()]
    if abs(worst - 1) > tolerance:
        raise ValueError(
            f"expected probabilities that sum to 1 over the last axis, got a sum of {float(worst):.4g}: "
            "apply jax.nn.log_softmax"
        )
