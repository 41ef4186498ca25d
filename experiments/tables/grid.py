"""The cells of the benchmark, run by programs and kept one by one."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from itertools import groupby, product
from pathlib import Path
from threading import Event, Lock
from typing import NamedTuple

import jax
import numpy as np
import pandas as pd
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import bal
from bal.studies import Settings, main_metric, write_parquet
from experiments.tables.programs import Programs, Result, tidy

# With one point a batch these ask for what their rule of single points asks for.
OF_BATCHES = {"batch_bald": "bald", "batch_epig": "epig"}
SEEDS_AT_ONCE = 10
# Programs at once: each may have four versions, for two to five classes, and a process holds about fifty, see Programs.
MOST_AT_ONCE = 8
# Metrics that are kept, and their names.
NAMES = {"accuracy": "accuracy", "nll": "nll", "nll_calibrated": "nll_calibrated", "rmse": "log_rmse"}


class Cell(NamedTuple):
    """A group of seeds of one strategy on one table."""

    table: str
    posterior: str
    batch_size: int
    strategy: str
    first_seed: int

    def path(self, folder: Path) -> Path:
        """The file that holds it."""
        name = self.table.replace("/", "_")
        return folder / f"{self.posterior}_{self.batch_size}" / name / f"{self.strategy}_{self.first_seed}.parquet"

    @property
    def program(self) -> tuple[str, int, str]:
        """What decides its cost, whatever the table."""
        return self.posterior, self.batch_size, self.strategy


def cells_of(
    tables: Sequence[str],
    posteriors: Sequence[str],
    batch_sizes: Sequence[int],
    strategies: Sequence[str],
    num_seeds: int,
) -> list[Cell]:
    """All cells, those of one program after another, each with all tables and seeds, programs in a random order.

    So a program is compiled once and then dropped, and the first programs are as costly as others on average.
    """
    cells: list[Cell] = []
    programs = [
        each for each in product(posteriors, batch_sizes, strategies) if each[1] > 1 or each[2] not in OF_BATCHES
    ]
    for place in np.random.default_rng(0).permutation(len(programs)):
        posterior, batch_size, strategy = programs[place]
        for first in range(0, num_seeds, SEEDS_AT_ONCE):
            cells += [Cell(table, posterior, batch_size, strategy, first) for table in tables]
    return cells


def run_cells(
    cells: Sequence[Cell],
    folder: Path,
    settings_of: Callable[[Cell], Settings],
    load: Callable[[str, list[int]], bal.Dataset],
    *,
    seeds_at_once: int = SEEDS_AT_ONCE,
) -> None:
    """Run the cells that the folder lacks.

    One small program leaves half of two cores idle, so on a CPU each core runs a program of its own. Cells that are
    running when another fails, or at Ctrl-C, are finished.

    Args:
      cells: from :func:`cells_of`.
      folder: a file a cell.
      settings_of: model and run of a cell.
      load: the data set of a table's name and seeds, leaves [seeds, ...].
      seeds_at_once: runs in one program.

    Raises:
      FloatingPointError: a score or a metric is not a number; names the cell.
    """
    missing = [cell for cell in cells if not cell.path(folder).exists()]
    at_once = min(_num_cores(), MOST_AT_ONCE) if jax.default_backend() == "cpu" else 1
    loaded: dict[tuple[str, int], bal.Dataset] = {}  # every program needs all tables: 300 MB with fifty seeds
    one_loads, stopped = Lock(), Event()

    def run_program(of_program: list[Cell], show: Callable[[Cell, Result], None]) -> None:
        programs = Programs()  # dropped when the cells are done
        for cell in of_program:
            if stopped.is_set():
                return
            seeds = list(range(cell.first_seed, cell.first_seed + seeds_at_once))
            key = cell.table, cell.first_seed
            with one_loads:
                if key not in loaded:
                    loaded[key] = load(cell.table, seeds)
            try:
                result = programs.run(settings_of(cell), cell.strategy, loaded[key], seeds)
            except FloatingPointError as error:
                where = f"{cell.table}, {cell.posterior}, batches of {cell.batch_size}"
                raise FloatingPointError(f"{where}: {error}") from error
            kept = result._replace(metrics=_kept(result.metrics))
            path = cell.path(folder)
            path.parent.mkdir(parents=True, exist_ok=True)
            names = {"dataset": cell.table, "posterior": cell.posterior, "batch_size": cell.batch_size}
            write_parquet(tidy(kept, seeds, **names, strategy=cell.strategy), path)
            show(cell, result)

    with _shown(missing, at_once) as show, ThreadPoolExecutor(at_once) as threads:
        parts = [list(part) for _, part in groupby(missing, lambda cell: cell.program)]
        try:
            for each in as_completed([threads.submit(run_program, part, show) for part in parts]):
                each.result()
        finally:
            stopped.set()
            threads.shutdown(cancel_futures=True)


def read_cells(cells: Sequence[Cell], folder: Path, num_seeds: int) -> pd.DataFrame:
    """The metrics of finished cells as one table, without seeds that only fill up the last group."""
    frame = pd.concat([pd.read_parquet(cell.path(folder)) for cell in cells], ignore_index=True)
    return frame[frame["seed"] < num_seeds].reset_index(drop=True)


def remaining(left: Collection[Cell], seconds: Mapping[tuple, Sequence[float]], compile_seconds: float) -> float:
    """Seconds of one core that the cells that are left will take, from those that are done.

    A cell takes the mean of its strategy, posterior and batch size, or of all where these have none; compilation for
    those that have not begun, the mean of those that have.

    Example:
      >>> done = Cell("t", "laplace", 1, "bald", 0)
      >>> remaining([done, done._replace(strategy="margin")], {done.program: [2.0, 4.0]}, 10.0)
      16.0
    """
    every = [value for values in seconds.values() for value in values]
    running = sum(np.mean(seconds.get(cell.program, every)) for cell in left)
    new = {cell.program for cell in left if cell.program not in seconds}
    return float(running + len(new) * compile_seconds / len(seconds))


def _kept(metrics: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Accuracy or the logarithm of the RMSE, whose differences are shares of the error, and log losses."""
    kept = {NAMES[name]: values for name, values in metrics.items() if name in NAMES}
    return {name: np.log(values) if name == "log_rmse" else values for name, values in kept.items()}


def _num_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _shown(missing: Sequence[Cell], at_once: int) -> Iterator[Callable[[Cell, Result], None]]:
    """A bar of the cells, with the time that is left; not shown if there are none."""
    left = dict.fromkeys(missing)
    seconds: dict[tuple, list[float]] = {}
    compile_seconds = 0.0
    columns = (BarColumn(bar_width=20), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, disable=not missing) as bar:
        task, one_at_a_time = bar.add_task("starting", total=len(missing)), Lock()

        def show(cell: Cell, result: Result) -> None:
            nonlocal compile_seconds
            with one_at_a_time:
                seconds.setdefault(cell.program, []).append(result.seconds)
                compile_seconds += result.compile_seconds
                del left[cell]
                running = min(at_once, len({each.program for each in left}) or 1)
                minutes = remaining(left, seconds, compile_seconds) / running / 60
                name = main_metric(result.metrics)
                mean = f"{name} {result.metrics[name].mean():.3f}"
                told = f"{minutes:.0f} minutes left; {cell.table}, {cell.posterior}, {cell.strategy}: {mean}"
                bar.update(task, description=told, advance=1)

        yield show
