"""The memory of one round, from its shapes alone, and the settings under which it fits."""

from collections.abc import Iterable
from typing import NamedTuple

import jax

from bal.loop import ActiveLearner
from bal.memory import Pass, accelerator_memory, bytes_of, chunk_bytes, machine_memory, noted_passes
from bal.planning._liveness import worst_moment
from bal.streaming import num_points
from bal.types import Dataset
from bal.validation import check_count
from bal.view import PoolView

MARGIN = 0.9  # of a setting that is advised: not everything shrinks with it


class Plan(NamedTuple):
    """Bytes that a round holds, for all runs under one ``vmap`` together. Printed, it is a table."""

    memory: int | None  # of the device; None if it does not tell
    pool: int  # inputs and labels of the pool; what is on disk has none
    rest: int  # the other parts of the data set
    states: int  # of the learner, before and after the round
    draws: int  # of the posterior
    features: int  # the largest array with a row for each point, beside the pool: features, predictions or scores
    pairs: int  # the largest array over pairs of points
    chunk: int  # the largest intermediate array of a pass over points
    total: int  # at the worst moment, with all of the above that exists then
    num_points: int  # that a round scores: the pool, or a random subset
    scored: Pass  # the pass that decides about ``chunk``: its points, and how many it takes at a time
    runs_at_once: int
    best_chunk_size: int  # points that such a pass would take at a time if one run had all the memory
    most_runs: int | None  # that fit under one ``vmap``; None where the memory is not known

    def __str__(self) -> str:
        memory = "" if self.memory is None else f" of {_told(self.memory)}"
        rows = [
            ("pool", self.pool, ""),
            ("other data", self.rest, ""),
            ("states", self.states, ""),
            ("draws", self.draws, ""),
            ("features", self.features, "largest array with a row for each point"),
            ("pairs", self.pairs, "largest array over pairs of points"),
            ("chunk", self.chunk, f"{self.scored.chunk_size:,} of {self.scored.num_points:,} points at a time"),
            ("worst moment", self.total, f"{self.runs_at_once} at once{memory}"),
        ]
        lines = [f"{name:<13}{_told(size):>11}  {remark}".rstrip() for name, size, remark in rows]
        runs = "" if self.most_runs is None else f", at most {self.most_runs:,} runs at once"
        return "\n".join([*lines, f"would choose chunks of {self.best_chunk_size:,} points{runs}"])


def plan(learner: ActiveLearner, dataset: Dataset, *, memory: int | None = None, runs_at_once: int = 1) -> Plan:
    """Bytes that one round of a learner will hold, and what fits in the memory; it traces the round and runs nothing.

    The worst moment of the trace is an estimate of what the compiled round holds: its arguments, results and
    intermediate arrays. Compilers fuse and reorder, so it is no bound. In the cases of
    ``experiments.benchmarks.memory`` it is within a factor of 1.5.

    Args:
      learner: from :func:`bal.build`, with the ``runs_at_once`` given here.
      dataset: arrays, their shapes (``jax.ShapeDtypeStruct``), or a pool on disk.
      memory: bytes to plan for; None takes those of the default device: of an accelerator what it tells, of a CPU those
        of the machine.
      runs_at_once: runs under one ``vmap``.

    Returns:
      The plan; ``print`` shows it as a table.

    Raises:
      ValueError: ``memory`` or ``runs_at_once`` below 1, or a data set that does not match the learner.

    Example:
      >>> import optax, bal
      >>> network = bal.networks.mlp(num_outputs=2, hidden_sizes=(8,), dropout_rate=0.2)
      >>> posterior = bal.posteriors.mc_dropout(
      ...     network, bal.likelihoods.categorical(), optax.adam(1e-2), num_steps=5, minibatch_size=4
      ... )
      >>> learner = bal.build(posterior, bal.strategies.bald(batch_size=2), num_initial=4, num_rounds=3)
      >>> planned = plan(learner, bal.datasets.load("two_moons"))
      >>> planned.pool, planned.scored.chunk_size
      (12000, 1000)
    """
    return _planned(learner, dataset, memory, runs_at_once, has_axis=runs_at_once > 1)[0]


def plan_group(learner: ActiveLearner, dataset: Dataset, *, runs_at_once: int) -> tuple[Plan, jax.stages.Traced]:
    """The plan of runs under one ``vmap``, and what was traced for it: to compile that saves tracing the round again.

    Args:
      learner: see :func:`plan`, as the arguments that follow.
      dataset: in memory.
      runs_at_once: keys and states have an axis of so many runs, even if it is one.
    """
    return _planned(learner, dataset, None, runs_at_once, has_axis=True)


