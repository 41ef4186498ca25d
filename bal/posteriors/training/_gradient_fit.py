"""Fitting by gradient steps, with early stopping: how every gradient-trained posterior trains a network."""

from collections.abc import Callable
from typing import NamedTuple, Unpack

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from bal.likelihoods import Likelihood
from bal.networks import Network, deterministic_outputs
from bal.posteriors._fit_info import FitInfo
from bal.posteriors._protocols import FitFn
from bal.posteriors.training._gradient_steps import AuxiliaryLoss, Carry, NetworkState, gradient_steps, keep_if_empty
from bal.posteriors.training._training_settings import EarlyStopping, TrainingSettings, split_settings
from bal.types import Batch, RngKey


def gradient_fit(
    network: Network,
    likelihood: Likelihood,
    optimizer: optax.GradientTransformation,
    penalty_scale: Callable[[Array], Array] | None = None,
    auxiliary_loss: AuxiliaryLoss | None = None,
    **settings: Unpack[TrainingSettings],
) -> FitFn:
    r"""The ``fit`` of a posterior whose state is a network, see :class:`FitFn`.

    The objective is, for a minibatch of b rows with weights w and N labelled points,

    .. math:: \tfrac1b \sum_i w_i \ell_i + \tfrac{s_t}N \mathrm{penalty} + \lambda(N) \sum \|\text{kernel}\|^2

    with no factor 1/2 in the last term, as in Gal et al. (2017); decoupled decay belongs to the optimiser. Training
    continues from the state, which is returned unchanged for an empty batch.

    Args:
      network: the network to train.
      likelihood: defines the loss and the predictive distribution.
      optimizer: any optax transformation.
      penalty_scale: step t -> the factor s of the network's penalty, such as a warm-up; None: 1.
      auxiliary_loss: another term to minimise, see :func:`gradient_steps`.
      **settings: see :class:`TrainingSettings`.

    Raises:
      ValueError: missing or invalid settings, or (when traced) early stopping without validation points.

    Example:
      >>> import bal
      >>> network = bal.networks.mlp(num_outputs=3, hidden_sizes=(16,))
      >>> fit = gradient_fit(network, bal.likelihoods.categorical(), optax.adam(1e-3), num_steps=100, minibatch_size=32)
    """
    num_steps, early_stopping, steps_settings = split_settings(settings)
    steps = gradient_steps(
        network, likelihood, optimizer, penalty_scale=penalty_scale, auxiliary_loss=auxiliary_loss, **steps_settings
    )

    def validation_loss(state: NetworkState, validation):
        outputs = deterministic_outputs(network, state.variables, validation.inputs)
        losses = likelihood.loss(state.noise, outputs, validation.labels)
        return (jnp.where(validation.weights > 0, losses, 0.0) * validation.weights).sum() / validation.weights.sum()

    def train_until_no_better(rng_key, carry: Carry, batch, validation, stopping: EarlyStopping):
        every = stopping.evaluate_every

        def go_on(loop):
            return (loop.num_steps + every <= num_steps) & (loop.num_worse < stopping.patience)

        def body(loop):
            key_steps = jax.random.fold_in(rng_key, loop.num_steps)
            carry, value = steps.run(key_steps, loop.carry, batch, loop.num_steps, every)
            state = carry.state()
            current = validation_loss(state, validation)
            better = current < loop.best_loss
            best = jax.tree.map(lambda new, old: jnp.where(better, new, old), state, loop.best)
            num_worse = jnp.where(better, 0, loop.num_worse + 1)
            return _Loop(carry, loop.num_steps + every, num_worse, best, jnp.minimum(current, loop.best_loss), value)

        nothing, infinite = jnp.full((), jnp.nan), jnp.full((), jnp.inf)
        end = jax.lax.while_loop(
            go_on, body, _Loop(carry, jnp.int32(0), jnp.int32(0), carry.state(), infinite, nothing)
        )
        return end.best, FitInfo(end.value, end.best_loss, end.num_steps)

    def fit(rng_key: RngKey, state: NetworkState, batch: Batch, validation: Batch | None = None):
        """Train by gradient steps, from the state, and stop early where that is set; see ``gradient_fit``."""
        key_steps, key_held_out = jax.random.split(rng_key)
        carry = steps.init(state)
        if early_stopping is None:
            carry, value = steps.run(key_steps, carry, batch, 0, num_steps)
            fitted, info = carry.state(), FitInfo(loss=value, num_steps=jnp.int32(num_steps))
            return keep_if_empty(batch, state, fitted), info
        if early_stopping.held_out_fraction is not None:
            trained_on, validation = _hold_out(key_held_out, batch, early_stopping.held_out_fraction)
        elif validation is None:
            raise ValueError(
                "expected validation points for early_stopping, got none: set Dataset.validation or "
                "EarlyStopping(held_out_fraction=...)"
            )
        else:
            trained_on = batch
        fitted, info = train_until_no_better(key_steps, carry, trained_on, validation, early_stopping)
        return keep_if_empty(batch, state, fitted), info

    return fit


def fit_or_keep(
    name: str,
    network: Network,
    likelihood: Likelihood,
    optimizer: optax.GradientTransformation | None,
    **settings: Unpack[TrainingSettings],
) -> FitFn:
    """:func:`gradient_fit`, or without an optimiser a function that keeps the weights of the state.

    Raises:
      ValueError: settings of training without an optimiser, or those that :func:`gradient_fit` rejects.
    """
    if optimizer is not None:
        return gradient_fit(network, likelihood, optimizer, **settings)
    if settings:
        raise ValueError(
            f"expected no {' and no '.join(sorted(settings))} for {name} without an optimizer, which keeps the weights "
            "of the network: give an optimizer to train it"
        )

    def keep(rng_key: RngKey, state: NetworkState, batch: Batch, validation: Batch | None = None):
        """Keep the weights of the state."""
        return state, FitInfo()

    return keep


class _Loop(NamedTuple):
    carry: Carry
    num_steps: Int[Array, ""]
    num_worse: Int[Array, ""]  # evaluations since the best one
    best: NetworkState
    best_loss: Float[Array, ""]
    value: Float[Array, ""]  # training objective of the last step


def _hold_out(rng_key: RngKey, batch: Batch, fraction: float) -> tuple[Batch, Batch]:
    """Split the rows of positive weight at random; at least one is held out of two or more."""
    labelled = batch.weights > 0
    noise = jnp.where(labelled, jax.random.uniform(rng_key, batch.weights.shape), jnp.inf)
    ranks = jnp.argsort(jnp.argsort(noise))
    count = labelled.sum()
    num_held_out = jnp.clip(jnp.round(fraction * count), 1, jnp.maximum(count - 1, 1))
    held_out = labelled & (ranks < num_held_out)
    return (
        batch._replace(weights=jnp.where(held_out, 0.0, batch.weights)),
        batch._replace(weights=jnp.where(held_out, batch.weights, 0.0)),
    )
