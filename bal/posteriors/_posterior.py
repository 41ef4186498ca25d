"""The contract of a posterior: what do we believe after these labels?"""

from collections.abc import Callable
from typing import NamedTuple

import jax
from jaxtyping import Array, Float, Int

from bal.likelihoods import Likelihood
from bal.types import Batch, Gaussian, PyTree, RngKey


class FitInfo(NamedTuple):
    """What a person wants to see of a fit. Fields that a method does not have are nan or empty."""

    loss: Float[Array, "*E"]  # training objective of the last step, in nats a point
    validation_loss: Float[Array, "*E"]  # of the parameters that were kept; nan without early stopping
    num_steps: Int[Array, "*E"]  # optimiser steps taken
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
    extend: Callable[[PyTree, int], PyTree] | None = None  # (state, budget) -> state, where its size is the budget's


def check_num_samples(num_samples: int | None, max_samples: int | None, name: str = "this posterior") -> int:
    """The number of draws to take; None means all, where a posterior has only so many."""
    if max_samples is None:
        if num_samples is None or num_samples < 1:
            raise ValueError(
                f"expected num_samples of at least 1, got {num_samples}: {name} has as many draws as wanted"
            )
        return num_samples
    if num_samples is None:
        return max_samples
    if not 1 <= num_samples <= max_samples:
        raise ValueError(
            f"expected num_samples between 1 and {max_samples}, the draws that {name} has, got {num_samples}; "
            "leave num_samples out to take all"
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


def check_positive(**settings) -> None:
    """Raise where a setting of that name is a number, not traced, and not above 0."""
    for name, value in settings.items():
        if isinstance(value, int | float) and value <= 0:
            raise ValueError(f"expected {name} above 0, got {value}")
