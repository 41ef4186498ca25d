"""What the outcomes of a label say about the targets: exactly, and by a bound that takes no logarithms over targets.

An outcome is one label of a candidate together with one configuration of the labels before it. What it says about the
targets is the divergence between their predictions with and without this label, which is at least 0; the gain of a
candidate is the sum over its outcomes. A few outcomes have most of the gain, so these are evaluated first, and the
others are bounded: a divergence is at most the logarithm of the mean squared ratio of both predictions, a quadratic
form in the draws whose matrix all candidates share.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from bal.information import mean_pair_entropy
from bal.selection.information._configurations import Configurations


class Targets(NamedTuple):
    """The labels of all targets, one after the other, as they are predicted under each configuration."""

    probs: Float[Array, "S MC 1"]  # each label is a target of its own, so that products with them need no other layout
    weights: Float[Array, " MC"]  # of their targets, which sum to 1
    cross_entropies: Float[Array, "J S"]  # of the prediction under a draw with that under the configuration, in nats
    ratios: Float[Array, "J S S"]  # of draws: quadratic form of the mean squared ratio of predictions


def under_configurations(
    configurations: Configurations, target_probs: Float[Array, "S M C"], target_weights: Float[Array, " M"]
) -> Targets:
    """What :func:`outcome_bounds` and :func:`outcome_information` need of the targets, computed once a step."""
    num_rows, num_draws = configurations.posterior.shape
    flat = target_probs.reshape(num_draws, -1)
    weights = jnp.repeat(target_weights, target_probs.shape[2])
    tiny = jnp.finfo(flat.dtype).tiny

    def add_configuration(row, parts):
        cross, ratios = parts
        posterior = configurations.posterior[row]
        predictive = jnp.maximum(posterior @ flat, tiny)
        # The posterior is a factor of both sides, so no entry exceeds 1, however improbable a draw or a label is.
        scaled = posterior[:, None] * flat * jnp.sqrt(weights / predictive)[None]
        return cross.at[row].set(-flat @ (weights * jnp.log(predictive))), ratios.at[row].set(scaled @ scaled.T)

    start = (
        jnp.zeros((num_rows, num_draws), flat.dtype),
        jnp.zeros((num_rows, num_draws, num_draws), flat.dtype),
    )
    cross, ratios = jax.lax.fori_loop(0, configurations.num_used, add_configuration, start)
    return Targets(flat[:, :, None], weights, cross, ratios)


def outcome_bounds(
    configurations: Configurations, targets: Targets, probs: Float[Array, "S n C"]
) -> Float[Array, "n JC"]:
    r"""At least what each outcome says about the targets, times its probability, in nats.

    .. math:: KL(p \| q) \le \log \sum_y p(y)^2 / q(y), \qquad KL(p \| q) \le -\log P(\text{outcome})

    Both hold for each target; the mean over targets is taken inside the logarithm (Jensen).
    """
    num_draws, num_points, num_classes = probs.shape
    flat = probs.reshape(num_draws, -1)
    tiny = jnp.finfo(probs.dtype).tiny
    # A bound must not fall short by rounding. Squares vanish where an outcome is too improbable to matter.
    rounding = 64 * jnp.finfo(probs.dtype).eps

    def add_configuration(row, bounds):
        predictive = configurations.posterior[row] @ flat
        surprise = -jnp.log(jnp.maximum(predictive, tiny))
        squares = (flat * (targets.ratios[row] @ flat)).sum(axis=0)
        divergences = jnp.log(jnp.maximum(squares, tiny)) + 2 * surprise
        found = (
            configurations.weights[row] * predictive * (jnp.clip(divergences, 0, jnp.maximum(surprise, 0)) + rounding)
        )
        return bounds.at[:, row].set(found.reshape(num_points, num_classes))

    start = jnp.zeros((num_points, configurations.weights.shape[0], num_classes), probs.dtype)
    bounds = jax.lax.fori_loop(0, configurations.num_used, add_configuration, start)
    return bounds.reshape(num_points, -1)


def outcome_information(
    configurations: Configurations, targets: Targets, rows: Int[Array, " n"], probs: Float[Array, "S n"]
) -> Float[Array, " n"]:
    """What outcomes say about the targets, times their probability, in nats; at least 0.

    Args:
      configurations: joint labels so far.
      targets: under these.
      rows: the configuration of each outcome.
      probs: probability of its label under each draw.
    """
    joint = configurations.posterior[rows].T * probs
    predictive = joint.sum(axis=0)
    posterior = joint / jnp.maximum(predictive, jnp.finfo(joint.dtype).tiny)[None]
    entropy = mean_pair_entropy(posterior[:, :, None], targets.probs, targets.weights)
    cross_entropy = (posterior * targets.cross_entropies[rows].T).sum(axis=0)
    return configurations.weights[rows] * predictive * jnp.maximum(cross_entropy - entropy, 0)


def all_outcomes(
    configurations: Configurations, targets: Targets, probs: Float[Array, "S n C"], *, at_once: int
) -> Float[Array, " n"]:
    """The gain of each candidate: what all of its outcomes say about the targets, in nats.

    Args:
      configurations: joint labels so far.
      targets: under these.
      probs: of the candidates' labels.
      at_once: about how many outcomes are evaluated at once.
    """
    num_draws, num_points, num_classes = probs.shape
    flat = probs.reshape(num_draws, -1)
    num_rows = configurations.weights.shape[0]
    rows_at_once = min(num_rows, max(1, at_once // flat.shape[1]))
    several = jnp.tile(flat, (1, rows_at_once))

    def add_configurations(block, total):
        rows = block * rows_at_once + jnp.arange(rows_at_once)
        is_row = jnp.repeat(rows < num_rows, flat.shape[1])  # the last block may reach past the end
        found = outcome_information(configurations, targets, jnp.repeat(rows, flat.shape[1]), several)
        return total + jnp.where(is_row, found, 0).reshape(rows_at_once, -1).sum(axis=0)

    num_blocks = -(-configurations.num_used // rows_at_once)
    terms = jax.lax.fori_loop(0, num_blocks, add_configurations, jnp.zeros(flat.shape[1], flat.dtype))
    return terms.reshape(num_points, num_classes).sum(axis=1)
