"""The estimate of ``bal.plan`` beside what compiled rounds hold: arguments, results and intermediate arrays.

``python -m experiments.benchmarks.memory`` compiles each case for the default device and runs none. The figures of a
CPU are recorded in ``tests/planning/test_plan.py``.
"""

import sys
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

import bal


class Case(NamedTuple):
    """A round, of which only shapes are needed."""

    posterior: Callable[[], bal.posteriors.Posterior]
    strategy: Callable[[], bal.Strategy]
    num_points: int
    point: tuple[int, ...] = (64,)
    runs_at_once: int = 1
    num_samples: int | None = None

    def learner(self) -> bal.ActiveLearner:
        """What the case runs."""
        return bal.build(
            self.posterior(),
            self.strategy(),
            num_samples=self.num_samples,
            num_initial=20,
            num_rounds=20,
            runs_at_once=self.runs_at_once,
        )

    def dataset(self) -> bal.Dataset:
        """The shapes of a pool and of a test set of 1,000 points."""
        inputs = [jax.ShapeDtypeStruct((count, *self.point), jnp.float32) for count in (self.num_points, 1_000)]
        labels = [jax.ShapeDtypeStruct((count,), jnp.int32) for count in (self.num_points, 1_000)]
        return bal.Dataset(inputs[0], labels[0], inputs[1], labels[1])


def mc_dropout(network: Callable[[], bal.networks.Network]) -> bal.posteriors.Posterior:
    return bal.posteriors.mc_dropout(
        network(), bal.likelihoods.categorical(), optax.adamw(1e-3), num_steps=400, minibatch_size=32
    )


def ensemble() -> bal.posteriors.Posterior:
    return bal.posteriors.deep_ensemble(
        mlp(), bal.likelihoods.categorical(), optax.adamw(1e-3), num_members=5, num_steps=400, minibatch_size=32
    )


def mlp() -> bal.networks.Network:
    return bal.networks.mlp(num_outputs=10, hidden_sizes=(128, 128), dropout_rate=0.5)


def cnn() -> bal.networks.Network:
    return bal.networks.cnn(num_outputs=10, variant="gal")


S = bal.strategies
OF_MLP = partial(mc_dropout, mlp)
CASES = {
    "bald, 10 seeds": Case(OF_MLP, partial(S.bald, batch_size=5), 1_500, runs_at_once=10),
    "bald, 10^6 points": Case(OF_MLP, partial(S.bald, batch_size=5), 1_000_000),
    "bald, images": Case(partial(mc_dropout, cnn), partial(S.bald, batch_size=5), 10_000, (28, 28, 1)),
    "ensemble, 10 seeds": Case(ensemble, partial(S.bald, batch_size=5), 100_000, runs_at_once=10),
    "lcmd": Case(OF_MLP, partial(S.lcmd, batch_size=100), 100_000),
    "badge": Case(OF_MLP, partial(S.badge, batch_size=100), 100_000),
    "batch_bald": Case(OF_MLP, partial(S.batch_bald, batch_size=5), 10_000, num_samples=100),
    "typiclust": Case(OF_MLP, partial(S.typiclust, batch_size=5), 10_000),
}


def measured(case: Case) -> int:
    """Bytes of the compiled round."""
    learner, dataset = case.learner(), case.dataset()
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), case.runs_at_once))
    init, step = jax.vmap(learner.init, in_axes=(0, None)), jax.vmap(learner.step, in_axes=(0, 0, None))
    if case.runs_at_once == 1:
        keys, init, step = jax.eval_shape(lambda: jax.random.key(0)), learner.init, learner.step
    states = jax.eval_shape(init, keys, dataset)
    memory = jax.jit(step).lower(keys, states, dataset).compile().memory_analysis()
    assert memory is not None
    return memory.argument_size_in_bytes + memory.output_size_in_bytes + memory.temp_size_in_bytes


def main() -> None:
    for name in sys.argv[1:] or CASES:
        case = CASES[name]
        estimate = bal.plan(case.learner(), case.dataset(), runs_at_once=case.runs_at_once).total
        held = measured(case)
        mib = 2**20
        print(
            f"{name}: estimate {estimate / mib:.1f} MiB, compiled {held / mib:.1f} MiB ({held}), {estimate / held:.2f}"
        )


if __name__ == "__main__":
    main()