def _planned(
    learner: ActiveLearner, dataset: Dataset, memory: int | None, runs_at_once: int, *, has_axis: bool
) -> tuple[Plan, jax.stages.Traced]:
    check_count("runs_at_once", runs_at_once)
    if memory is None:
        memory = accelerator_memory() or (machine_memory() if jax.default_backend() == "cpu" else None)
    else:
        check_count("memory", memory)
    rng_key = jax.eval_shape(lambda: jax.random.key(0))
    state = jax.eval_shape(learner.init, rng_key, dataset)
    step, given = learner.step, (rng_key, state)
    if has_axis:
        step = jax.vmap(step, in_axes=(0, 0, None))
        given = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((runs_at_once, *leaf.shape), leaf.dtype), given)
    with noted_passes() as passes:
        traced = jax.jit(step).trace(*given, dataset)
    moment, view = worst_moment(traced.jaxpr.jaxpr), jax.eval_shape(learner.view, rng_key, state, dataset)
    features, pairs = _largest(moment.arrays, dataset, view, passes)
    scored = max(passes, key=lambda each: each.chunk_size * each.bytes_a_point, default=Pass(0, 0, 1))
    data, pool = bytes_of(dataset), bytes_of((dataset.pool_inputs, dataset.pool_labels))
    of_runs = bytes_of(given) + moment.bytes
    planned = Plan(
        memory=memory,
        pool=pool,
        rest=data - pool,
        states=bytes_of((given[1], traced.out_info[0])),
        draws=runs_at_once * bytes_of(view.predict.args[1]),  # type: ignore[attr-defined]
        features=features,
        pairs=pairs,
        chunk=runs_at_once * scored.chunk_size * scored.bytes_a_point,
        total=data + of_runs,
        num_points=view.size,
        scored=scored,
        runs_at_once=runs_at_once,
        best_chunk_size=min(scored.num_points, max(1, chunk_bytes(memory) // scored.bytes_a_point)),
        most_runs=None if memory is None else max(0, memory - data) * runs_at_once // of_runs,
    )
    return planned, traced


def check_fits(planned: Plan) -> None:
    """Raise if a round needs more memory than there is; the message names the setting under which it fits.

    Raises:
      ValueError: the worst moment is beyond the memory.
    """
    if planned.memory is not None and planned.total > planned.memory:
        runs = f" for {planned.runs_at_once} runs at once" if planned.runs_at_once > 1 else ""
        raise ValueError(
            f"expected a round within {_told(planned.memory)} of memory, got about {_told(planned.total)}{runs}: "
            f"{_advice(planned, planned.memory)}"
        )


def _advice(planned: Plan, memory: int) -> str:
    """The setting that saves most."""
    if planned.most_runs:
        return f"use runs_at_once={planned.most_runs} (--seeds-at-once {planned.most_runs})"
    room = memory - planned.pool - planned.rest
    needed = (planned.total - planned.pool - planned.rest) // planned.runs_at_once
    if room <= 0 or max(planned.pool, planned.rest) > needed:
        return "keep the pool on disk (bal.Source)" if planned.pool > planned.rest else "use a smaller test set"
    of_points = max(planned.features, planned.pairs)
    largest = max(of_points, planned.chunk, planned.draws)
    saved = (needed - room) * planned.runs_at_once / max(1, largest)
    share = MARGIN * (1 - saved if saved < 1 else room / needed)
    if largest == of_points:
        size = max(1, int(share * planned.num_points))
        return f"use pool_subset_size={size} (--pool-subset-size {size})"
    if largest == planned.chunk:
        return f"use chunk_size={max(1, int(share * planned.scored.chunk_size))}"
    return f"use at most {share:.0%} of the draws (num_samples, --num-samples)"


def _largest(arrays: Iterable, dataset: Dataset, view: PoolView, passes: list[Pass]) -> tuple[int, int]:
    """Bytes of the largest array with a row for each point, and of the largest over pairs of points.

    An axis belongs to points if it has their number: in the pool, the view, the label buffer, the targets, a chunk.
    """
    pool = {view.size, num_points(dataset.pool_inputs)}
    others = {view.labelled.weights.shape[0], view.target_weights.shape[0], *(each.chunk_size for each in passes)}
    features = pairs = 0
    for shape, size in arrays:
        of_points = sum(length in pool | others for length in shape)
        if not pool.isdisjoint(shape) and of_points > 1:
            pairs = max(pairs, size)
        elif not pool.isdisjoint(shape):
            features = max(features, size)
    return features, pairs


def _told(size: int) -> str:
    """Bytes for a person."""
    power = min(3, max(0, size.bit_length() - 1) // 10)
    return f"{size / 2 ** (10 * power):,.1f} {('B', 'KiB', 'MiB', 'GiB')[power]}"
