"""Normal noise for training, several times cheaper than ``jax.random.normal`` on a CPU."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt32

from bal.types import RngKey

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def training_noise(rng_key: RngKey, shape: tuple[int, ...]) -> Float[Array, "..."]:
    """Standard normal numbers, two from one random word: the midpoints of 65,536 equally likely quantiles.

    A training step of a small network spends most of its time on its noise: on a CPU, JAX's own generator is a loop
    whose body is divided over threads in each iteration, and the compiler recomputes the inverse error function for
    each use of a number, forward and backward. Draws of a posterior do not use this.
    """
    size = math.prod(shape)
    # Joined before they are split: otherwise the compiler would run the generator again for each half of each word.
    words = jnp.concatenate(random_words(jax.random.key_data(rng_key)[:2], -(-size // 4)))
    ranks = jnp.concatenate([words & 0xFFFF, words >> 16])[:size]
    return jnp.asarray(_quantiles()).at[ranks].get(mode="promise_in_bounds").reshape(shape)


def random_words(key: UInt32[Array, " 2"], count: int) -> tuple[UInt32[Array, " n"], UInt32[Array, " n"]]:
    """Two random words for each of ``count`` counters: the Threefry-2x32 generator of JAX, without its loop.

    References:
      Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3
    """
    keys = (key[0], key[1], key[0] ^ key[1] ^ jnp.uint32(0x1BD11BDA))
    counters = jnp.arange(count, dtype=jnp.uint32)
    first, second = counters + keys[0], counters + jnp.uint32(count) + keys[1]
    for block in range(5):
        for rotation in ROTATIONS[block % 2]:
            first = first + second
            second = first ^ ((second << rotation) | (second >> (32 - rotation)))
        first = first + keys[(block + 1) % 3]
        second = second + keys[(block + 2) % 3] + jnp.uint32(block + 1)
    return first, second


@functools.cache
def _quantiles() -> np.ndarray:
    from scipy.special import ndtri

    return ndtri((np.arange(65_536) + 0.5) / 65_536).astype(np.float32)
