"""A whole run: one scan over the rounds."""

import jax
import jax.numpy as jnp

from bal.loop._learner import ActiveLearner, LoopState, StepInfo
from bal.sources import Source
from bal.types import Dataset, Keys, RngKey


def run(rng_key: RngKey | Keys, learner: ActiveLearner, dataset: Dataset) -> tuple[LoopState, StepInfo]:
    """All rounds: one ``lax.scan`` over ``learner.step``, a pure function of a key and a data set.

    Args:
      rng_key: one key, or one for each source of randomness.
      learner: from :func:`build`; close over it or make it static.
      dataset: pool with labels, and a test set. On a pool on disk the rounds are a loop on the host.

    Returns:
      The last state, and the info of each round stacked along a first axis [num_rounds].
    """

    def body(state: LoopState, _):
        return learner.step(rng_key, state, dataset)

    if isinstance(dataset.pool_inputs, Source):
        state, infos = learner.init(rng_key, dataset), []
        for _ in range(learner.num_rounds):
            state, info = learner.step(rng_key, state, dataset)
            infos.append(info)
        return state, jax.tree.map(lambda *leaves: jnp.stack(leaves), *infos)
    return jax.lax.scan(body, learner.init(rng_key, dataset), None, length=learner.num_rounds)
