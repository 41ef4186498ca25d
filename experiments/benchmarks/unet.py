"""A U-Net's training step and its MC-dropout scores of images, beside the same network in PyTorch and beside baal.

    python -m experiments.benchmarks.unet --output results/bench.json

Images of 128 x 128 pixels with two classes, three levels of 16, 32 and 64 channels. A step takes 16 images; PyTorch's
is timed in its default layout and with channels last. Scores are the mean BALD of 20 draws over the pixels of 500
images, beside baal's ``predict_on_dataset`` and its BALD. The memory of the compiled scores is printed for two sizes of
the pool: it must not grow, apart from the pool itself.
"""

from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
import tyro
from baal.active.heuristics import BALD
from torch import nn

import bal
from experiments.benchmarks._peers import TorchUNet, baal_wrapper, tensors
from experiments.benchmarks._timing import interleaved, report

NUM_CLASSES, WIDTHS, SIDE = 2, (16, 32, 64), 128
NUM_STEPS, MINIBATCH = 5, 16
NUM_SAMPLES = 20


@dataclass(frozen=True)
class Settings:
    """A U-Net, timed beside PyTorch and baal."""

    output: Path | None = None
    """JSON file to which the figures are appended."""
    repetitions: int = 3
    """Interleaved repetitions."""
    num_images: int = 500
    """Images that are scored."""


def unet_posterior() -> bal.posteriors.Posterior:
    network = bal.networks.unet(num_outputs=NUM_CLASSES, widths=WIDTHS)
    likelihood = bal.likelihoods.dense(bal.likelihoods.categorical())
    return bal.posteriors.mc_dropout(
        network, likelihood, optax.adamw(1e-3), num_steps=NUM_STEPS, minibatch_size=MINIBATCH
    )


def time_steps(posterior: bal.posteriors.Posterior, settings: Settings) -> None:
    """Steps inside the compiled fit, beside those of PyTorch in both of its layouts."""
    rng_key = jax.random.key(0)
    images = jax.random.uniform(rng_key, (64, SIDE, SIDE, 1))
    labels = jax.random.randint(rng_key, images.shape[:3], 0, NUM_CLASSES)
    batch = bal.Batch(images, labels, jnp.ones(len(images)))
    state, fit = posterior.init(rng_key, batch), jax.jit(posterior.fit)

    def torch_steps(layout: torch.memory_format):
        network = TorchUNet(WIDTHS, NUM_CLASSES).to(memory_format=layout)
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
        inputs = torch.rand(MINIBATCH, 1, SIDE, SIDE).to(memory_format=layout)
        classes = torch.randint(0, NUM_CLASSES, (MINIBATCH, SIDE, SIDE))

        def steps():
            for _ in range(NUM_STEPS):
                optimizer.zero_grad()
                nn.functional.cross_entropy(network(inputs), classes).backward()
                optimizer.step()

        return steps

    times = interleaved(
        {
            "PyTorch": torch_steps(torch.contiguous_format),
            "PyTorch, channels last": torch_steps(torch.channels_last),
            "bal": lambda: jax.block_until_ready(fit(rng_key, state, batch)),
        },
        settings.repetitions,
    )
    times = {name: [seconds / NUM_STEPS for seconds in values] for name, values in times.items()}
    for peer in ("PyTorch", "PyTorch, channels last"):
        report("step of a U-Net", times, baseline=peer, contender="bal", target=1 / 1.1, output=settings.output)


def time_scores(posterior: bal.posteriors.Posterior, settings: Settings) -> None:
    """Scores of the whole pool, beside baal, and the memory that they take."""
    rng_key = jax.random.key(0)
    images = np.random.default_rng(0).uniform(size=(settings.num_images, SIDE, SIDE, 1)).astype(np.float32)
    labels = jnp.zeros((1, SIDE, SIDE), jnp.int32)
    state = posterior.init(rng_key, bal.Batch(jnp.asarray(images[:1]), labels, jnp.ones(1)))

    @jax.jit
    def score(rng_key, state, inputs):
        draws = posterior.sample(rng_key, state, NUM_SAMPLES)
        bald = bal.acquisition.bald
        return bal.stream(lambda chunk: bald(posterior.predict(state, draws, chunk)).mean(axis=(1, 2)), inputs)

    on_device = jnp.asarray(images)
    wrapper = baal_wrapper(TorchUNet(WIDTHS, NUM_CLASSES), caching=False, batch_size=10)
    dataset = tensors(images, np.zeros(len(images)))

    def baal_scores():
        with torch.no_grad():
            return BALD(reduction="mean").get_uncertainties(
                wrapper.predict_on_dataset(dataset, NUM_SAMPLES, verbose=False)
            )

    times = interleaved(
        {"baal": baal_scores, "bal": lambda: score(rng_key, state, on_device).block_until_ready()},
        settings.repetitions,
    )
    name = f"BALD of {settings.num_images} images under a U-Net"
    report(name, times, baseline="baal", contender="bal", target=5, output=settings.output)
    for count in (settings.num_images, 10 * settings.num_images):
        pool = jax.ShapeDtypeStruct((count, *images.shape[1:]), images.dtype)
        memory = score.lower(rng_key, state, pool).compile().memory_analysis()
        assert memory is not None
        print(f"{count} images: {memory.temp_size_in_bytes / 2**20:.0f} MiB beside the pool")


def main(settings: Settings) -> None:
    posterior = unet_posterior()
    time_steps(posterior, settings)
    time_scores(posterior, settings)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
