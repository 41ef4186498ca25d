"""A round of BALD on a pool on disk beside the same pool in memory, and the memory that a large file takes.

    python -m experiments.benchmarks.disk_pool
    python -m experiments.benchmarks.disk_pool --memory [--num-columns 64]

The first prints how fast ``learner.ask`` is on a memmap of the pool, as a share of its speed in memory, for an MLP with
ten members (2,000,000 points of 64 numbers, 0.5 GB) and for Gal's CNN with 100 samples (50,000 images). The second
prints the anonymous memory of a round on a sparse file of 3 GiB beside that of its first 10,000 rows: mapped pages of a
file, which the system may drop at any time, do not count. Linux only.
"""

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro

import bal
from experiments.benchmarks._timing import interleaved, report

NUM_LABELLED = 20


@dataclass(frozen=True)
class Settings:
    """Scoring of a pool on disk."""

    memory: bool = False
    """Measure memory instead of time."""
    output: Path | None = None
    """JSON file to which the figures are appended."""
    repetitions: int = 5
    """Interleaved repetitions."""
    share: float = 1.0
    """Of the sizes above."""
    num_columns: int = 784
    """Numbers in a row of the file whose memory is measured; with fewer it has more points, which the rule sorts."""


def mlp_learner() -> bal.ActiveLearner:
    network = bal.networks.mlp(num_outputs=10, hidden_sizes=(64,))
    posterior = bal.posteriors.deep_ensemble(
        network, bal.likelihoods.categorical(), optax.adamw(1e-3), num_members=10, num_steps=1, minibatch_size=8
    )
    return _learner(posterior)


def cnn_learner() -> bal.ActiveLearner:
    network = bal.networks.cnn(num_outputs=10, variant="gal")
    posterior = bal.posteriors.mc_dropout(
        network, bal.likelihoods.categorical(), optax.adamw(1e-3), num_steps=1, minibatch_size=8
    )
    return _learner(posterior, num_samples=100)


def _learner(posterior: bal.posteriors.Posterior, num_samples: int | None = None) -> bal.ActiveLearner:
    strategy = bal.strategies.bald(batch_size=10)
    return bal.build(posterior, strategy, num_initial=NUM_LABELLED, num_rounds=2, num_samples=num_samples)


def rows_on_disk(folder: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A file of random rows, mapped into memory."""
    path, rng = folder / "rows", np.random.default_rng(0)
    with path.open("wb") as file:
        for start in range(0, shape[0], 10_000):
            count = min(10_000, shape[0] - start)
            rng.standard_normal((count, *shape[1:]), dtype=np.float32).tofile(file)
    return np.memmap(path, np.float32, "r", shape=shape)


def first_state(rng_key: jax.Array, learner: bal.ActiveLearner, dataset: bal.Dataset) -> bal.LoopState:
    return learner.init(rng_key, dataset, (jnp.arange(NUM_LABELLED), jnp.arange(NUM_LABELLED) % 10))


def time_rounds(name: str, learner: bal.ActiveLearner, shape: tuple[int, ...], settings: Settings) -> None:
    rng_key = jax.random.key(0)
    with tempfile.TemporaryDirectory() as folder:
        rows = rows_on_disk(Path(folder), shape)
        test_labels = np.zeros(8, np.int32)
        on_disk = bal.Dataset(bal.Source(rows), None, np.array(rows[:8]), test_labels)
        in_memory = on_disk._replace(pool_inputs=jnp.asarray(rows))
        state = first_state(rng_key, learner, on_disk)
        compiled = jax.jit(learner.ask)
        rounds: dict[str, Callable[[], object]] = {
            "memory": lambda: jax.block_until_ready(compiled(rng_key, state, in_memory)),
            "disk": lambda: jax.block_until_ready(learner.ask(rng_key, state, on_disk)),
        }
        times = interleaved(rounds, settings.repetitions)
        report(name, times, baseline="memory", contender="disk", target=0.9, output=settings.output)
        selections = compiled(rng_key, state, in_memory)[1].selection, learner.ask(rng_key, state, on_disk)[1].selection
        same = all(np.array_equal(a, b) for a, b in zip(selections[0][:2], selections[1][:2], strict=True))
        print(f"{name}: picks and scores are {'the same to the bit' if same else 'different'}")


def anonymous_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise OSError("expected a Linux kernel that reports RssAnon, got another")


@contextmanager
def peak_of(memory: Callable[[], int]) -> Iterator[list[int]]:
    """The largest value while the block runs, looked at every few milliseconds."""
    peak, done = [memory()], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def measure_memory(share: float, num_columns: int) -> None:
    rng_key, peaks = jax.random.key(0), {}
    learner, size = mlp_learner(), int(share * 3 * 2**30 / (4 * num_columns))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows"
        with path.open("wb") as file:
            file.truncate(size * num_columns * 4)  # sparse: zeros that take no room on the disk
        for count in (10_000, size):
            rows = np.memmap(path, np.float32, "r", shape=(count, num_columns))
            dataset = bal.Dataset(bal.Source(rows), None, np.zeros((8, num_columns), np.float32), np.zeros(8, np.int32))
            state = first_state(rng_key, learner, dataset)
            with peak_of(anonymous_bytes) as peak:
                for _ in range(2):
                    jax.block_until_ready(learner.ask(rng_key, state, dataset))
            peaks[count] = peak[0] / 2**20
            print(f"{count} rows ({rows.nbytes / 2**20:.0f} MiB): anonymous memory at most {peaks[count]:.0f} MiB")
    print(f"difference {peaks[size] - peaks[10_000]:.0f} MiB, target at most 500")


def main(settings: Settings) -> None:
    if settings.memory:
        measure_memory(settings.share, settings.num_columns)
        return
    time_rounds("MLP, 10 members", mlp_learner(), (int(settings.share * 2_000_000), 64), settings)
    time_rounds("CNN, 100 samples", cnn_learner(), (int(settings.share * 50_000), 28, 28, 1), settings)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
