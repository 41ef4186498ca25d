"""A cell of a grid: a group of seeds under one strategy, which runs round by round and is continued where it ended.

After each round its state and what was seen are written as one checkpoint; a cell that was interrupted continues from
there and ends with the same results, bit for bit.
"""

import time
import warnings
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import bal
from bal.planning import check_fits, plan_group
from bal.sources import holds_source, resuming
from bal.studies import checkpoints
from bal.studies._programs import compiler_options
from bal.studies.learners import build_learners, load_dataset, seed_key
from bal.studies.provenance import differences
from bal.studies.settings import Settings
from bal.studies.tasks import task_of

# Above these figures, as arrays in ``FitInfo.diagnostics``, chains have not converged.
CONVERGED = {"r_hat": 1.05, "num_divergences": 0}


class Unit(NamedTuple):
    """Finished work: what was seen of a group of seeds under one strategy."""

    strategy: str
    seeds: list[int]
    info: bal.StepInfo  # leaves [num_rounds, seeds, ...]
    seconds: list[float]  # of each round, without compilation where the pool is in memory
    state: Callable[[], bal.LoopState]  # reads that after the last round, leaves [seeds, ...]
    memory: int | None = None  # bytes of a compiled round of the group with its data; None if the pool is on disk


class Cell(NamedTuple):
    """A group of seeds under one strategy, and what the folder has of it."""

    record: dict[str, Any]
    seeds: list[int]
    path: Path
    found: checkpoints.Checkpoint | None

    @property
    def strategy(self) -> str:
        return self.record["strategy"]

    @property
    def num_done(self) -> int:
        return 0 if self.found is None else len(self.found.seconds)

    def num_missing(self, settings: Settings) -> int:
        return max(0, settings.run.num_rounds - self.num_done)

    def shown(self, settings: Settings) -> list[int]:
        """The seeds that are asked for; the others fill up the group."""
        return [seed for seed in self.seeds if seed < settings.run.num_seeds]


