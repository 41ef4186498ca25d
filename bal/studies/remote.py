"""Cells of a grid in other processes: how they are sent, watched and what becomes of those that fail."""

import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

import bal
from bal.studies import checkpoints
from bal.studies.cells import Cell, Work, run_cell
from bal.studies.executors import Pending, Submits
from bal.studies.provenance import differences, of_strategy, provenance
from bal.studies.settings import Settings
from bal.studies.sole_writer import sole_writer

SECONDS_A_LOOK = 0.2
# What a command reports in a sentence; everything else is the end of a process.
REPORTED = (ChildProcessError, FloatingPointError, ImportError, OSError, ValueError)

_works: dict[str, Work] = {}  # of this process: cells of one strategy share its compiled program


def run_remotely(
    executor: Submits,
    settings: Settings,
    dataset: bal.Dataset | None,
    cells: Sequence[Cell],
    show: Callable[..., None],
) -> None:
    """Run cells in the processes of an executor, and show every round when its checkpoint is there.

    A cell that fails stops no other: the error is raised when all have ended.

    Args:
      executor: takes the calls.
      settings: of the grid.
      dataset: one that replaces the one that the settings name.
      cells: what is missing.
      show: as in :func:`bal.studies.cells.run_cell`.

    Raises:
      FloatingPointError, ImportError, OSError, ValueError: what the first failed cell raised, with its name;
        ChildProcessError where its process died.
    """
    data = None if dataset is None else jax.tree.map(np.asarray, dataset)
    there = settings.with_values(output=settings.output.absolute())
    place = Path.cwd(), jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    pending: dict[int, Pending] = {}
    seen = [_Seen(cell) for cell in cells]
    failed: list[Exception] = []
    try:
        for number, cell in enumerate(cells):
            pending[number] = executor.submit(run_there, there, data, cell.record, cell.seeds, *place)
        while pending:
            ended = [number for number, each in pending.items() if each.done()]
            for number in range(len(cells)):
                if number in pending:
                    seen[number].look(settings, show)
            for number in ended:
                try:
                    pending.pop(number).result()
                except Exception as error:
                    failed.append(_with_cell(error, settings, cells[number]))
            if not ended:
                time.sleep(SECONDS_A_LOOK)
    except BaseException:
        for each in pending.values():
            if hasattr(each, "cancel"):
                each.cancel()
        raise
    if failed:
        raise failed[0]


def run_there(
    settings: Settings,
    dataset: bal.Dataset | None,
    record: dict[str, Any],
    seeds: list[int],
    folder: Path,
    programs: str | None,
) -> None:
    """Run one cell in this process, on whatever machine it is; the results are its checkpoint.

    Two processes never write one cell: the grid holds the folder, and this process the cell, so that one that outlives
    its grid is in the way of the next one instead of overwriting it.

    Args:
      settings: of the grid, with an absolute output.
      dataset: one that replaces the one that the settings name.
      record: what makes the results there.
      seeds: of the cell.
      folder: the current one of the grid, where plugins are.
      programs: folder of compiled programs.

    Raises:
      ValueError: another process runs this cell, or code, versions or data are others here.
    """
    os.chdir(folder)
    if programs is not None:
        jax.config.update("jax_compilation_cache_dir", programs)
    strategy = record["strategy"]
    path = checkpoints.checkpoint_path(settings.output, strategy, seeds[0])
    here = of_strategy(provenance(settings, dataset), strategy)
    for part in ("settings", "data", "versions", "code"):
        if other := differences(record, here, part):
            raise ValueError(f"expected the same code, versions and data in every process, got others: {other}")
    key = repr((settings, record["data"]))
    if key not in _works:
        _works.clear()
        _works[key] = Work(settings, None if dataset is None else jax.device_put(dataset))
    # A process may hold only so many compiled programs, see bal.studies.grid.
    _works[key].programs = {name: its for name, its in _works[key].programs.items() if name == strategy}
    with sole_writer(settings.output / ".cells" / path.parent.name / path.stem):
        found = checkpoints.read_checkpoint(path) if path.exists() else None
        run_cell(settings, Cell(record, seeds, path, found), _works[key], lambda *_: None)


class _Seen:
    """The rounds of a cell that were shown."""

    def __init__(self, cell: Cell):
        self.cell, self.num_shown, self.changed = cell, cell.num_done, self._time(cell.path)

    def look(self, settings: Settings, show: Callable[..., None]) -> None:
        changed = self._time(self.cell.path)
        if changed == self.changed:
            return
        info = checkpoints.read_checkpoint(self.cell.path).info
        num_rounds = len(info.num_labelled)
        for done in range(self.num_shown, num_rounds):
            at_round = jax.tree.map(lambda leaf, done=done: leaf[done], info)
            show(self.cell.strategy, self.cell.shown(settings), at_round)
        self.changed, self.num_shown = changed, num_rounds

    @staticmethod
    def _time(path: Path) -> int:
        return path.stat().st_mtime_ns if path.exists() else 0


def _with_cell(error: Exception, settings: Settings, cell: Cell) -> Exception:
    """The same kind of error with the name of its cell, in a sentence.

    Libraries for clusters raise errors of their own, whose text has the traceback with the error in it.
    """
    text = str(error).strip() or type(error).__name__
    kind: type[Exception] = next((each for each in REPORTED if isinstance(error, each)), ChildProcessError)
    for each in REPORTED:
        if found := re.findall(rf"^{each.__name__}: (.+)$", text, re.MULTILINE):
            kind, text = each, found[-1]
    seeds = cell.shown(settings)
    of_seeds = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]}"
    named = kind(f"{cell.strategy}, {of_seeds}: {text.splitlines()[-1]}")
    named.__cause__ = error
    return named
