"""The contract of a posterior: pure functions that fit, sample and predict."""

from typing import NamedTuple

import jax

from bal.likelihoods import Likelihood
from bal.posteriors._protocols import (
    CovarianceFn,
    ExtendFn,
    FeatureFn,
    FitFn,
    InitFn,
    MomentsFn,
    PredictFn,
    SampleFn,
)
from bal.types import PyTree, RngKey
from bal.validation import check_count


class Posterior(NamedTuple):
    """Pure functions from labelled points to functions that can be evaluated anywhere.

    Randomness is drawn once, by ``sample``; ``predict`` takes no key, so the same S functions see the pool, the targets
    and the test set. The protocols document the arguments and results of each function.
    """

    init: InitFn  # (rng_key, batch) -> state
    fit: FitFn  # (rng_key, state, batch, validation=None) -> state, info
    sample: SampleFn  # (rng_key, state, num_samples) -> draws
    predict: PredictFn  # (state, draws, inputs) -> predictions [S, n, ...]
    # By name: "embedding", the input of the last layer; "gradient" of the outputs by all parameters; "predicted_loss"
    # and "log_density" of the embedding, both [n, 1].
    features: dict[str, FeatureFn]
    covariance: CovarianceFn | None  # of the latent function; None: not in closed form
    likelihood: Likelihood
    max_samples: int | None = None  # the number of draws if it is fixed; None: any number can be drawn
    # Whether convolutions dominate, which on a CPU run faster one set of weights after another: a study then does not
    # put several seeds under one vmap.
    convolutional: bool = False
    # The exact predictive distribution, which metrics prefer to that of draws; None: not in closed form.
    moments: MomentsFn | None = None
    extend: ExtendFn | None = None  # None: no state has the size of the label buffer


def check_num_samples(num_samples: int | None, max_samples: int | None, name: str = "this posterior") -> int:
    """The number of draws to take; None means all of them, if their number is fixed.

    Example:
      >>> check_num_samples(None, 5)
      5
    """
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
    """Some of the given draws [S, ...], without replacement; all of them, in their order, for None or their number."""
    max_samples = jax.tree.leaves(draws)[0].shape[0]
    num_samples = check_num_samples(num_samples, max_samples, name)
    if num_samples == max_samples:
        return draws
    chosen = jax.random.permutation(rng_key, max_samples)[:num_samples]
    return jax.tree.map(lambda leaf: leaf[chosen], draws)
