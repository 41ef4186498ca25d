"""A posterior from given draws, such as those of another sampler or the checkpoints of an ensemble."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from bal.likelihoods import Likelihood, check_batch
from bal.posteriors._fit_info import FitInfo
from bal.posteriors._posterior import Posterior, take_draws
from bal.types import Batch, PyTree, RngKey


class GivenSamples(NamedTuple):
    """Draws; each leaf has the leading axis S."""

    params: PyTree
    noise: PyTree  # parameters of the likelihood, one set for each draw


def from_samples(
    apply: Callable[[PyTree, PyTree], Array],
    stacked_params: PyTree,
    likelihood: Likelihood,
    *,
    stacked_noise: PyTree | None = None,
) -> Posterior:
    """A posterior over given draws: ``fit`` learns nothing from new labels.

    Args:
      apply: (parameters of one draw, inputs [n, ...]) -> outputs [n, ...], as the likelihood takes them.
      stacked_params: parameters of S draws, each leaf [S, ...].
      likelihood: defines the loss and the predictive distribution.
      stacked_noise: parameters of the likelihood of each draw, such as ``{"log_variance": [S]}``; None: its initial
        ones.

    Returns:
      A posterior with S draws.

    Raises:
      ValueError: no draw, leaves whose leading axes differ, or (from ``init``) outputs that do not fit the inputs.

    Example:
      >>> from bal.likelihoods import categorical
      >>> posterior = from_samples(lambda w, x: x @ w, jnp.ones((5, 4, 3)), categorical())
      >>> posterior.max_samples
      5
    """
    if not callable(apply):
        raise ValueError(f"expected apply to be a function (params, inputs) -> outputs, got {apply!r}")
    num_draws = _num_draws({"stacked_params": stacked_params, "stacked_noise": stacked_noise})

    def init(rng_key: RngKey, batch: Batch) -> GivenSamples:
        """All draws; raises for outputs that do not fit the inputs."""
        first = jax.tree.map(lambda leaf: leaf[0], stacked_params)
        outputs = jax.eval_shape(apply, first, batch.inputs)
        shape = getattr(outputs, "shape", None)
        num_points = batch.weights.shape[0]
        if shape is None or len(shape) < 2 or shape[0] != num_points:
            got = jax.tree.structure(outputs) if shape is None else list(shape)
            raise ValueError(f"expected apply to return outputs [n, ...] for n = {num_points} points, got {got}")
        check_batch(likelihood, batch, outputs)
        noise = stacked_noise
        if noise is None:
            noise = jax.tree.map(lambda leaf: jnp.stack([leaf] * num_draws), likelihood.init(rng_key))
        return jax.tree.map(jnp.asarray, GivenSamples(stacked_params, noise))

    def fit(rng_key: RngKey, state: GivenSamples, batch: Batch, validation: Batch | None = None):
        """The same state: the draws are given."""
        return state, FitInfo()

    def sample(rng_key: RngKey, state: GivenSamples, num_samples: int | None) -> GivenSamples:
        """Some of the given draws, without replacement."""
        return take_draws(rng_key, state, num_samples, "from_samples")

    def predict(state: GivenSamples, draws: GivenSamples, inputs: PyTree) -> PyTree:
        """Predictions of each draw."""
        return jax.vmap(lambda draw: likelihood.predictive(draw.noise, apply(draw.params, inputs)))(draws)

    return Posterior(
        init=init,
        fit=fit,
        sample=sample,
        predict=predict,
        features={},
        covariance=None,
        likelihood=likelihood,
        max_samples=num_draws,
    )


def _num_draws(stacked: dict[str, PyTree]) -> int:
    """The common length of the leading axes."""
    lengths = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(stacked):
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        if not hasattr(leaf, "shape") or not leaf.shape:
            raise ValueError(f"expected {name} with a leading axis of draws, got {leaf!r}")
        lengths[name] = jnp.shape(leaf)[0]
    if not lengths or 0 in lengths.values():
        raise ValueError(f"expected stacked_params with at least one draw, got the leading axes {lengths}")
    if len(set(lengths.values())) > 1:
        raise ValueError(f"expected the same leading axis in every leaf, got {lengths}")
    return next(iter(lengths.values()))
