"""A whole run: one scan over the rounds."""

import jax
import jax.numpy as jnp

from bal.loop._learner import ActiveLearner, LoopState, StepInfo
from bal.sources import holds_source
from bal.types import Dataset, Keys, RngKey


def run(rng_key: RngKey | Keys, learner: ActiveLearner, dataset: Dataset) -> tuple[LoopState, StepInfo]:
    """All rounds: one ``lax.scan`` over ``learner.step``, a pure function of a key and a data set.

    Args:
      rng_key: one key, or one for each source of randomness.
      learner: from :func:`build`; close over it or make it static.
      dataset: pool with labels, and a test set. On a pool on disk the rounds are a loop on the host.

    Returns:
      The last state, and the info of each round stacked along a first axis [num_rounds].

    Example:
      >>> import optax, bal
      >>> dataset = bal.datasets.load("two_moons")
      >>> network = bal.networks.mlp(num_outputs=2, hidden_sizes=(8,), dropout_rate=0.2)
      >>> posterior = bal.posteriors.mc_dropout(
      ...     network, bal.likelihoods.categorical(), optax.adam(1e-2), num_steps=5, minibatch_size=4
      ... )
      >>> learner = bal.build(posterior, bal.strategies.bald(batch_size=2), num_initial=4, num_rounds=3)
      >>> program = jax.jit(lambda rng_key: run(rng_key, learner, dataset))
      >>> state, info = jax.eval_shape(program, jax.random.key(0))  # program(key) runs it; here, the shapes suffice
      >>> info.num_labelled.shape, state.pool.indices.shape
      ((3,), (10,))
    """

    def body(state: LoopState, _):
        return learner.step(rng_key, state, dataset)

    if holds_source(dataset.pool_inputs):
        state, infos = learner.init(rng_key, dataset), []
        for _ in range(learner.num_rounds):
            state, info = learner.step(rng_key, state, dataset)
            infos.append(info)
        return state, jax.tree.map(lambda *leaves: jnp.stack(leaves), *infos)
    return jax.lax.scan(body, learner.init(rng_key, dataset), None, length=learner.num_rounds)
