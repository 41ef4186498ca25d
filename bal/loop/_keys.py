"""Which keys a round uses: round r folds r into each, so a longer run extends a shorter one."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from bal.types import Keys, split_keys
from bal.validation import check_key


def keys_of_run(rng_key: Any) -> Keys:
    """One key for each source of randomness, from one key or from ``Keys``.

    Raises:
      ValueError: neither one typed key nor ``Keys`` of such.
    """
    for key in rng_key if isinstance(rng_key, Keys) else [rng_key]:
        check_key(key)
    return rng_key if isinstance(rng_key, Keys) else split_keys(rng_key)


def keys_of_round(rng_key: Any, rounds_done: Int[Array, ""]) -> Keys:
    """The keys of the round after ``rounds_done`` others."""
    # One call for all six: XLA compiles each call of the generator anew.
    return Keys(*jax.vmap(jax.random.fold_in, (0, None))(jnp.stack(keys_of_run(rng_key)), rounds_done))
