"""Memory and time of MC-dropout BALD over a pool of 200,000 images 28x28, 100 samples of Gal's CNN.

python -m experiments.benchmarks.large_pool
"""

import resource
import time
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
import tyro

import bal

NUM_SAMPLES = 100


@dataclass(frozen=True)
class Settings:
    """A large pool, and a part of it for comparison."""

    num_images: int = 200_000
    """Size of the pool."""
    part: int = 20_000
    """Size of the part: its time a point is that of the whole."""


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(settings: Settings) -> None:
    network = bal.networks.cnn(num_outputs=10, variant="gal")
    posterior = bal.posteriors.mc_dropout(
        network, bal.likelihoods.categorical(), optax.adamw(1e-3), num_steps=1, minibatch_size=8
    )
    rng_key = jax.random.key(0)
    # Made piece by piece: the random bits of all images at once would be the peak.
    pieces = jax.random.split(rng_key, 200)
    make = jax.jit(
        lambda: jax.lax.map(lambda key: jax.random.uniform(key, (settings.num_images // 200, 28, 28, 1)), pieces)
    )
    images = make().reshape(-1, 28, 28, 1).block_until_ready()
    state = posterior.init(rng_key, bal.Batch(images[:1], jnp.zeros(1, jnp.int32), jnp.ones(1)))

    @jax.jit
    def score(state, inputs):
        draws = posterior.sample(rng_key, state, NUM_SAMPLES)
        return bal.stream(lambda chunk: bal.acquisition.bald(posterior.predict(state, draws, chunk)), inputs)

    seconds = {}
    for count in (settings.part, settings.num_images):
        inputs = images if count == len(images) else images[:count]
        program = score.lower(state, inputs).compile()
        before = peak_bytes()
        start = time.perf_counter()
        program(state, inputs).block_until_ready()
        seconds[count] = time.perf_counter() - start
        memory = program.memory_analysis()
        assert memory is not None
        temporary = memory.temp_size_in_bytes
        print(
            f"{count} images: {seconds[count]:.1f} s, {1e6 * seconds[count] / count:.0f} us a point, temporary arrays "
            f"{temporary / 2**20:.0f} MiB, peak of the process up by {(peak_bytes() - before) / 2**20:.0f} MiB "
            f"(data: {inputs.nbytes / 2**20:.0f} MiB)"
        )
    ratio = seconds[settings.num_images] / seconds[settings.part]
    print(f"time grows {ratio:.2f} times for a pool {settings.num_images / settings.part:.0f} times larger")


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
