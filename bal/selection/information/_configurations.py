"""The joint labels of a batch: which configurations are probable, and what each would reveal about the draws.

BatchBALD and its relatives need sums over the C**b configurations of b labels. They are kept as rows of a fixed buffer:
the probability of the configuration and the posterior over the draws after seeing it. A gain is then an average over
the rows of an information in nats, never a difference of large joint entropies, so single precision suffices and no
product of many probabilities underflows.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from bal.information import entropy_terms, finite_log, map_points
from bal.types import RngKey
from bal.validation import check_count

# Rows whose product with a chunk of candidates is formed at once; more would leave the cache before the logarithm.
ROWS = 2048


class Configurations(NamedTuple):
    """Joint labels of the points chosen so far. Rows in use come first; the others have weight 0."""

    weights: Float[Array, " J"]  # probability of the configuration
    posterior: Float[Array, "J S"]  # p(draw | configuration); rows in use sum to 1
    num_used: Int[Array, ""]


def no_labels(num_configurations: int, num_draws: int, dtype: jnp.dtype) -> Configurations:
    """The one configuration of an empty batch, in a buffer for ``num_configurations`` rows."""
    num_rows = _whole_blocks(num_configurations)
    return Configurations(
        weights=jnp.zeros(num_rows, dtype).at[0].set(1),
        posterior=jnp.full((num_rows, num_draws), 1 / num_draws, dtype),
        num_used=jnp.int32(1),
    )


def add_point(
    rng_key: RngKey, configurations: Configurations, probs: Float[Array, "S C"], *, num_configurations: int
) -> Configurations:
    """Extend every configuration by every label of one more point.

    All are kept while the possible ones fit ``num_configurations``. Else those of large probability are kept and the
    others are sampled, without bias, each with the same weight (Fearnhead and Clifford 2003, who show that no other
    unbiased choice has a smaller variance).
    """
    predictive = configurations.posterior @ probs
    children = (configurations.weights[:, None] * predictive).reshape(-1)
    chosen, weights, num_used = _thin(rng_key, children, configurations.weights.shape[0], num_configurations)
    parents, labels = jnp.divmod(chosen, probs.shape[1])
    joint = configurations.posterior[parents] * probs[:, labels].T
    total = jnp.maximum(joint.sum(axis=1, keepdims=True), jnp.finfo(joint.dtype).tiny)
    return Configurations(weights, joint / total, num_used)


def merge_similar(configurations: Configurations, num_groups: int) -> Configurations:
    """Average configurations that leave a similar posterior, into about ``num_groups`` rows.

    An information gain is a concave function of the posterior over the draws (Jensen), so the merged configurations
    give an upper bound of every gain at a fraction of its cost. It is tight where the merged posteriors are alike:
    those with the same most probable draw, at a similar probability.
    """
    num_draws = configurations.posterior.shape[1]
    num_groups = _whole_blocks(max(1, num_groups))
    levels = max(1, num_groups // num_draws)
    probability = configurations.posterior.max(axis=1)
    level = jnp.clip(jnp.floor(levels * probability), 0, levels - 1).astype(jnp.int32)
    groups = (configurations.posterior.argmax(axis=1) * levels + level) % num_groups
    weights = jax.ops.segment_sum(configurations.weights, groups, num_groups)
    posterior = jax.ops.segment_sum(configurations.weights[:, None] * configurations.posterior, groups, num_groups)
    posterior = posterior / jnp.maximum(weights, jnp.finfo(weights.dtype).tiny)[:, None]
    return Configurations(weights, posterior, jnp.int32(num_groups))


def label_entropy(configurations: Configurations, probs: Float[Array, "S n C"]) -> Float[Array, " n"]:
    """Entropy of one more label, on average over the labels of the points chosen so far, in nats."""
    num_draws, num_points, num_classes = probs.shape
    flat = probs.reshape(num_draws, -1)
    rows = min(ROWS, configurations.weights.shape[0])

    def add_block(block, total):
        weights = jax.lax.dynamic_slice_in_dim(configurations.weights, block * rows, rows)
        posterior = jax.lax.dynamic_slice_in_dim(configurations.posterior, block * rows, rows)
        return total + weights @ entropy_terms(posterior @ flat)

    num_blocks = -(-configurations.num_used // rows)
    terms = jax.lax.fori_loop(0, num_blocks, add_block, jnp.zeros(flat.shape[1], flat.dtype))
    return terms.reshape(num_points, num_classes).sum(axis=-1)


def entropies_under_draws(log_probs: Float[Array, "S N C"]) -> Float[Array, "N S"]:
    """Entropy of each point's label where the draw is known, in nats.

    Summed as :func:`label_entropy` sums, so that where the draws agree the difference is rounding alone.
    """
    return map_points(lambda chunk: entropy_terms(jnp.exp(finite_log(chunk))).sum(axis=-1).T, log_probs)


def information_gain(
    configurations: Configurations, probs: Float[Array, "S n C"], draw_entropies: Float[Array, "n S"]
) -> Float[Array, " n"]:
    r"""What one more label would say about the draws, on average over the labels of the points chosen so far.

    .. math:: \sum_j q_j \left( H\Big[\sum_s w_{js}\, p_s\Big] - \sum_s w_{js} H[p_s] \right)

    Every summand is an information, so a gain is at least 0 also where the configurations are sampled. The entropies
    under each draw, ``entropies_under_draws``, do not depend on the points chosen.
    """
    draw_weights = configurations.weights @ configurations.posterior
    gains = label_entropy(configurations, probs) - draw_entropies @ draw_weights
    # A difference of two entropies of up to log C: a difference within rounding must tie with 0.
    rounding = 8 * jnp.finfo(gains.dtype).eps * max(1.0, math.log(probs.shape[2]))
    return jnp.where(gains < rounding, 0.0, gains)


def check_num_configurations(num_configurations: int, num_classes: int) -> None:
    """Raise where not even the labels of one point would fit."""
    check_count("num_configurations", num_configurations)
    if num_configurations < num_classes:
        raise ValueError(
            f"expected num_configurations of at least the number of classes {num_classes}, got {num_configurations}"
        )


def _whole_blocks(num_rows: int) -> int:
    """At least ``num_rows``, and whole blocks: a slice past the end would be moved back, and rows counted twice."""
    rows = min(ROWS, num_rows)
    return -(-num_rows // rows) * rows


def _thin(rng_key, weights, num_rows, num_kept):
    """At most ``num_kept`` of the weights, unbiased: indices, new weights (0 in spare rows) and how many are in use."""
    fits = (weights > 0).sum() <= num_kept
    threshold = jnp.where(fits, 0.0, weights.sum() / num_kept)

    def lower(_, threshold):
        large = weights >= threshold
        rest = jnp.where(large, 0.0, weights).sum()
        return jnp.minimum(threshold, rest / jnp.maximum(num_kept - large.sum(), 1))

    # The threshold where large weights and equal shares of the rest fill the rows. It converges in a few steps; one
    # that has not converged costs variance, not correctness.
    threshold = jax.lax.fori_loop(0, 8, lower, threshold)
    large = (weights > 0) & (weights >= threshold)
    num_large = large.sum()
    cumulative = jnp.cumsum(jnp.where(large, 0.0, weights))
    share = cumulative[-1] / jnp.maximum(num_kept - num_large, 1)
    rows = jnp.arange(num_rows)
    positions = (rows - num_large + jax.random.uniform(rng_key, (), weights.dtype)) * share
    # Rounding must not carry the last position past the end, onto an impossible configuration.
    positions = jnp.minimum(positions, jnp.nextafter(cumulative[-1], jnp.zeros_like(share)))
    sampled = jnp.searchsorted(cumulative, positions, side="right")
    kept = jnp.nonzero(large, size=num_rows, fill_value=0)[0]
    is_large = rows < num_large
    chosen = jnp.minimum(jnp.where(is_large, kept, sampled), weights.shape[0] - 1)
    new_weights = jnp.where(is_large, weights[chosen], jnp.where(rows < num_kept, share, 0.0))
    return chosen, new_weights, jnp.where(share > 0, num_kept, num_large).astype(jnp.int32)