class Work:
    """Data and programs, each made when it is first needed: a finished grid needs none."""

    def __init__(self, settings: Settings, dataset: bal.Dataset | None):
        self.settings = settings
        self.given = dataset
        self.programs: dict[str, _Program] = {}

    @cached_property
    def dataset(self) -> bal.Dataset:
        return load_dataset(self.settings) if self.given is None else self.given

    def program(self, strategy: str) -> "_Program":
        # Threads of an executor drop one another's programs, so what is returned is not looked up again.
        if (program := self.programs.get(strategy)) is None:
            learners = build_learners(self.settings, strategy, task_of(self.dataset))
            program = self.programs[strategy] = _Program(learners, self.dataset)
        return program

    def trace(self, strategy: str) -> None:
        """Tracing finds every static mistake and what does not fit in the memory; it is quick beside compiling."""
        program = self.program(strategy)
        learner = program.learners[0]
        if program.on_disk:
            planned = bal.plan(learner, self.dataset)
        else:
            planned, traced = plan_group(learner, self.dataset, runs_at_once=self.settings.run.seeds_at_once or 1)
            (_, state, _), _ = traced.args_info
            program.traced[learner, _room(state)] = traced
        kind, _, count = self.settings.executor.partition(":")
        if kind == "processes" and planned.memory is not None:
            planned = planned._replace(memory=planned.memory // int(count))
        # The memory of a cluster's machines is not that of this one.
        if kind in ("here", "processes"):
            check_fits(planned)


class _Program:
    """The steps of a group of seeds, compiled when they are first needed and once.

    A pool on disk is read for one seed after the other, by a learner that compiles the pieces between its reads.
    """

    def __init__(self, learners: list[bal.ActiveLearner], dataset: bal.Dataset):
        self.learners = learners  # one a round
        self.dataset = dataset
        self.on_disk = holds_source(dataset.pool_inputs)
        init = learners[0].init
        self.init = _one_by_one(init) if self.on_disk else jax.jit(jax.vmap(init, in_axes=(0, None)))
        # By learner and room for labels: an interrupted run had room for as many as were asked for then.
        self.traced: dict[tuple[bal.ActiveLearner, int], jax.stages.Traced] = {}
        self.compiled: dict[tuple[bal.ActiveLearner, int], Any] = {}
        self.memory: int | None = None  # bytes of the largest step that was compiled

    def run_step(self, keys, state, done: int):
        learner = self.learners[done]
        key = learner, _room(state)
        if key not in self.compiled:
            if self.on_disk:
                self.compiled[key] = _one_by_one(learner.step)
            else:
                step = jax.jit(jax.vmap(learner.step, in_axes=(0, 0, None)))
                traced = self.traced.pop(key, None) or step.trace(keys, state, self.dataset)
                self.compiled[key] = traced.lower().compile(compiler_options())
                self.memory = max(self.memory or 0, _bytes(self.compiled[key]))
        start = time.perf_counter()
        state, info = jax.block_until_ready(self.compiled[key](keys, state, self.dataset))
        return state, jax.device_get(info), time.perf_counter() - start


def _room(state: bal.LoopState) -> int:
    return state.pool.indices.shape[-1]


def _bytes(compiled: jax.stages.Compiled) -> int:
    """What a program holds at once: its arguments, its results where they are not arguments, and what is between."""
    used = compiled.memory_analysis()
    if used is None:  # a platform that does not tell
        return 0
    own = used.output_size_in_bytes - used.alias_size_in_bytes
    return used.argument_size_in_bytes + own + used.temp_size_in_bytes


def _one_by_one(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function under a ``vmap`` over all arguments but the last, in a loop."""

    def run(*arguments: Any) -> Any:
        *mapped, dataset = arguments
        count = len(jax.tree.leaves(mapped)[0])
        results = [fn(*jax.tree.map(lambda leaf, k=k: leaf[k], mapped), dataset) for k in range(count)]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *results)

    return run


def run_cell(settings: Settings, cell: Cell, work: Work, show: Callable[..., None]) -> Unit:
    """Run the rounds that a cell lacks, with a checkpoint after each.

    Args:
      settings: of the grid.
      cell: what to run, and what is there of it.
      work: data and programs.
      show: called after each round with the strategy, the seeds asked for, and the info of the group.

    Raises:
      FloatingPointError: a score or a loss is NaN; names strategy, round and seed.
    """
    num_rounds, seconds, infos = settings.run.num_rounds, [], []
    record = {**cell.record, "seeds": cell.seeds}
    if cell.found is not None:
        seconds = cell.found.seconds
        infos = [jax.tree.map(lambda leaf, r=r: leaf[r], cell.found.info) for r in range(len(seconds))]
        record["earlier"] = _earlier(cell.found.record, record, len(seconds))
        record["memory"] = cell.found.record.get("memory")
    if cell.num_missing(settings):
        program, keys = work.program(cell.strategy), _keys(settings, cell)
        state = program.init(keys, program.dataset)
        if cell.found is not None:
            batch_size = settings.run.batch_size
            state = _resume(program.learners[0], batch_size, state, checkpoints.read_state(cell.path))
        for done in range(len(infos), num_rounds):
            # In a hidden folder, which is not taken for a checkpoint.
            with resuming(cell.path.with_name(f".{cell.path.stem}")):
                state, info, elapsed = program.run_step(keys, state, done)
            _check_round(info, cell.strategy, done, cell.seeds)
            infos.append(info)
            seconds.append(elapsed)
            record["memory"] = max(filter(None, (record.get("memory"), program.memory)), default=None)
            checkpoints.write_checkpoint(cell.path, record, _stack(infos), seconds, state)
            show(cell.strategy, cell.shown(settings), info)

    def last_state() -> bal.LoopState:
        if cell.num_done > num_rounds:
            raise ValueError(
                f"expected --num-rounds {cell.num_done}, the rounds of the state in {cell.path}, got {num_rounds}"
            )
        program = work.program(cell.strategy)
        like = jax.eval_shape(program.init, _keys(settings, cell), program.dataset)
        return _unflatten(like, checkpoints.read_state(cell.path))

    info = _stack(infos[:num_rounds])
    return Unit(cell.strategy, cell.seeds, info, seconds[:num_rounds], last_state, record.get("memory"))


def _keys(settings: Settings, cell: Cell) -> jax.Array:
    return jnp.stack([seed_key(settings, seed) for seed in cell.seeds])


def _earlier(there: dict[str, Any], here: dict[str, Any], num_rounds: int) -> list[dict[str, Any]]:
    """What made the first rounds where it is not what makes the next ones."""
    earlier = list(there.get("earlier", []))
    if any(differences(there, here, part) for part in ("versions", "code")):
        earlier.append({"versions": there["versions"], "code": there["code"], "num_rounds": num_rounds})
    return earlier


def _resume(learner: bal.ActiveLearner, batch_size: int, fresh: bal.LoopState, leaves: list) -> bal.LoopState:
    """The saved state with room for the labels of more rounds, if more are asked for now."""
    saved = _unflatten(fresh, [jnp.asarray(leaf) for leaf in leaves])
    more = (_room(fresh) - _room(saved)) // batch_size
    return jax.vmap(lambda state: learner.extend(state, more))(saved) if more > 0 else saved


def _unflatten(like, leaves: list):
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _check_round(info: bal.StepInfo, name: str, done: int, group: list[int]) -> None:
    invalid = np.asarray(info.selection.num_invalid) > 0
    losses = np.asarray(info.fit.loss).reshape(len(group), -1)
    invalid_fit = np.isnan(losses).any(axis=1) & (np.asarray(info.num_labelled) > 0) & (info.fit.num_steps.max() > 0)
    for what, where in (("a score", invalid), ("the training loss", invalid_fit)):
        if where.any():
            seeds = [seed for seed, is_bad in zip(group, where, strict=True) if is_bad]
            raise FloatingPointError(f"{what} is NaN: strategy {name}, round {done}, seed {seeds[0]}")
    for key, limit in CONVERGED.items():
        worst = np.max(info.fit.diagnostics[key]) if key in info.fit.diagnostics else limit
        if worst > limit:
            warnings.warn(f"{name}, round {done}: {key} is {worst:.3g}, above {limit}", stacklevel=2)


def _stack(infos: list[bal.StepInfo]) -> bal.StepInfo:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *infos)
