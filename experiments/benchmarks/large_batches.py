"""Batches of 1,000 from many points, beside PyTorch, scikit-learn and bmdal_reg on the same arrays.

``python -m experiments.benchmarks.large_batches`` needs torch, scikit-learn and bmdal_reg 3.0.2. Both sides start from
features in memory. Then each side runs once in a process of its own, which prints the most that it held above what it
held before. Where a rule is deterministic, the points that both sides choose are counted. Neither scikit-learn nor
faiss has k-center or LCMD.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

from bal.selection import badge, k_center, k_means_plus_plus, lcmd
from experiments.benchmarks.geometry import compare, torch_badge, torch_k_center

NUM_COLUMNS, NUM_CLASSES = 64, 10
# Times that bal is to be faster than a peer.
TARGETS = {"k_center": 1.5, "lcmd": 1.0, "badge": 1.0, "k_means_plus_plus": 1.0}
PEERS = {"k_center": ["torch"], "lcmd": ["torch", "bmdal_reg"], "badge": ["torch"], "k_means_plus_plus": ["sklearn"]}


def torch_lcmd(features: torch.Tensor, batch_size: int) -> np.ndarray:
    """Algorithm 4 of Holzmüller et al. 2023, each step over all points; the first one is a labelled point."""
    squares = features.square().sum(1)
    distances = (squares + squares[0] - 2 * features @ features[0]).clamp(min=0)
    centers, chosen = torch.zeros(len(features), dtype=torch.int64), []
    for number in range(batch_size):
        sizes = torch.zeros(number + 1).scatter_add_(0, centers, distances)
        chosen.append(int(torch.where(centers == sizes.argmax(), distances, -torch.inf).argmax()))
        own = (squares + squares[chosen[-1]] - 2 * features @ features[chosen[-1]]).clamp(min=0)
        closer = own < distances
        centers[closer] = number + 1
        distances = torch.where(closer, own, distances)
    return np.array(chosen)


def bmdal_lcmd(features: torch.Tensor, batch_size: int) -> np.ndarray:
    vars(np).setdefault("Inf", np.inf)  # bmdal_reg 3.0.2 was written for numpy 1
    from bmdal_reg.bmdal.algorithms import select_batch
    from bmdal_reg.bmdal.feature_data import TensorFeatureData

    indices, _ = select_batch(
        batch_size=batch_size,
        models=[torch.nn.Linear(features.shape[1], 1)],
        data={"pool": TensorFeatureData(features), "train": TensorFeatureData(features[:1])},
        y_train=None,
        base_kernel="linear",
        kernel_transforms=[],
        selection_method="lcmd",
        sel_with_train=True,
        verbosity=0,
        use_cuda_synchronize=False,
        allow_float64=False,
    )
    return indices.numpy()


def sides_of(rule: str, num_points: int, batch_size: int) -> dict[str, Callable[[], Any]]:
    """The rule by each library, as functions of nothing. The first point is labelled where a rule has centres."""
    generator = np.random.default_rng(0)
    features = generator.standard_normal((num_points, NUM_COLUMNS), np.float32)
    outputs = generator.standard_normal((num_points, NUM_CLASSES), np.float32) if rule == "badge" else None
    rng_key, available = jax.random.key(0), jnp.ones(num_points, bool)
    points, tensor = jnp.asarray(features), torch.from_numpy(features)
    if rule == "k_center":
        ours = lambda: k_center(rng_key, points, available, center_embeddings=points[:1], batch_size=batch_size)
        return {"bal": ours, "torch": lambda: torch_k_center(tensor, batch_size)}
    if rule == "lcmd":
        ours = lambda: lcmd(rng_key, points, available, center_features=points[:1], batch_size=batch_size)
        peers = {"torch": lambda: torch_lcmd(tensor, batch_size), "bmdal_reg": lambda: bmdal_lcmd(tensor, batch_size)}
        return {"bal": ours} | peers
    if rule == "badge":
        log_probs, probs = jax.nn.log_softmax(jnp.asarray(outputs)), torch.tensor(outputs).softmax(1)
        ours = lambda: badge(rng_key, log_probs, points, available, batch_size=batch_size)
        return {"bal": ours, "torch": lambda: torch_badge(probs, tensor, batch_size)}
    from sklearn.cluster import kmeans_plusplus

    theirs = lambda: kmeans_plusplus(features, batch_size, random_state=0, n_local_trials=1)[1]
    return {"bal": lambda: k_means_plus_plus(rng_key, points, available, batch_size=batch_size), "sklearn": theirs}


def peak_mebibytes(rule: str, side: str, num_points: int, batch_size: int) -> float:
    """What a first call, with its compilation, holds at most above what the process held before it; Linux only."""
    from experiments.benchmarks.disk_pool import anonymous_bytes, peak_of

    function = sides_of(rule, num_points, batch_size)[side]
    before = anonymous_bytes()
    with peak_of(anonymous_bytes) as peak:
        jax.block_until_ready(function())
    return (peak[0] - before) / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="JSON file to which the figures are added")
    parser.add_argument("--rules", nargs="+", choices=list(TARGETS), default=list(TARGETS), help="which of them")
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the 10^6 points of k-center and 10^5 of the others"
    )
    parser.add_argument("--batch-size", type=int, default=1_000)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--memory-of", help="only print the MiB that this side of the one rule takes")
    settings = parser.parse_args()
    for rule in settings.rules:
        num_points = int(settings.share * (1_000_000 if rule == "k_center" else 100_000))
        if settings.memory_of:
            print(f"{peak_mebibytes(rule, settings.memory_of, num_points, settings.batch_size):.0f}")
            continue
        sides = sides_of(rule, num_points, settings.batch_size)
        for peer in PEERS[rule]:
            named = f"{rule}, {settings.batch_size} of {num_points}", sides["bal"], sides[peer], peer
            compare(*named, TARGETS[rule], settings.output, settings.repetitions)
        for side in sides:
            command = [
                sys.executable,
                "-m",
                "experiments.benchmarks.large_batches",
                "--rules",
                rule,
                "--memory-of",
                side,
            ]
            command += ["--share", str(settings.share), "--batch-size", str(settings.batch_size)]
            held = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
            print(f"  {side} holds at most {held} MiB above its arguments", flush=True)


if __name__ == "__main__":
    main()
