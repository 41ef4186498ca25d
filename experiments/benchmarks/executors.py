"""A grid of four cells on digits in this process, beside the same grid in two processes.

``python -m experiments.benchmarks.executors`` needs two cores. Each repetition starts in an empty folder and includes
what a process needs to start, to trace, and to read its compiled programs, which a first run has compiled.
"""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import jax
import tyro

from bal.studies import Settings as GridSettings
from bal.studies import run_grid
from experiments.benchmarks._timing import interleaved, report


@dataclass(frozen=True)
class Settings:
    """The grid, and how often it is run."""

    num_seeds: int = 20
    """Seeds of each of two strategies, ten in a cell."""
    num_rounds: int = 15
    """Rounds of each cell."""
    repetitions: int = 3
    """Runs of each kind, in turn."""
    output: Path | None = None
    """JSON file to which the figures are added."""


def main(settings: Settings) -> None:
    grid = GridSettings().with_values(
        dataset="digits", num_seeds=settings.num_seeds, num_rounds=settings.num_rounds, seeds_at_once=10
    )
    with tempfile.TemporaryDirectory() as folder:
        jax.config.update("jax_compilation_cache_dir", f"{folder}/programs")
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)

        def run(executor: str) -> None:
            run_grid(grid.with_values(output=Path(tempfile.mkdtemp(dir=folder)), executor=executor))

        times = interleaved(
            {"here": lambda: run("here"), "processes": lambda: run("processes:2")}, settings.repetitions
        )
    print(f"{len(os.sched_getaffinity(0))} cores")
    report("executors", times, baseline="here", contender="processes", target=1.0, output=settings.output)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
