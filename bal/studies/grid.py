"""Runs a grid of strategies and seeds from the host, round by round, so that it can be interrupted and continued.

The unit of work is a strategy and a group of seeds. After each round its state and what was seen so far are written as
one checkpoint; the same command continues from there and ends with the same results, bit for bit.
"""

import json
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

import bal
from bal.pool import extend_budget
from bal.studies.learners import build_learners, count_classes, load_dataset, seed_key, seeds_at_once
from bal.studies.settings import EXTENDS, NOT_RECORDED, Settings
from bal.studies.sole_writer import sole_writer

# Above these figures, as arrays in ``FitInfo.diagnostics``, chains have not converged.
CONVERGED = {"r_hat": 1.05, "num_divergences": 0}


class Unit(NamedTuple):
    """Finished work: what was seen of a group of seeds under one strategy."""

    strategy: str
    seeds: list[int]
    info: bal.StepInfo  # leaves [num_rounds, seeds, ...]
    seconds: list[float]  # of each round, without compilation
    state: bal.LoopState  # after the last of them, leaves [seeds, ...]


def run_grid(settings: Settings, dataset: bal.Dataset | None = None) -> tuple[Settings, list[Unit]]:
    """Run what is missing from the folder.

    Args:
      settings: the grid.
      dataset: in the place of the one that the settings name.

    Returns:
      The settings with the whole grid that the folder holds, and its units.

    Raises:
      ValueError: another process writes the folder, it holds another configuration, or settings that cannot be; before
        any work starts.
      FloatingPointError: a score or a loss is NaN; names strategy, round and seed.
    """
    with sole_writer(settings.output):
        settings = _join_folder(replace(settings, seeds_at_once=seeds_at_once(settings)))
        dataset = load_dataset(settings) if dataset is None else dataset
        num_classes = count_classes(dataset)
        learners = {name: build_learners(settings, name, num_classes) for name in settings.strategies}
        for first, *_ in learners.values():
            # Tracing meets every static mistake, and is quick beside compiling.
            state = jax.eval_shape(first.init, seed_key(settings, 0), dataset)
            jax.eval_shape(first.step, seed_key(settings, 0), state, dataset)
        _write_settings(settings)
        return settings, _run_units(settings, learners, dataset)


def _run_units(settings: Settings, learners: dict[str, list[bal.ActiveLearner]], dataset: bal.Dataset) -> list[Unit]:
    size = settings.seeds_at_once or 1
    groups = [list(range(first, first + size)) for first in range(0, settings.num_seeds, size)]
    units: list[Unit] = []
    with _progress() as progress:
        task = progress.add_task("starting", total=len(learners) * len(groups) * settings.num_rounds)
        for name in learners:
            program = _Program(learners[name], dataset)
            for group in groups:
                before = len(units) * settings.num_rounds

                def show(unit: Unit, before=before) -> None:
                    progress.update(task, description=_describe(unit), completed=before + len(unit.seconds))

                units.append(_run_unit(settings, name, group, program, show))
    return units


class _Program:
    """The steps of a group of seeds, compiled when they are first needed and once."""

    def __init__(self, learners: list[bal.ActiveLearner], dataset: bal.Dataset):
        self.learners = learners  # one a round
        self.dataset = dataset
        self.init = jax.jit(jax.vmap(learners[0].init, in_axes=(0, None)))
        self.compiled: dict[bal.ActiveLearner, Any] = {}

    def info_shape(self, keys, state) -> bal.StepInfo:
        step = jax.vmap(self.learners[0].step, in_axes=(0, 0, None))
        return jax.eval_shape(step, keys, state, self.dataset)[1]

    def run_step(self, keys, state, done: int):
        learner = self.learners[done]
        if learner not in self.compiled:
            step = jax.jit(jax.vmap(learner.step, in_axes=(0, 0, None)))
            self.compiled[learner] = step.lower(keys, state, self.dataset).compile()
        start = time.perf_counter()
        state, info = jax.block_until_ready(self.compiled[learner](keys, state, self.dataset))
        return state, jax.device_get(info), time.perf_counter() - start


