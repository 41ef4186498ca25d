"""SWAG: a Gaussian with the first two moments of the iterates of stochastic gradient descent."""

from typing import NamedTuple, Unpack

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from bal.likelihoods import Likelihood
from bal.networks import Network, Variables
from bal.posteriors._fit_info import FitInfo
from bal.posteriors._posterior import Posterior, check_num_samples
from bal.posteriors.training._gradient_steps import NetworkState, gradient_steps, init_network, keep_if_empty
from bal.posteriors.training._network_functions import network_features, predict_networks
from bal.posteriors.training._training_settings import TrainingSettings, without_early_stopping
from bal.types import PyTree
from bal.validation import check_count


class SWAGState(NamedTuple):
    """Moments of the snapshots, of everything that is trained."""

    variables: Variables  # the mean of the snapshots; statistics are those after the last step
    noise: PyTree  # parameters of the likelihood, the mean too
    variance: tuple[PyTree, PyTree]  # diagonal, of the network's and of the likelihood's parameters
    deviations: tuple[PyTree, PyTree]  # [rank, ...] of the last snapshots from the mean at their time


def swag(
    network: Network,
    likelihood: Likelihood,
    optimizer: optax.GradientTransformation,
    *,
    num_snapshots: int = 20,
    steps_between: int,
    rank: int = 10,
    **training: Unpack[TrainingSettings],
) -> Posterior:
    r"""SWAG: a Gaussian over the weights, with mean and covariance of snapshots from the end of training.

    .. math:: N(\bar\theta, \tfrac12 (\Sigma_\mathrm{diag} + \tfrac{1}{K-1} D D^T))

    After ``num_steps`` the same optimiser continues, and a snapshot is taken every ``steps_between`` steps; D holds the
    deviations of the last K = ``rank`` snapshots from the running mean. The learning rate sets the width of the
    Gaussian: keep it constant and fairly large, as in the paper. All draws use the running statistics of normalisation
    of the last step.

    Args:
      network: its dropout is noise in training only.
      likelihood: defines the loss and the predictive distribution.
      optimizer: one that keeps moving the weights, that is, with a constant learning rate: plain SGD, with or without
        momentum. Under a schedule that falls to 0 all snapshots, and so all draws, are the same.
      num_snapshots: snapshots taken after training.
      steps_between: optimiser steps between snapshots; an epoch in the paper.
      rank: K, the number of snapshots whose deviations are kept.
      **training: see :class:`bal.posteriors.TrainingSettings`, without early stopping.

    Returns:
      A posterior whose draws are networks.

    Raises:
      ValueError: invalid settings, such as a rank outside 2 to ``num_snapshots``.

    Example:
      >>> import bal
      >>> network = bal.networks.mlp(num_outputs=3, hidden_sizes=(16,))
      >>> posterior = swag(
      ...     network, bal.likelihoods.categorical(), optax.adam(1e-3), steps_between=5,
      ...     num_steps=100, minibatch_size=32,
      ... )

    References:
      Maddox et al. 2019, A simple baseline for Bayesian uncertainty in deep learning, arXiv:1902.02476
    """
    check_count("num_snapshots", num_snapshots, least=2)
    check_count("steps_between", steps_between)
    check_count("rank", rank, least=2)
    if rank > num_snapshots:
        raise ValueError(f"expected rank of at most num_snapshots, got {rank} and {num_snapshots}")
    num_steps, settings = without_early_stopping("swag", training)
    steps = gradient_steps(network, likelihood, optimizer, **settings)

    def init(rng_key, batch):
        """Fresh parameters as the mean, without any spread."""
        start = init_network(network, likelihood, rng_key, batch)
        trained = (start.variables.params, start.noise)
        deviations = jax.tree.map(lambda leaf: jnp.zeros((rank, *leaf.shape), leaf.dtype), trained)
        return SWAGState(start.variables, start.noise, jax.tree.map(jnp.zeros_like, trained), deviations)

    def fit(rng_key, state: SWAGState, batch, validation=None):
        """Train from the mean in the state, then collect the moments of the snapshots."""
        key_train, key_collect = jax.random.split(rng_key)
        carry = steps.init(NetworkState(state.variables, state.noise))
        carry, _ = steps.run(key_train, carry, batch, 0, num_steps)

        def collect(collected, step):
            carry, moments = collected
            key, number = step
            carry, value = steps.run(key, carry, batch, num_steps + number * steps_between, steps_between)
            return (carry, _add_snapshot(moments, carry.trained, number)), value

        zero = jax.tree.map(jnp.zeros_like, carry.trained)
        moments = _Moments(zero, zero, jax.tree.map(jnp.zeros_like, state.deviations))
        snapshots = (jax.random.split(key_collect, num_snapshots), jnp.arange(num_snapshots))
        (carry, moments), values = jax.lax.scan(collect, (carry, moments), snapshots)
        variance = jax.tree.map(lambda total: total / num_snapshots, moments.squares)
        params, noise = moments.mean
        fitted = SWAGState(Variables(params, carry.statistics), noise, variance, moments.deviations)
        info = FitInfo(loss=values[-1], num_steps=jnp.int32(num_steps + num_snapshots * steps_between))
        return keep_if_empty(batch, state, fitted), info

    def sample(rng_key, state: SWAGState, num_samples):
        """Networks whose weights are draws of the Gaussian."""
        mean = (state.variables.params, state.noise)

        def draw(key):
            key_diagonal, key_low_rank = jax.random.split(key)
            weights = jax.random.normal(key_low_rank, (rank,)) / jnp.sqrt(2 * (rank - 1))
            leaves, structure = jax.tree.flatten(mean)
            keys = jax.tree.unflatten(structure, list(jax.random.split(key_diagonal, len(leaves))))

            def deviate(centre, variance, deviations, key):
                independent = jnp.sqrt(variance / 2) * jax.random.normal(key, centre.shape)
                return centre + independent + jnp.tensordot(weights, deviations, 1)

            params, noise = jax.tree.map(deviate, mean, state.variance, state.deviations, keys)
            return NetworkState(Variables(params, state.variables.statistics), noise)

        return jax.vmap(draw)(jax.random.split(rng_key, check_num_samples(num_samples, None, "swag")))

    return Posterior(
        init=init,
        fit=fit,
        sample=sample,
        predict=predict_networks(network, likelihood),
        features=network_features(network),
        covariance=None,
        likelihood=likelihood,
        convolutional=network.convolutional,
    )


class _Moments(NamedTuple):
    mean: tuple[PyTree, PyTree]
    squares: tuple[PyTree, PyTree]  # sum of squared deviations from the mean
    deviations: tuple[PyTree, PyTree]


def _add_snapshot(moments: _Moments, snapshot: tuple[PyTree, PyTree], number: Int[Array, ""]) -> _Moments:
    """Welford's update: in float32 a small variance is lost in the difference of two large moments."""
    mean = jax.tree.map(lambda old, new: old + (new - old) / (number + 1), moments.mean, snapshot)
    squares = jax.tree.map(
        lambda total, new, before, after: total + (new - before) * (new - after),
        moments.squares,
        snapshot,
        moments.mean,
        mean,
    )

    def keep(deviations, new, centre):
        return deviations.at[number % deviations.shape[0]].set(new - centre)

    return _Moments(mean, squares, jax.tree.map(keep, moments.deviations, snapshot, mean))
