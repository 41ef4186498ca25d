"""A whole active-learning run on digits, against baal: 30 rounds of 5 from 20, 400 AdamW steps of 32 a round.

python -m experiments.benchmarks.digits_run --output results/bench.json
"""

from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import optax
import torch
import tyro
from baal.active.heuristics import BALD
from torch.utils.data import Subset

import bal
from experiments.benchmarks._peers import baal_wrapper, tensors, torch_mlp
from experiments.benchmarks._timing import interleaved, report

NUM_ROUNDS, NUM_STEPS, NUM_SAMPLES, NUM_SEEDS = 30, 400, 32, 10


@dataclass(frozen=True)
class Settings:
    """A whole run, timed beside baal."""

    output: Path | None = None
    """JSON file to which the figures are appended."""
    repetitions: int = 5
    """Interleaved repetitions."""


def baal_run(dataset: bal.Dataset) -> float:
    """The run as baal's pieces make it; returns the last accuracy."""
    assert dataset.pool_labels is not None
    assert dataset.test_inputs is not None
    assert dataset.test_labels is not None
    pool = tensors(dataset.pool_inputs, dataset.pool_labels)
    test = tensors(dataset.test_inputs, dataset.test_labels)
    labelled = list(np.random.default_rng(0).permutation(len(pool))[:20])
    accuracy = 0.0
    for _ in range(NUM_ROUNDS):
        network = torch_mlp(64, (128, 128), 10, 0.5)
        epochs = round(NUM_STEPS / -(-len(labelled) // 32))
        optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
        wrapper = baal_wrapper(network, caching=False, optimizer=optimizer, batch_size=32, epoch=epochs)
        wrapper.train_on_dataset(Subset(pool, labelled))
        # Larger batches than in training, for prediction is faster with them.
        wrapper.args.batch_size = 256
        probs = torch.softmax(torch.from_numpy(wrapper.predict_on_dataset(test, NUM_SAMPLES, verbose=False)), 1)
        accuracy = float((probs.mean(-1).argmax(1) == test.tensors[1]).float().mean())
        rest = np.setdiff1d(np.arange(len(pool)), labelled)
        ranks = BALD()(wrapper.predict_on_dataset(Subset(pool, rest), NUM_SAMPLES, verbose=False))
        labelled += list(rest[ranks[:5]])
    return accuracy


def num_compiled(program) -> int:
    return program._cache_size()


def main(settings: Settings) -> None:
    dataset = bal.datasets.load("digits")
    network = bal.networks.mlp(num_outputs=10, hidden_sizes=(128, 128), dropout_rate=0.5)
    posterior = bal.posteriors.mc_dropout(
        network, bal.likelihoods.categorical(), optax.adamw(2e-3), num_steps=NUM_STEPS, minibatch_size=32
    )
    learner = bal.build(
        posterior,
        bal.strategies.bald(batch_size=5),
        num_samples=NUM_SAMPLES,
        num_initial=20,
        num_rounds=NUM_ROUNDS,
    )
    on_device = jax.device_put(dataset)
    one = jax.jit(lambda rng_key, data: bal.run(rng_key, learner, data))
    many = jax.jit(jax.vmap(lambda rng_key, data: bal.run(rng_key, learner, data), in_axes=(0, None)))
    keys = iter(jax.random.split(jax.random.key(0), 1000))

    def run_many():
        return jax.block_until_ready(many(jax.random.split(next(keys), NUM_SEEDS), on_device))

    times = interleaved(
        {
            "baal": lambda: baal_run(dataset),
            "bal, one seed": lambda: jax.block_until_ready(one(next(keys), on_device)),
            "bal, ten seeds": run_many,
        },
        settings.repetitions,
    )
    times["bal, a run of ten"] = [seconds / NUM_SEEDS for seconds in times.pop("bal, ten seeds")]
    for contender, target in (("bal, one seed", 6), ("bal, a run of ten", 8)):
        report("digits run", times, baseline="baal", contender=contender, target=target, output=settings.output)
    print(f"compilations: one seed {num_compiled(one)}, ten seeds {num_compiled(many)}")


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
