"""Batch EPIG: the batch whose labels are together most informative about the labels at the targets, chosen greedily."""

import functools
from itertools import accumulate, pairwise

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal.acquisition._targets import check_targets, normalise_weights
from bal.information import finite_log
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
    no_labels,
)
from bal.selection.information._outcomes import (
    all_outcomes,
    outcome_bounds,
    outcome_information,
    under_configurations,
)
from bal.streaming import map_chunks
from bal.types import RngKey

# Outcomes (rows of a product with all targets) that are evaluated at once, and how many of a candidate's best outcomes
# each level of the search adds.
CHUNK = 320
LEVELS = (8, 24, 32, 64, 128, 256)
BOUNDS = 2**18  # bounds of outcomes that are computed at once
NUM_EXACT = 1  # candidates of which all outcomes are evaluated together


@full_precision
def batch_epig(
    rng_key: RngKey,
    log_probs: Float[Array, "S N C"],
    target_log_probs: Float[Array, "S2 M C2"],
    available: Bool[Array, " N"],
    *,
    batch_size: int,
    num_configurations: int,
    target_weights: Float[Array, " M2"] | None = None,
) -> Selection:
    r"""Greedily choose the batch whose labels have the largest mean mutual information with the label at a target.

    .. math:: E_{x^*}[I(y_{1..B}; y^*)] = \sum_b E_{x^*}[I(y_b; y^* \mid y_{1..b-1})]

    The gain of a candidate is averaged over the joint labels of the points before it, as in
    :func:`bal.selection.batch_bald`: exact while those of positive probability fit ``num_configurations``, with a
    sample of the improbable ones beyond. This objective is not submodular, so an earlier gain bounds nothing; but what
    a label says about a target is at most what it says about the parameters. That bound is cheap, and only candidates
    whose bound could win are evaluated.

    Args:
      rng_key: ties between candidates, and the sample of configurations.
      log_probs: normalised log-probabilities of the candidates, each under the same S posterior samples.
      target_log_probs: the same at the points where predictions are needed, under the same S samples.
      available: True where a point may be chosen.
      batch_size: number of points B.
      num_configurations: how many joint labels a gain is averaged over. The time grows with their number times N times
        M: use far fewer than for ``batch_bald``.
      target_weights: importance of each target, at least 0; equal where None. Only their ratios matter.

    Returns:
      The selection in the order chosen, with marginal gains in nats.

    Raises:
      ValueError: no targets, targets with a different number of samples or classes, weights that cannot be normalised,
        ``batch_size`` not between 1 and N, or ``num_configurations`` below C.

    Example:
      >>> sure = jnp.log(jnp.array([[[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]]))
      >>> select = functools.partial(batch_epig, batch_size=1, num_configurations=2)
      >>> select(jax.random.key(0), sure, sure[:, :1], jnp.ones(2, bool)).indices
      Array([0], dtype=int32)

    References:
      Bickford Smith et al. 2023, Prediction-oriented Bayesian active learning, arXiv:2304.08151; Kirsch et al. 2019,
      BatchBALD, arXiv:1906.08158
    """
    check_request(rng_key, available, batch_size)
    log_probs = as_floats("log_probs", log_probs, "S", available.shape[0], "C")
    target_log_probs = as_floats("target_log_probs", target_log_probs, "S", "M", "C")
    check_num_configurations(num_configurations, log_probs.shape[2])
    check_targets(log_probs, target_log_probs)
    weights = normalise_weights(target_weights, target_log_probs.shape[1], log_probs.dtype)
    select = functools.partial(_select, batch_size=batch_size, num_configurations=num_configurations)
    if jax.default_backend() == "cpu":
        # Under vmap every search would take as many steps as all of them together, and leave the cache.
        select = jax.custom_batching.sequential_vmap(select)
    return select(rng_key, log_probs, target_log_probs, available, weights)


@functools.partial(jax.jit, static_argnames=("batch_size", "num_configurations"))
def _select(rng_key, log_probs, target_log_probs, available, target_weights, *, batch_size, num_configurations):
    num_draws, num_points, num_classes = log_probs.shape
    target_probs = jnp.exp(finite_log(target_log_probs))
    key_order, key_configurations = jax.random.split(rng_key)
    # Candidates are evaluated in random order: of equal ones the first is chosen.
    order = jax.random.permutation(key_order, num_points)
    keys = jax.random.split(key_configurations, batch_size)
    invalid = jnp.isnan(log_probs).any(axis=(0, 2))

    def find(configurations, left):
        targets = under_configurations(configurations, target_probs, target_weights)

        def bounds_of(chunk):  # of the candidate's gain, and of its outcomes
            probs = jnp.exp(finite_log(chunk))
            about_parameters = information_gain(configurations, probs, entropies_under_draws(chunk))
            return about_parameters, outcome_bounds(configurations, targets, probs)

        num_outcomes = configurations.weights.shape[0] * num_classes
        bounds_at_once = max(1, BOUNDS // num_outcomes)
        about_parameters, outcomes = map_chunks(bounds_of, log_probs, bounds_at_once, axis=1)

        def more_outcomes(first, last, points, values):
            """Values with the bounds of some outcomes replaced by what these say."""
            # Here and not before the search, since most candidates are looked at once or never. Without the barrier XLA
            # merges both slices into one, which is no start of an order, and sorts all outcomes.
            # One for each result: a barrier around both makes XLA's partitioner abort, where devices divide the points.
            largest = map(jax.lax.optimization_barrier, jax.lax.top_k(outcomes[points], last))
            parts, best = (leaf[:, first:] for leaf in largest)
            rows, labels = jnp.divmod(best, num_classes)
            probs = jnp.exp(finite_log(log_probs[:, points[:, None], labels]))
            found = outcome_information(configurations, targets, rows.reshape(-1), probs.reshape(num_draws, -1))
            return values - parts.sum(axis=1) + found.reshape(rows.shape).sum(axis=1)

        def gains(points, values):
            gains = all_outcomes(configurations, targets, jnp.exp(finite_log(log_probs[:, points])), at_once=CHUNK)
            return jnp.minimum(gains, about_parameters[points])

        ends = [min(end, num_outcomes) for end in accumulate(LEVELS, initial=0)]
        levels = [
            Level(functools.partial(more_outcomes, first, last), max(1, CHUNK // (last - first)))
            for first, last in pairwise(ends)
            if first < last
        ]
        # What says nothing about the parameters says nothing about a target: such candidates tie.
        bounds = jnp.where(about_parameters > 0, outcomes.sum(axis=1), 0.0)
        index, gain, _ = lazy_argmax(
            order,
            jnp.where(left, bounds, -jnp.inf),
            [*levels, Level(gains, NUM_EXACT)],
        )
        return configurations, index, gain

    def update(configurations, step, index):
        probs = jnp.exp(finite_log(log_probs[:, index]))
        return add_point(keys[step], configurations, probs, num_configurations=num_configurations)

    start = no_labels(num_configurations, num_draws, log_probs.dtype)
    indices, scores, _ = greedy(available & ~invalid, start, find=find, update=update, batch_size=batch_size)
    return Selection(indices, scores, (available & invalid).sum())
