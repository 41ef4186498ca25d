"""How far could a strategy get? A greedy oracle, which tries points with their labels and keeps the best.

It is no strategy: it trains a model for each point that it tries, and reads their labels and the test set. So its
figure is a ceiling, and a little more: a point may be best for this test set by chance.
"""

import zlib
from typing import Any

import jax
import jax.numpy as jnp

import bal
from bal.streaming import num_points, take_points

NAME = "greedy_oracle"
NUM_CANDIDATES = 20  # points tried in a round, as in Werner et al. 2024


def greedy_run(
    rng_key: Any, learner: bal.ActiveLearner, dataset: bal.Dataset, *, num_candidates: int = NUM_CANDIDATES
) -> tuple[bal.LoopState, dict[str, jax.Array], jax.Array]:
    """A run in which each label is the one that makes the next model best.

    In each round points are drawn at random. Each is labelled in a world of its own, in which the model of the next
    round is trained with the keys of that round; the point of the best model is kept, whether or not it is better than
    the present one. Models of equal accuracy are told apart by their nll.

    Args:
      rng_key: of the run; that of a strategy with the same key starts from the same labels.
      learner: asks for one point a round; which one is not read.
      dataset: with labels of the pool, and a test set.
      num_candidates: points tried in a round.

    Returns:
      The state after the last round, the metrics [rounds], and the number of labels [rounds].

    Raises:
      ValueError: a learner that asks for more than one point, or a pool with too few points to try.

    References:
      Werner et al. 2024, CDALBench, arXiv:2408.00426
    """
    if learner.batch_size != 1:
        raise ValueError(f"expected a learner that asks for one point a round, got {learner.batch_size}")
    left = num_points(dataset.pool_inputs) - learner.num_initial - learner.num_rounds + 1  # in the last round
    if left < num_candidates:
        raise ValueError(f"expected {num_candidates} points to try to be left to the end, got {max(left, 0)}")
    # Apart from the keys of the learner.
    key_candidates = jax.random.fold_in(rng_key, zlib.crc32(NAME.encode()))

    def labelled(state: bal.LoopState, place: jax.Array) -> bal.LoopState:
        indices = place[None]
        return learner.tell(state, indices, take_points(dataset.pool_labels, indices))

    def one_round(state: bal.LoopState, number: jax.Array):
        state, info = learner.ask(rng_key, state, dataset)
        noise = jax.random.uniform(jax.random.fold_in(key_candidates, number), state.pool.available.shape)
        _, candidates = jax.lax.top_k(jnp.where(state.pool.available, noise, -1.0), num_candidates)

        def metrics_with(place: jax.Array) -> dict[str, jax.Array]:
            return learner.ask(rng_key, labelled(state, place), dataset)[1].metrics

        best = _best(jax.vmap(metrics_with)(candidates))
        return labelled(state, candidates[best]), (info.metrics, info.num_labelled)

    state, (metrics, counts) = jax.lax.scan(one_round, learner.init(rng_key, dataset), jnp.arange(learner.num_rounds))
    return state, metrics, counts


def _best(metrics: dict[str, jax.Array]) -> jax.Array:
    """The place of the largest accuracy, or else the smallest RMSE; ties go to the smallest nll."""
    first = -metrics["accuracy"] if "accuracy" in metrics else metrics["rmse"]
    return jnp.lexsort((metrics["nll"], first))[0]
