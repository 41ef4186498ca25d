"""A whole run: one scan over the rounds."""

import jax

from bal.loop._learner import ActiveLearner, LoopState, StepInfo
from bal.types import Dataset, Keys, RngKey


def run(rng_key: RngKey | Keys, learner: ActiveLearner, dataset: Dataset) -> tuple[LoopState, StepInfo]:
    """All rounds: one ``lax.scan`` over ``learner.step``, a pure function of a key and a data set.

    Args:
      rng_key: one key, or one for each source of randomness.
      learner: from :func:`build`; close over it or make it static.
      dataset: pool with labels, and a test set.

    Returns:
      The last state, and the info of each round stacked along a first axis [num_rounds].
    """

    def body(state: LoopState, _):
        return learner.step(rng_key, state, dataset)

    return jax.lax.scan(body, learner.init(rng_key, dataset), None, length=learner.num_rounds)
