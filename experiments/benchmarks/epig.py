"""EPIG of a pool against the same formula in PyTorch: one matrix product for a chunk of points and all targets.

python -m experiments.benchmarks.epig --output results/bench.json
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import torch
import tyro

from bal.acquisition import epig
from experiments.benchmarks._timing import interleaved, report

TARGET_RATIO = 6.0


@dataclass(frozen=True)
class Settings:
    """EPIG, timed beside PyTorch."""

    output: Path | None = None
    """JSON file to which the figures are appended."""
    repetitions: int = 5
    """Interleaved repetitions."""
    num_points: int = 10_000
    """Pool points."""
    num_targets: int = 1_000
    """Target points."""
    num_samples: int = 100
    """Posterior samples."""
    num_classes: int = 10
    """Classes."""


def torch_epig(probs: torch.Tensor, target_probs: torch.Tensor, chunk_size: int) -> torch.Tensor:
    """H[y] + H[y*] - H[y, y*] averaged over the targets, from [N, S, C] and [M, S, C]."""
    num_targets, num_draws, num_classes = target_probs.shape
    columns = target_probs.permute(1, 0, 2).reshape(num_draws, -1)
    target_mean = target_probs.mean(dim=1)
    target_entropy = -torch.xlogy(target_mean, target_mean).sum(dim=-1)
    scores = []
    for chunk in probs.split(chunk_size):
        mean = chunk.mean(dim=1)
        joint = (chunk.transpose(1, 2) @ columns / num_draws).reshape(len(chunk), num_classes, num_targets, num_classes)
        joint_entropy = -torch.xlogy(joint, joint).sum(dim=(1, 3))
        entropy = -torch.xlogy(mean, mean).sum(dim=-1)
        scores.append((entropy[:, None] + target_entropy[None] - joint_entropy).mean(dim=1))
    return torch.cat(scores)


def main(settings: Settings) -> None:
    key_points, key_targets = jax.random.split(jax.random.key(0))
    shape = (settings.num_samples, settings.num_points, settings.num_classes)
    log_probs = jax.nn.log_softmax(2 * jax.random.normal(key_points, shape))
    shape = (settings.num_samples, settings.num_targets, settings.num_classes)
    target_log_probs = jax.nn.log_softmax(2 * jax.random.normal(key_targets, shape))
    arrays = [np.asarray(jnp.exp(part)).swapaxes(0, 1).copy() for part in (log_probs, target_log_probs)]
    probs, target_probs = map(torch.from_numpy, arrays)

    compiled = jax.jit(epig)
    expected = torch_epig(probs[:50], target_probs, 50).numpy()
    np.testing.assert_allclose(compiled(log_probs[:, :50], target_log_probs), expected, atol=1e-5)
    functions: dict[str, Callable[[], object]] = {
        f"torch, chunks of {size}": functools.partial(torch_epig, probs, target_probs, size) for size in (20, 100)
    }
    functions["bal"] = lambda: compiled(log_probs, target_log_probs).block_until_ready()
    times = interleaved(functions, settings.repetitions)
    fastest = min(list(functions)[:-1], key=lambda name: sorted(times[name])[settings.repetitions // 2])
    report("epig", times, baseline=fastest, contender="bal", target=TARGET_RATIO, output=settings.output)


if __name__ == "__main__":
    main(tyro.cli(Settings))
