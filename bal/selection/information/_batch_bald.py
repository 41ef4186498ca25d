"""BatchBALD: the batch whose labels are together most informative about the parameters, chosen greedily."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal.information import finite_log, map_points, mutual_information
from bal.precision import full_precision
from bal.selection._checks import as_floats, check_request
from bal.selection._selection import Selection
from bal.selection.greedy._greedy import greedy
from bal.selection.greedy._lazy import Level, lazy_argmax
from bal.selection.information._configurations import (
    add_point,
    check_num_configurations,
    entropies_under_draws,
    information_gain,
    merge_similar,
    no_labels,
)
from bal.types import RngKey

# Probabilities (candidates times classes) that are joined with a block of configurations at once.
CHUNK = 320


@full_precision
def batch_bald(
    rng_key: RngKey,
    log_probs: Float[Array, "S N C"],
    available: Bool[Array, " N"],
    *,
    batch_size: int,
    num_configurations: int,
) -> Selection:
    r"""Greedily choose the batch whose labels have the largest joint mutual information with the model's parameters.

    .. math:: I(y_{1..B}; \theta \mid x_{1..B}) = \sum_b I(y_b; \theta \mid x_b, y_{1..b-1})

    The gain of a candidate is averaged over the joint labels of the points before it. It is exact while those of
    positive probability, at most C**(b-1), fit ``num_configurations``. Beyond, improbable ones are sampled, the same
    for all candidates; unlike in the paper the probable ones are kept, which lowers the variance. The information is
    submodular, so a gain is at most the one found earlier: only candidates whose bound could win are evaluated.

    Where the candidates are those of the largest BALD in a larger pool and all gains are exact, the batch is the one
    that the whole pool would give if ``scores`` are all at least the largest BALD that was left out.

    Args:
      rng_key: ties between candidates, and the sample of configurations.
      log_probs: normalised log-probabilities of the candidates, each under the same S posterior samples.
      available: True where a point may be chosen.
      batch_size: number of points B.
      num_configurations: how many joint labels a gain is averaged over. Memory is num_configurations x S.

    Returns:
      The selection in the order chosen, with marginal gains in nats. They never rise, except by sampling error, and add
      up to the information of the batch, at most log S.

    Raises:
      ValueError: ``batch_size`` is not between 1 and N, or ``num_configurations`` is below C.

    Example:
      >>> sure = jnp.log(jnp.array([[[1.0, 0.0], [1.0, 0.0], [0.9, 0.1]], [[0.0, 1.0], [0.0, 1.0], [0.1, 0.9]]]))
      >>> selection = batch_bald(jax.random.key(0), sure, jnp.ones(3, bool), batch_size=2, num_configurations=4)
      >>> [round(float(score), 4) for score in selection.scores]
      [0.6931, 0.0]

    References:
      Kirsch et al. 2019, BatchBALD, arXiv:1906.08158
    """
    check_request(rng_key, available, batch_size)
    log_probs = as_floats("log_probs", log_probs, "S", available.shape[0], "C")
    check_num_configurations(num_configurations, log_probs.shape[2])
    return _batch_bald(rng_key, log_probs, available, batch_size=batch_size, num_configurations=num_configurations)


@jax.jit(static_argnames=("batch_size", "num_configurations"))
def _batch_bald(rng_key, log_probs, available, *, batch_size, num_configurations):
    num_draws, num_points, num_classes = log_probs.shape
    key_order, key_configurations = jax.random.split(rng_key)
    bald = map_points(mutual_information, log_probs)
    invalid = jnp.isnan(bald)
    # Candidates are evaluated in random order: of those equal in gain and bound the first is chosen.
    order = jax.random.permutation(key_order, num_points)
    keys = jax.random.split(key_configurations, batch_size)
    draw_entropies = entropies_under_draws(log_probs)

    def find(state, left):
        bounds, configurations = state

        def gains(configurations, points, _):
            probs = jnp.exp(finite_log(log_probs[:, points]))
            return jnp.minimum(information_gain(configurations, probs, draw_entropies[points]), bald[points])

        # Bounds from fewer configurations, for correspondingly more candidates at a time. A sixteenth and a hundredth
        # of them rule out most candidates at a tenth of the cost; a level between the two gained nothing.
        fine = merge_similar(configurations, num_configurations // 16)
        coarse = merge_similar(fine, num_configurations // 100)
        levels = [
            Level(functools.partial(gains, part), max(1, size // num_classes))
            for part, size in ((coarse, 8 * CHUNK), (fine, 4 * CHUNK), (configurations, CHUNK))
        ]
        index, gain, bounds = lazy_argmax(order, jnp.where(left, bounds, -jnp.inf), levels)
        return (bounds, configurations), index, gain

    def update(state, step, index):
        bounds, configurations = state
        probs = jnp.exp(finite_log(log_probs[:, index]))
        return bounds, add_point(keys[step], configurations, probs, num_configurations=num_configurations)

    start = bald, no_labels(num_configurations, num_draws, log_probs.dtype)
    indices, scores, _ = greedy(available & ~invalid, start, find=find, update=update, batch_size=batch_size)
    return Selection(indices, scores, (available & invalid).sum())
