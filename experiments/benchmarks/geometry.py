"""Geometric batch rules against bmdal_reg and plain PyTorch, on the same arrays in one process.

``python -m experiments.benchmarks.geometry --output geometry.json`` needs torch and bmdal_reg 3.0.2. Both sides start
from the inputs of a network with 512 hidden units, so the time of the features is included; the plain PyTorch versions
start from the embeddings. Where a rule is deterministic, the share of points that both sides choose is printed.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import torch

from bal.selection import badge, bait, condition, k_center, lcmd, max_det
from experiments.benchmarks._timing import interleaved, report

RULES = ["lcmd", "max_det", "bait", "k_center", "badge"]
WIDTH = 512
NOISE = 0.1  # variance of an observation


def network(num_inputs: int, seed: int = 0) -> torch.nn.Sequential:
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(num_inputs, WIDTH),
        torch.nn.ReLU(),
        torch.nn.Linear(WIDTH, WIDTH),
        torch.nn.ReLU(),
        torch.nn.Linear(WIDTH, 1),
    )


def last_layer_features(params: list[jax.Array], inputs: jax.Array) -> jax.Array:
    """The gradient by the last layer's weights and bias, which is what bmdal_reg calls the kernel "ll"."""
    first, first_bias, second, second_bias = params
    hidden = jax.nn.relu(inputs @ first.T + first_bias[None])
    hidden = jax.nn.relu(hidden @ second.T + second_bias[None])
    return jnp.concatenate([hidden, jnp.ones_like(hidden[:, :1])], axis=1)


def against_bmdal(rules: list[str], num_points: int, batch_size: int, output: Path | None) -> None:
    vars(np).setdefault("Inf", np.inf)  # bmdal_reg 3.0.2 was written for numpy 1
    from bmdal_reg.bmdal.algorithms import select_batch
    from bmdal_reg.bmdal.feature_data import TensorFeatureData

    model = network(32)
    params = [jnp.asarray(leaf.detach().numpy()) for leaf in list(model.parameters())[:4]]
    generator = np.random.default_rng(0)
    pool, train = (generator.normal(size=(size, 32)).astype(np.float32) for size in (num_points, 256))
    data = {"pool": TensorFeatureData(torch.tensor(pool)), "train": TensorFeatureData(torch.tensor(train))}
    pool_inputs, train_inputs, available = jnp.asarray(pool), jnp.asarray(train), jnp.ones(num_points, bool)
    rng_key = jax.random.key(0)
    posterior = [("train", [NOISE**0.5, 1.0])]  # a factor of 1, or it would rescale the kernel
    sigma = NOISE**0.5

    def peer(method: str, transforms: list, **settings) -> Callable[[], np.ndarray]:
        def select() -> np.ndarray:
            indices, _ = select_batch(
                batch_size=batch_size,
                models=[model],
                data=data,
                y_train=None,
                base_kernel="ll",
                kernel_transforms=transforms,
                selection_method=method,
                verbosity=0,
                use_cuda_synchronize=False,
                allow_float64=False,
                **settings,
            )
            return indices.numpy()

        return select

    @jax.jit
    def both_features(pool_inputs, train_inputs):
        return last_layer_features(params, pool_inputs), last_layer_features(params, train_inputs)

    def ours_lcmd():
        pool, train = both_features(pool_inputs, train_inputs)
        return lcmd(rng_key, pool, available, batch_size=batch_size, center_features=train)

    def ours_max_det():
        features = condition(*both_features(pool_inputs, train_inputs), noise=NOISE)
        return max_det(rng_key, features, available, batch_size=batch_size, noise=NOISE)

    def ours_bait():
        pool, train = both_features(pool_inputs, train_inputs)
        scale = NOISE**-0.5
        return bait(rng_key, scale * pool, available, batch_size=batch_size, labelled_features=scale * train)

    for name, ours, theirs, target in (
        ("lcmd", ours_lcmd, peer("lcmd", [], sel_with_train=True), 1.5),
        ("max_det", ours_max_det, peer("maxdet", posterior, sel_with_train=False, maxdet_sigma=sigma), 1.5),
        (
            "bait",
            ours_bait,
            peer("bait", posterior, sel_with_train=False, bait_sigma=sigma, overselection_factor=2.0),
            1.0,
        ),
    ):
        if name in rules:
            compare(name, ours, theirs, "bmdal_reg", target, output)


