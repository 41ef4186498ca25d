"""MC-dropout BALD over 10,000 Fashion-MNIST images with 100 samples of Gal's CNN, against baal with MCCachingModule.

    BAL_DATA_DIR=... python -m experiments.benchmarks.pool_scoring --output results/bench.json

Without BAL_DATA_DIR it says so and scores random images of the same shape: speed does not depend on what they show.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
import tyro
from baal.active.heuristics import BALD

import bal
from experiments.benchmarks._peers import baal_wrapper, tensors, torch_gal_cnn
from experiments.benchmarks._timing import interleaved, report

NUM_IMAGES, NUM_SAMPLES = 10_000, 100


@dataclass(frozen=True)
class Settings:
    """Scoring of a pool, timed beside baal."""

    output: Path | None = None
    """JSON file to which the figures are appended."""
    repetitions: int = 5
    """Interleaved repetitions."""


def pool_images() -> np.ndarray:
    data_dir = os.environ.get("BAL_DATA_DIR")
    if data_dir is None:
        print("BAL_DATA_DIR is not set: random images instead of Fashion-MNIST")
        return np.random.default_rng(0).uniform(size=(NUM_IMAGES, 28, 28, 1)).astype(np.float32)
    dataset = bal.datasets.load("fashion_mnist", data_dir=data_dir, download=False)
    return np.asarray(dataset.pool_inputs[:NUM_IMAGES])


def main(settings: Settings) -> None:
    images = pool_images()
    network = bal.networks.cnn(num_outputs=10, variant="gal")
    posterior = bal.posteriors.mc_dropout(
        network, bal.likelihoods.categorical(), optax.adamw(1e-3), num_steps=1, minibatch_size=8
    )
    rng_key = jax.random.key(0)
    state = posterior.init(rng_key, bal.Batch(jnp.asarray(images[:1]), jnp.zeros(1, jnp.int32), jnp.ones(1)))

    @jax.jit
    def score(rng_key, state, inputs):
        draws = posterior.sample(rng_key, state, NUM_SAMPLES)
        return bal.stream(lambda chunk: bal.acquisition.bald(posterior.predict(state, draws, chunk)), inputs)

    on_device = jnp.asarray(images)
    wrapper = baal_wrapper(torch_gal_cnn(), caching=True, batch_size=128)
    dataset = tensors(images, np.zeros(NUM_IMAGES))

    hidden, kernel = jnp.ones((1000, 3872)), jnp.ones((3872, 12800))
    heads = jax.jit(
        lambda state, hidden, draws: jax.lax.map(
            lambda key: network.readout(state.variables, network.head(state.variables, hidden, key)), draws
        )
    )
    draws = posterior.sample(rng_key, state, NUM_SAMPLES)
    plain = jax.jit(lambda a, b: a @ b)

    def baal_scores():
        with torch.no_grad():
            return BALD().get_uncertainties(wrapper.predict_on_dataset(dataset, NUM_SAMPLES, verbose=False))

    times = interleaved(
        {
            "baal": baal_scores,
            "bal": lambda: score(rng_key, state, on_device).block_until_ready(),
            "heads": lambda: heads(state, hidden, draws).block_until_ready(),
            "jnp.dot": lambda: plain(hidden, kernel).block_until_ready(),
        },
        settings.repetitions,
    )
    report("BALD over 10,000 images", times, baseline="baal", contender="bal", target=20, output=settings.output)
    # Both do 1,000 x 3,872 x 12,800 multiplications, so the ratio of times is that of arithmetic rates.
    report("heads' arithmetic rate", times, baseline="jnp.dot", contender="heads", target=0.6, output=settings.output)
    operations = 2 * 1000 * 3872 * 12800
    print(f"plain jnp.dot: {operations / median(times['jnp.dot']) / 1e9:.0f} GFLOP/s")


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
