"""Strategies that choose a batch by its joint information, from joint predictions."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal import acquisition, selection
from bal.information import log_mean_exp
from bal.selection import Selection
from bal.strategies._strategy import Strategy, predict, predict_pool
from bal.types import PyTree, RngKey
from bal.validation import check_count
from bal.view import PoolView

JointRule = Callable[[RngKey, Float[Array, "S N C"], Bool[Array, " N"]], Selection]


def batch_bald(*, batch_size: int, num_configurations: int = 10_000, num_candidates: int = 5_000) -> Strategy:
    """The batch whose labels are jointly most informative about the model; see :func:`bal.selection.batch_bald`.

    BALD is streamed over the pool, and the rule sees the points with the highest scores. A gain never exceeds BALD, so
    if each chosen gain is at least the largest BALD left out, the rule would have chosen the same batch from the whole
    pool: ``Selection.certified`` says whether this holds.

    Args:
      batch_size: points to choose.
      num_configurations: joint labels over which a gain is averaged.
      num_candidates: points whose joint predictions are kept.

    Raises:
      ValueError: fewer candidates than ``batch_size``.

    Example:
      >>> strategy = batch_bald(batch_size=5)
    """
    _check_candidates(num_candidates, batch_size)

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        def rule(rng_key: RngKey, log_probs: Array, available: Array) -> Selection:
            return selection.batch_bald(
                rng_key, log_probs, available, batch_size=batch_size, num_configurations=num_configurations
            )

        return _among_candidates(rng_key, view, acquisition.bald, rule, num_candidates)

    return Strategy(batch_size, select, num_draws=2)


def batch_epig(*, batch_size: int, num_configurations: int = 100, num_candidates: int = 200) -> Strategy:
    """The batch whose labels are jointly most informative about the targets; see :func:`bal.selection.batch_epig`.

    The rule sees the points with the largest EPIG, which is the gain of the first choice. Later gains are bounded by
    BALD, as in :func:`bal.strategies.batch_bald`, but loosely, so the batch is rarely certified to be that of the whole
    pool.

    Args:
      batch_size: points to choose.
      num_configurations: joint labels over which a gain is averaged. The time grows with the number of these, of the
        candidates and of the targets.
      num_candidates: points whose joint predictions are kept.

    Raises:
      ValueError: fewer candidates than ``batch_size``.

    Example:
      >>> strategy = batch_epig(batch_size=5)
    """
    _check_candidates(num_candidates, batch_size)

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        targets = predict(view, view.target_inputs)

        def rule(rng_key: RngKey, log_probs: Array, available: Array) -> Selection:
            return selection.batch_epig(
                rng_key,
                log_probs,
                targets,
                available,
                batch_size=batch_size,
                num_configurations=num_configurations,
                target_weights=view.target_weights,
            )

        def rank(log_probs: Array) -> Array:
            return acquisition.epig(log_probs, targets, view.target_weights)

        return _among_candidates(rng_key, view, rank, rule, num_candidates)

    return Strategy(batch_size, select, num_draws=2)


def acs_fw(*, batch_size: int) -> Strategy:
    """A batch whose log-likelihood approximates that of the whole pool; see :func:`bal.selection.acs_fw`.

    Example:
      >>> strategy = acs_fw(batch_size=5)
    """

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        features = view.map(lambda inputs: selection.log_likelihood_features(view.predict(inputs)))
        return selection.acs_fw(rng_key, features, view.available, batch_size=batch_size)

    return Strategy(batch_size, select, num_draws=2)


def class_balanced(*, batch_size: int) -> Strategy:
    """BALD, with equal numbers of labels of each (predicted) class; see :func:`bal.selection.class_balanced`.

    Example:
      >>> strategy = class_balanced(batch_size=5)
    """

    def select(rng_key: RngKey, view: PoolView) -> Selection:
        def score(inputs: PyTree) -> tuple[Array, Array]:
            log_probs = view.predict(inputs)
            return acquisition.bald(log_probs), log_mean_exp(log_probs)

        scores, mean = view.map(score)
        num_classes = mean.shape[1]
        return selection.class_balanced(
            rng_key,
            scores,
            mean.argmax(axis=1),
            view.available,
            batch_size=batch_size,
            num_classes=num_classes,
            class_counts=jax.ops.segment_sum(view.labelled.weights, view.labelled.labels, num_classes),
        )

    return Strategy(batch_size, select, num_draws=2)


def _among_candidates(
    rng_key: RngKey, view: PoolView, rank: Callable[[Array], Array], rule: JointRule, num_candidates: int
) -> Selection:
    """The choice of a rule among the points of the largest rank, and whether BALD proves that no other is better."""
    key_candidates, key_rule = jax.random.split(rng_key)
    if num_candidates >= view.size:
        chosen = rule(key_rule, predict_pool(view), view.available)
        return chosen._replace(certified=jnp.ones((), bool))

    def score(inputs: PyTree) -> tuple[Array, Array]:
        log_probs = view.predict(inputs)
        return rank(log_probs), acquisition.bald(log_probs)

    ranks, bald = view.map(score)
    candidates = selection.top_k(key_candidates, ranks, view.available, batch_size=num_candidates)
    inputs = view.take(candidates.indices)
    chosen = rule(key_rule, predict(view, inputs), candidates.indices < view.size)
    left_out = (view.available & ~jnp.isnan(ranks)).at[candidates.indices].set(False, mode="drop")
    return Selection(
        indices=candidates.indices.at[chosen.indices].get(mode="fill", fill_value=view.size),
        scores=chosen.scores,
        num_invalid=candidates.num_invalid,
        certified=(chosen.scores >= jnp.where(left_out, bald, -jnp.inf).max()).all(),
    )


def _check_candidates(num_candidates: int, batch_size: int) -> None:
    check_count("num_candidates", num_candidates, least=batch_size)
