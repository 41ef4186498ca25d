"""BatchBALD against batchbald_redux in double precision, and the same for a pool 25 times as large.

python -m experiments.benchmarks.batch_bald --output results/bench.json
"""

import resource
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import jax
import jax.numpy as jnp
import numpy as np
import torch
import tyro
from batchbald_redux.batchbald import get_batchbald_batch

from bal.selection import batch_bald
from experiments.benchmarks._timing import interleaved, report

TARGET_RATIO = 100.0
LARGE_POOL = 50_000
TARGET_GROWTH = 20.0


@dataclass(frozen=True)
class Settings:
    """BatchBALD, timed beside batchbald_redux."""

    output: Path | None = None
    """JSON file to which the figures are appended."""
    repetitions: int = 5
    """Interleaved repetitions; one takes the peer about two minutes."""
    num_points: int = 2_000
    """Pool points."""
    batch_size: int = 10
    """Points to choose."""
    num_configurations: int = 10_000
    """Joint labels that a gain is averaged over."""


def predictions(rng_key, num_points: int, num_samples: int = 100, num_classes: int = 10, num_features: int = 20):
    """Log-probabilities [S, N, C] of a Bayesian logistic regression: its draws agree on some points only."""
    key_points, key_mean, key_draws = jax.random.split(rng_key, 3)
    points = jax.random.normal(key_points, (num_points, num_features))
    mean = 0.7 * jax.random.normal(key_mean, (num_features, num_classes))
    draws = mean[None] + 0.4 * jax.random.normal(key_draws, (num_samples, num_features, num_classes))
    return jax.nn.log_softmax(jnp.einsum("nd,sdc->snc", points, draws))


def select(log_probs, batch_size: int, num_configurations: int):
    available = jnp.ones(log_probs.shape[1], bool)
    selection = batch_bald(
        jax.random.key(1), log_probs, available, batch_size=batch_size, num_configurations=num_configurations
    )
    return jax.block_until_ready(selection)


def main(settings: Settings) -> None:
    sizes = {"batch_size": settings.batch_size, "num_configurations": settings.num_configurations}

    log_probs = predictions(jax.random.key(0), settings.num_points)
    large = predictions(jax.random.key(0), LARGE_POOL)
    large_times = interleaved(
        {"small": lambda: select(log_probs, **sizes), "large": lambda: select(large, **sizes)}, settings.repetitions
    )
    growth = median(large_times["large"]) / median(large_times["small"])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{LARGE_POOL} points take {growth:.1f} times as long (target: below {TARGET_GROWTH:g})")
    print(f"largest memory of this process, before the peer ran: {memory:.2f} GB")

    peer_log_probs = torch.from_numpy(np.asarray(log_probs, np.float64).swapaxes(0, 1).copy())
    torch.manual_seed(0)
    peers = []

    def peer():
        peers.append(
            get_batchbald_batch(peer_log_probs, settings.batch_size, settings.num_configurations, dtype=torch.double)
        )

    times = interleaved({"batchbald_redux": peer, "bal": lambda: select(log_probs, **sizes)}, settings.repetitions)
    report(
        "batch_bald", times, baseline="batchbald_redux", contender="bal", target=TARGET_RATIO, output=settings.output
    )

    ours = select(log_probs, **sizes)
    print("bal picks            ", ours.indices.tolist())
    print("batchbald_redux picks", peers[0].indices)
    # The peer reports the information of the batch so far, with the sampling error of its joint entropy in it.
    difference = np.abs(np.cumsum(ours.scores) / np.asarray(peers[0].scores) - 1)
    print(f"same first four points: {ours.indices[:4].tolist() == peers[0].indices[:4]}")
    print(f"largest relative difference of the information of the first b points: {difference.max():.4f}")


if __name__ == "__main__":
    main(tyro.cli(Settings))
