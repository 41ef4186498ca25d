"""The contract of a posterior: what do we believe after these labels?"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from bal.likelihoods import Likelihood
from bal.types import Batch, Gaussian, PyTree, RngKey
from bal.validation import check_count

# NumPy scalars: an array of JAX, made when bal is imported, would start its devices.
_NO_LOSS: Any = np.float32(np.nan)
_NO_STEPS: Any = np.int32(0)


class FitInfo(NamedTuple):
    """What a person wants to see of a fit. A method names the fields that it has; the others are nan, 0 or empty."""

    loss: Float[Array, "*E"] = _NO_LOSS  # training objective of the last step, in nats a point
    validation_loss: Float[Array, "*E"] = _NO_LOSS  # of the parameters that were kept, with early stopping
    num_steps: Int[Array, "*E"] = _NO_STEPS  # optimiser steps taken
    diagnostics: dict[str, Array] = {}  # noqa: RUF012 - never mutated; convergence figures such as "r_hat"


class Posterior(NamedTuple):
    """Pure functions from labelled points to functions that can be evaluated anywhere.

    Randomness is drawn once, by ``sample``; ``predict`` takes no key, so the same S functions see the pool, the targets
    and the test set.
    """

    init: Callable[[RngKey, Batch], PyTree]  # (rng_key, batch) -> state; the batch gives shapes, its weights may be 0
    fit: Callable[..., tuple[PyTree, FitInfo]]  # (rng_key, state, batch, validation=None); continues from the state
    sample: Callable[[RngKey, PyTree, int | None], PyTree]  # (rng_key, state, num_samples) -> draws, leading axis S
    predict: Callable[[PyTree, PyTree, Array], PyTree]  # (state, draws, inputs) -> predictions [S, n, ...]
    features: dict[str, Callable[[PyTree, Array], Array]]  # name -> (state, inputs) -> [n, D]
    covariance: Callable[[PyTree, Array, Array], Array] | None  # (state, inputs_a, inputs_b) -> [a, b] where closed
    likelihood: Likelihood
    max_samples: int | None = None  # draws that exist; None: as many as wanted
    convolutional: bool = False  # see Network: decides how many seeds run at once on a CPU
    moments: Callable[[PyTree, Array], Gaussian] | None = None  # (state, inputs) -> exact predictive [n] where closed
    # (state, budget K) -> the state for a buffer of K labels, which predicts as before; None: no state depends on K
    extend: Callable[[PyTree, int], PyTree] | None = None


def check_num_samples(num_samples: int | None, max_samples: int | None, name: str = "this posterior") -> int:
    """The number of draws to take; None means all of them, where their number is fixed."""
    if num_samples is None:
        if max_samples is None:
            raise ValueError(f"expected num_samples for {name}, which has no fixed number of draws, got None")
        return max_samples
    check_count("num_samples", num_samples)
    if max_samples is not None and num_samples > max_samples:
        raise ValueError(
            f"expected num_samples between 1 and {max_samples}, the number of draws of {name}, got {num_samples}: "
            "leave num_samples out to take all of them"
        )
    return num_samples


def take_draws(rng_key: RngKey, draws: PyTree, num_samples: int | None, name: str) -> PyTree:
    """Some of the draws that there are, [S, ...], without replacement; all in their order where None are named."""
    max_samples = jax.tree.leaves(draws)[0].shape[0]
    num_samples = check_num_samples(num_samples, max_samples, name)
    if num_samples == max_samples:
        return draws
    chosen = jax.random.permutation(rng_key, max_samples)[:num_samples]
    return jax.tree.map(lambda leaf: leaf[chosen], draws)
