"""Training steps of Gal's CNN, minibatch 128, inside the compiled fit, against the PyTorch step.

python -m experiments.benchmarks.training_step --output results/bench.json
"""

from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import optax
import torch
import tyro
from torch import nn

import bal
from experiments.benchmarks._peers import torch_gal_cnn
from experiments.benchmarks._timing import interleaved, report

NUM_STEPS, MINIBATCH = 20, 128


@dataclass(frozen=True)
class Settings:
    """Training steps, timed beside PyTorch."""

    output: Path | None = None
    """JSON file to which the figures are appended."""
    repetitions: int = 5
    """Interleaved repetitions."""


def main(settings: Settings) -> None:
    network = bal.networks.cnn(num_outputs=10, variant="gal")
    posterior = bal.posteriors.mc_dropout(
        network, bal.likelihoods.categorical(), optax.adamw(1e-3), num_steps=NUM_STEPS, minibatch_size=MINIBATCH
    )
    rng_key = jax.random.key(0)
    inputs = jax.random.uniform(rng_key, (1000, 28, 28, 1))
    labels = jax.random.randint(rng_key, (1000,), 0, 10)
    batch = bal.Batch(inputs, labels, jnp.ones(1000))
    state = posterior.init(rng_key, batch)
    fit = jax.jit(posterior.fit)

    torch_network = torch_gal_cnn()
    optimizer = torch.optim.AdamW(torch_network.parameters(), lr=1e-3)
    images, classes = torch.rand(MINIBATCH, 1, 28, 28), torch.randint(0, 10, (MINIBATCH,))

    def torch_steps():
        for _ in range(NUM_STEPS):
            optimizer.zero_grad()
            nn.functional.cross_entropy(torch_network(images), classes).backward()
            optimizer.step()

    times = interleaved(
        {"PyTorch": torch_steps, "bal": lambda: jax.block_until_ready(fit(rng_key, state, batch))},
        settings.repetitions,
    )
    times = {name: [seconds / NUM_STEPS for seconds in values] for name, values in times.items()}
    report("step of Gal's CNN", times, baseline="PyTorch", contender="bal", target=1 / 1.25, output=settings.output)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