def torch_k_center(embeddings: torch.Tensor, batch_size: int) -> np.ndarray:
    squares, chosen = embeddings.square().sum(1), [0]
    nearest = torch.full((len(embeddings),), torch.inf)
    for _ in range(batch_size):
        distances = squares + squares[chosen[-1]] - 2 * embeddings @ embeddings[chosen[-1]]
        nearest = torch.minimum(nearest, distances)
        nearest[chosen[-1]] = -torch.inf
        chosen.append(int(nearest.argmax()))
    return np.array(chosen[1:])


def torch_badge(probs: torch.Tensor, embeddings: torch.Tensor, batch_size: int) -> np.ndarray:
    residuals = probs - torch.nn.functional.one_hot(probs.argmax(1), probs.shape[1])
    squares = residuals.square().sum(1) * embeddings.square().sum(1)
    chosen, nearest = [int(squares.argmax())], torch.full((len(probs),), torch.inf)
    while len(chosen) < batch_size:
        last = chosen[-1]
        inner = (residuals @ residuals[last]) * (embeddings @ embeddings[last])
        nearest = torch.minimum(nearest, (squares + squares[last] - 2 * inner).clamp(min=0))
        nearest[last] = 0
        chosen.append(int(torch.multinomial(nearest, 1)))
    return np.array(chosen)


def against_torch(rules: list[str], num_points: int, batch_size: int, output: Path | None) -> None:
    generator = np.random.default_rng(0)
    embeddings = generator.normal(size=(num_points, 128)).astype(np.float32)
    outputs = generator.normal(size=(num_points, 10)).astype(np.float32)
    torch_embeddings, torch_probs = torch.tensor(embeddings), torch.tensor(outputs).softmax(1)
    ours_embeddings, log_probs = jnp.asarray(embeddings), jax.nn.log_softmax(jnp.asarray(outputs))
    available, rng_key = jnp.ones(num_points, bool), jax.random.key(0)

    def ours_k_center():
        first = ours_embeddings[:1]
        return k_center(rng_key, ours_embeddings, available, batch_size=batch_size, center_embeddings=first)

    def ours_badge():
        return badge(rng_key, log_probs, ours_embeddings, available, batch_size=batch_size)

    for name, ours, theirs in (
        ("k_center", ours_k_center, lambda: torch_k_center(torch_embeddings, batch_size)),
        # The draws differ, so the batches agree in their first point only.
        ("badge", ours_badge, lambda: torch_badge(torch_probs, torch_embeddings, batch_size)),
    ):
        if name in rules:
            compare(name, ours, theirs, "torch", 1.5, output)


def compare(
    name: str, ours: Callable, theirs: Callable, peer: str, target: float, output: Path | None, repetitions: int = 5
) -> None:
    times = interleaved({"bal": lambda: jax.block_until_ready(ours()), peer: theirs}, repetitions)
    report(name, times, baseline=peer, contender="bal", target=target, output=output)
    mine, other = np.asarray(ours().indices).tolist(), theirs().tolist()
    agreeing = next((i for i, (a, b) in enumerate(zip(mine, other, strict=False)) if a != b), len(mine))
    print(f"  {len(set(mine) & set(other))} of {len(mine)} points in common, the first {agreeing} in the same order")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="JSON file to which the figures are added")
    parser.add_argument("--rules", nargs="+", choices=RULES, default=RULES, help="which of them to time")
    settings = parser.parse_args()
    against_bmdal(settings.rules, 10_000, 256, settings.output)
    against_torch(settings.rules, 50_000, 100, settings.output)


if __name__ == "__main__":
    main()
