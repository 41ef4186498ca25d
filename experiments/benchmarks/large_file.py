"""BALD and top-k over files of 10^5, 10^6 and 10^7 points of 64 numbers, under an MLP with ten members.

python -m experiments.benchmarks.large_file [--folder FOLDER] [--sizes 100000 1000000 10000000]

Prints how far the seconds of ``learner.ask`` are from a straight line in the size, what the process holds in anonymous
memory above what it held before, and the speed beside a bare loop of jitted matrix products over the same file. The
file of 10^7 points has 2.4 GiB and is deleted at the end. Linux only.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import jax
import jax.numpy as jnp
import numpy as np
import tyro

import bal
from experiments.benchmarks.disk_pool import anonymous_bytes, first_state, mlp_learner, peak_of, rows_on_disk

NUM_COLUMNS, NUM_MEMBERS, WIDTH, NUM_CLASSES = 64, 10, 64, 10
BLOCK = 16_384  # rows of the bare loop at a time


@dataclass(frozen=True)
class Settings:
    """Scoring of a large file."""

    sizes: tuple[int, ...] = (100_000, 1_000_000, 10_000_000)
    """Points, in rising order."""
    folder: Path | None = None
    """Where the file is written; a temporary folder by default."""
    repetitions: int = 3
    """Of each size, after one that is not counted."""


def bare_loop(rows: np.ndarray) -> Callable[[], np.ndarray]:
    """The matrix products of the network alone, one block after the other, and one number a point."""
    rng = np.random.default_rng(0)
    first = rng.standard_normal((NUM_COLUMNS, NUM_MEMBERS * WIDTH), np.float32) / 8
    second = rng.standard_normal((NUM_MEMBERS, WIDTH, NUM_CLASSES), np.float32) / 8

    @jax.jit
    def products(block: jax.Array) -> jax.Array:
        hidden = jax.nn.relu(block @ first).reshape(-1, NUM_MEMBERS, WIDTH)
        return jnp.einsum("nmh,mhc->mnc", hidden, second).max(axis=(0, 2))

    def run() -> np.ndarray:
        return np.concatenate([products(rows[start : start + BLOCK]) for start in range(0, len(rows), BLOCK)])

    return run


def seconds(function: Callable[[], object], repetitions: int) -> float:
    """Median seconds of a call, after one that is not counted."""
    times = []
    for _ in range(repetitions + 1):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return median(times[1:])


def main(settings: Settings) -> None:
    rng_key, learner, took = jax.random.key(0), mlp_learner(), {}
    with tempfile.TemporaryDirectory(dir=settings.folder) as folder:
        rows = rows_on_disk(Path(folder), (settings.sizes[-1], NUM_COLUMNS))
        before = anonymous_bytes()
        for size in settings.sizes:
            part = rows[:size]
            dataset = bal.Dataset(bal.Source(part), None, np.array(rows[:8]), np.zeros(8, np.int32))
            state = first_state(rng_key, learner, dataset)

            def ask(state=state, dataset=dataset):
                return jax.block_until_ready(learner.ask(rng_key, state, dataset))

            with peak_of(anonymous_bytes) as peak:
                took[size] = seconds(ask, settings.repetitions)
            bare = seconds(bare_loop(part), settings.repetitions)
            print(
                f"{size} points: {took[size]:.2f} s, {1e6 * took[size] / size:.3f} us a point; anonymous memory at most"
                f" {(peak[0] - before) / 2**20:.0f} MiB above the start (target 1024); {100 * bare / took[size]:.0f} % "
                "of the speed of a bare loop of matrix products (target 40)",
                flush=True,
            )
    sizes, times = np.array(list(took)), np.array(list(took.values()))
    line = np.polynomial.Polynomial.fit(sizes, times, 1, w=1 / times)(sizes)
    print(f"at most {100 * np.abs(times / line - 1).max():.0f} % off a straight line (target 15)")


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