def _run_unit(settings: Settings, name: str, group: list[int], program: _Program, show: Callable[[Unit], None]) -> Unit:
    folder = settings.output.absolute() / "checkpoints" / name / f"{group[0]:05d}"
    keys = jnp.stack([seed_key(settings, seed) for seed in group])
    state = program.init(keys, program.dataset)
    with ocp.CheckpointManager(folder, options=ocp.CheckpointManagerOptions(max_to_keep=1)) as manager:
        infos, seconds = [], []
        if manager.latest_step() is not None:
            info_shape = program.info_shape(keys, state)
            saved = manager.restore(manager.latest_step(), args=ocp.args.StandardRestore())
            state = _resume(state, saved["state"])
            seconds = np.asarray(saved["seconds"]).tolist()
            rounds = range(len(seconds))
            infos = [_unflatten(info_shape, [np.asarray(leaf)[done] for leaf in saved["info"]]) for done in rounds]
        for done in range(len(infos), settings.num_rounds):
            state, info, elapsed = program.run_step(keys, state, done)
            _check_round(info, name, done, group)
            infos.append(info)
            seconds.append(elapsed)
            tree = {"state": jax.tree.leaves(state), "info": jax.tree.leaves(_stack(infos)), "seconds": seconds}
            manager.save(done, args=ocp.args.StandardSave(jax.tree.map(np.asarray, tree)))
            show(Unit(name, group, _stack(infos), seconds, state))
        unit = Unit(name, group, _stack(infos), seconds, state)
        show(unit)
        return unit


def _resume(fresh: bal.LoopState, leaves: list) -> bal.LoopState:
    """The saved state with room for the labels of more rounds, where more are wanted now."""
    saved = _unflatten(fresh, [jnp.asarray(leaf) for leaf in leaves])
    budget = fresh.pool.indices.shape[1]

    def fit_in(old: jax.Array, new: jax.Array) -> jax.Array:
        # The state of some posteriors has the size of the label buffer. It is that of a fit, which the next round does
        # anew, so a fresh one serves.
        return old if old.shape == new.shape else new

    return saved._replace(
        pool=jax.vmap(partial(extend_budget, budget=budget))(saved.pool),
        posterior=jax.tree.map(fit_in, saved.posterior, fresh.posterior),
        evaluation=jax.tree.map(fit_in, saved.evaluation, fresh.evaluation),
    )


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


def _join_folder(settings: Settings) -> Settings:
    """The grid that the folder holds and the one that is asked for, joined; raises where they cannot be."""
    path = settings.output / "settings.json"
    if not path.exists():
        return settings
    held = json.loads(path.read_text())
    asked = _as_json(settings)
    held = {**_as_json(Settings()), **held}  # a folder from before a setting existed has its default
    different = [key for key in asked if key not in EXTENDS and held[key] != asked[key]]
    if different:
        pairs = ", ".join(f"{key} {held[key]!r} there, {asked[key]!r} asked for" for key in different)
        raise ValueError(f"expected the configuration that {settings.output} holds, got another: {pairs}")
    return replace(
        settings,
        strategies=(*held["strategies"], *(name for name in settings.strategies if name not in held["strategies"])),
        num_seeds=max(held["num_seeds"], settings.num_seeds),
        num_rounds=max(held["num_rounds"], settings.num_rounds),
    )


def _write_settings(settings: Settings) -> None:
    path = settings.output / "settings.json"
    partial_path = path.with_suffix(".tmp")
    partial_path.write_text(json.dumps(_as_json(settings), indent=2) + "\n")
    partial_path.replace(path)


def _as_json(settings: Settings) -> dict[str, Any]:
    values = {key: value for key, value in asdict(settings).items() if key not in NOT_RECORDED}
    return json.loads(json.dumps(values))


def _stack(infos: list[bal.StepInfo]) -> bal.StepInfo:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *infos)


def _describe(unit: Unit) -> str:
    seeds = f"seed {unit.seeds[0]}" if len(unit.seeds) == 1 else f"seeds {unit.seeds[0]} to {unit.seeds[-1]}"
    accuracy = unit.info.metrics["accuracy"][-1].mean()
    return f"{unit.strategy}, {seeds}: {unit.info.num_labelled[-1][0]} labels, accuracy {accuracy:.3f}"


def _progress() -> Progress:
    # On a narrow screen the description, which stands last, is cut, and not the figures.
    figures = (
        column(table_column=Column(no_wrap=True, min_width=len("1000/1000")))
        for column in (MofNCompleteColumn, TimeElapsedColumn, TimeRemainingColumn)
    )
    return Progress(BarColumn(bar_width=20), *figures, TextColumn("{task.description}"))
