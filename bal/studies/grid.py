"""Runs a grid of strategies and seeds from the host, round by round, so that it can be interrupted and continued.

The unit of work is a cell: a strategy and a group of seeds. The same command continues every cell from its last
checkpoint and ends with the same results, bit for bit on machines of one kind, whichever executor ran them.
"""

from collections.abc import Callable
from functools import partial
from itertools import groupby

import bal
from bal.sources import holds_source
from bal.studies import _progress, checkpoints
from bal.studies.cells import Cell, Unit, Work, run_cell
from bal.studies.checks import check_settings
from bal.studies.executors import Submits, opened
from bal.studies.folder import check_folder, write_settings
from bal.studies.groups import group_size
from bal.studies.provenance import of_strategy, provenance
from bal.studies.remote import run_remotely
from bal.studies.settings import Settings
from bal.studies.sole_writer import check_no_writer, sole_writer


def run_grid(settings: Settings, dataset: bal.Dataset | None = None, *, executor: Submits | None = None) -> list[Unit]:
    """Run what is missing from the folder.

    Args:
      settings: the grid.
      dataset: replaces the one that the settings name.
      executor: runs the cells that are not finished, such as an executor of ``concurrent.futures`` with processes, or
        anything with its ``submit``; its processes must see the folder. None opens the one that the settings name.

    Returns:
      The units of the grid. A folder may hold more strategies, seeds and rounds than are asked for.

    Raises:
      ValueError: invalid settings, a round that does not fit in the memory, another process writes the folder, or it
        holds another configuration; before anything is written.
      FloatingPointError: a score or a loss is NaN; names strategy, round and seed.
      ChildProcessError: a process of the executor died; names its cell.

    Example:
      >>> import contextlib, os, tempfile
      >>> from pathlib import Path
      >>> settings = Settings(output=Path(tempfile.mkdtemp())).with_values(
      ...     dataset="wave", posterior="bayesian_linear", strategies=("random",), num_seeds=2, seeds_at_once=2,
      ...     num_rounds=1
      ... )
      >>> with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # the line of progress
      ...     (unit,) = run_grid(settings)
      >>> unit.strategy, unit.seeds, unit.info.num_labelled.tolist()
      ('random', [0, 1], [[20, 20]])
    """
    return prepare_grid(settings, dataset, executor=executor)()


def prepare_grid(
    settings: Settings, dataset: bal.Dataset | None = None, *, executor: Submits | None = None
) -> Callable[[], list[Unit]]:
    """Check everything, without writing anything, and return a function that runs the grid; see :func:`run_grid`.

    Example:
      >>> import tempfile
      >>> from pathlib import Path
      >>> settings = Settings(output=Path(tempfile.mkdtemp()) / "new").with_values(
      ...     dataset="wave", posterior="bayesian_linear", strategies=("random",), num_seeds=2, seeds_at_once=2,
      ...     num_rounds=1
      ... )
      >>> run = prepare_grid(settings)  # run() returns the units
      >>> settings.output.exists()
      False
    """
    check_settings(settings)
    elsewhere = executor is not None or settings.executor != "here"
    if elsewhere and dataset is not None and holds_source(dataset.pool_inputs):
        raise ValueError(
            "expected a pool on disk by the name of a function, --dataset module:function, which each process of an "
            "executor calls, got the pool itself"
        )
    check_no_writer(settings.output)
    records = checkpoints.read_records(settings.output)
    work = Work(settings, dataset)
    size = settings.run.seeds_at_once
    if size is None:
        held = {record["settings"]["seeds_at_once"] for record in records.values()}
        size = held.pop() if len(held) == 1 else group_size(settings, work.dataset)
    settings = work.settings = settings.with_values(seeds_at_once=size)
    record = provenance(settings, dataset)
    here = {name: of_strategy(record, name) for name in settings.run.strategies}
    check_folder(settings, record)
    checkpoints.check_records(records, {"": record, **here}, allow_changed_code=settings.allow_changed_code)
    cells = []
    for name in settings.run.strategies:
        for first in range(0, settings.run.num_seeds, size):
            path = checkpoints.checkpoint_path(settings.output, name, first)
            found = checkpoints.read_checkpoint(path) if path in records else None
            cells.append(Cell(here[name], list(range(first, first + size)), path, found))
    for name in dict.fromkeys(cell.strategy for cell in cells if cell.num_missing(settings)):
        work.trace(name)
    return partial(_run_cells, settings, cells, work, records, executor)


def _run_cells(
    settings: Settings, cells: list[Cell], work: Work, records: dict, executor: Submits | None
) -> list[Unit]:
    missing = [cell for cell in cells if cell.num_missing(settings)]
    with sole_writer(settings.output):
        if checkpoints.read_records(settings.output) != records:
            raise ValueError(f"expected {settings.output} as it was a moment ago, got new checkpoints: start again")
        write_settings(settings, provenance(settings, work.given))
        with _progress.progress(sum(cell.num_missing(settings) for cell in cells)) as show:
            if missing and (executor is not None or settings.executor != "here"):
                with opened(settings.executor if executor is None else executor, settings.output) as at_work:
                    run_remotely(at_work, settings, work.given, missing, show)
                cells = [cell._replace(found=checkpoints.read_checkpoint(cell.path)) for cell in cells]
            units: list[Unit] = []
            for strategy, of_strategy in groupby(cells, lambda cell: cell.strategy):
                units += [run_cell(settings, cell, work, show) for cell in of_strategy]
                # On a CPU a compiled round is about a thousand mappings of memory, of which Linux allows a process
                # 65,530; a grid of many strategies would end in a segmentation fault.
                work.programs.pop(strategy, None)
            return units
