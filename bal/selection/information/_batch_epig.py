"""Batch EPIG: the batch whose labels are together most informative about the labels at the targets, chosen greedily."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal.acquisition._targets import check_targets, normalise_weights
from bal.information import finite_log, map_points, mean_pair_entropy
from bal.precision import full_precision
from bal.selection._checks import as_floats, check_request
from bal.selection._selection import Selection
from bal.selection.greedy._greedy import greedy
from bal.selection.greedy._lazy import Level, lazy_argmax
from bal.selection.information._configurations import (
    Configurations,
    add_point,
    check_num_configurations,
    entropies_under_draws,
    information_gain,
    label_entropy,
    no_labels,
)
from bal.types import RngKey

# Probabilities (candidates times classes) that are joined with the targets at once.
CHUNK = 320


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
    return _select(rng_key, log_probs, target_log_probs, available, weights, batch_size, num_configurations)


@functools.partial(jax.jit, static_argnums=(5, 6))
def _select(rng_key, log_probs, target_log_probs, available, target_weights, batch_size, num_configurations):
    num_draws, num_points, num_classes = log_probs.shape
    target_probs = jnp.exp(finite_log(target_log_probs))
    key_order, key_configurations = jax.random.split(rng_key)
    # Candidates are evaluated in random order: of equal ones the first is chosen.
    order = jax.random.permutation(key_order, num_points)
    keys = jax.random.split(key_configurations, batch_size)
    invalid = jnp.isnan(log_probs).any(axis=(0, 2))
    target_draw_entropies = entropies_under_draws(target_log_probs)

    def find(configurations, left):
        target_information = information_gain(configurations, target_probs, target_draw_entropies) @ target_weights
        target_entropy = label_entropy(configurations, target_probs) @ target_weights
        about_parameters = map_points(
            lambda chunk: information_gain(configurations, jnp.exp(finite_log(chunk)), entropies_under_draws(chunk)),
            log_probs,
        )
        bounds = jnp.where(left, jnp.minimum(about_parameters, target_information), -jnp.inf)

        def evaluate(points):
            probs = jnp.exp(finite_log(log_probs[:, points]))
            joint_entropy = _joint_entropy(configurations, probs, target_probs, target_weights)
            return jnp.clip(label_entropy(configurations, probs) + target_entropy - joint_entropy, 0, bounds[points])

        index, gain, _ = lazy_argmax(order, bounds, [Level(evaluate, max(1, CHUNK // num_classes))])
        return configurations, index, gain

    def update(configurations, step, index):
        probs = jnp.exp(finite_log(log_probs[:, index]))
        return add_point(keys[step], configurations, probs, num_configurations=num_configurations)

    start = no_labels(num_configurations, num_draws, log_probs.dtype)
    indices, scores, _ = greedy(available & ~invalid, start, find=find, update=update, batch_size=batch_size)
    return Selection(indices, scores, (available & invalid).sum())


def _joint_entropy(
    configurations: Configurations,
    probs: Float[Array, "S n C"],
    target_probs: Float[Array, "S M C"],
    target_weights: Float[Array, " M"],
) -> Float[Array, " n"]:
    """Mean over configurations and targets of the joint entropy of a candidate's label and the target's."""

    def add_configuration(row, total):
        weighted = configurations.posterior[row][:, None, None] * probs
        return total + configurations.weights[row] * mean_pair_entropy(weighted, target_probs, target_weights)

    initial = jnp.zeros(probs.shape[1], probs.dtype)
    return jax.lax.fori_loop(0, configurations.num_used, add_configuration, initial)
