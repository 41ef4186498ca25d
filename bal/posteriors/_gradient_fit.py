"""Fitting by gradient steps, with early stopping: what every gradient-trained posterior does to a network."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypedDict, Unpack

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from bal.likelihoods import Likelihood
from bal.networks import Network, deterministic_outputs
from bal.posteriors._gradient_steps import AuxiliaryLoss, Carry, NetworkState, gradient_steps, keep_if_empty
from bal.posteriors._posterior import FitInfo
from bal.types import Batch, RngKey


class EarlyStopping(NamedTuple):
    """Stop when the validation loss has not improved for ``patience`` evaluations, and restore the best parameters.

    Validation is done without noise, on ``Dataset.validation``, or on a random part of the labelled points that is then
    not trained on.
    """

    patience: int
    evaluate_every: int  # optimiser steps between evaluations
    held_out_fraction: float | None = None  # None: Dataset.validation


class TrainingSettings(TypedDict, total=False):
    """Settings of ``gradient_fit``, accepted by every gradient-trained posterior; an optimiser needs the first two."""

    num_steps: int  # optimiser steps; with early stopping, at most
    minibatch_size: int  # examples a step, drawn with replacement among rows of positive weight
    weight_decay: (
        float | Array | Callable[[Array], Array]
    )  # L2 on kernels, added to the loss; or a function of the count
    early_stopping: EarlyStopping | None
    augment: Callable[[RngKey, Array], Array] | None  # (rng_key, inputs) -> inputs, in training only
    micro_batch_size: int | None  # examples a gradient piece; None chooses by network and platform


def without_early_stopping(name: str, settings: TrainingSettings) -> tuple[int, dict[str, Any]]:
    """The number of steps and the settings of ``gradient_steps``, for a posterior that has no best moment to stop."""
    missing = [key for key in ("num_steps", "minibatch_size") if key not in settings]
    if missing:
        raise ValueError(f"expected num_steps and minibatch_size to train with, got no {' and no '.join(missing)}")
    steps_settings = {key: value for key, value in settings.items() if key not in ("num_steps", "early_stopping")}
    if settings.get("early_stopping") is not None:
        raise ValueError(f"expected no early_stopping for {name}, got {settings['early_stopping']}")
    _check(settings["num_steps"], None)
    return settings["num_steps"], steps_settings


def gradient_fit(
    network: Network,
    likelihood: Likelihood,
    optimizer: optax.GradientTransformation,
    penalty_scale: Callable[[Array], Array] | None = None,
    auxiliary_loss: AuxiliaryLoss | None = None,
    **settings: Unpack[TrainingSettings],
) -> Callable[..., tuple[NetworkState, FitInfo]]:
    r"""A function ``(rng_key, state, batch, validation=None) -> (state, info)`` that trains from the state it is given.

    The objective is, for a minibatch of b rows with weights w and N labelled points,

    .. math:: \tfrac1b \sum_i w_i \ell_i + \tfrac{s_t}N \mathrm{penalty} + \lambda(N) \sum \|\text{kernel}\|^2

    with no factor 1/2 in the last term, as in Gal et al. (2017); decoupled decay is the optimiser's. The factor s of
    the network's penalty at step t is ``penalty_scale(t)``, 1 without; an ``auxiliary_loss`` is added, see
    :func:`gradient_steps`. An empty batch returns the state unchanged.

    Raises:
      ValueError: counts below 1, a micro-batch that does not divide the minibatch or whose gradient would depend on it,
        or (when traced) early stopping without validation points.
    """
    early_stopping = settings.pop("early_stopping", None)
    num_steps, steps_settings = without_early_stopping("gradient_fit", settings)
    _check(num_steps, early_stopping)
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
        key_steps, key_held_out = jax.random.split(rng_key)
        carry = steps.init(state)
        if early_stopping is None:
            carry, value = steps.run(key_steps, carry, batch, 0, num_steps)
            fitted, info = carry.state(), FitInfo(value, jnp.full((), jnp.nan), jnp.int32(num_steps))
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
) -> Callable[..., tuple[NetworkState, FitInfo]]:
    """:func:`gradient_fit`, or without an optimiser a function that keeps the weights of the state.

    Raises:
      ValueError: settings of training without an optimiser, or those that :func:`gradient_fit` refuses.
    """
    if optimizer is not None:
        return gradient_fit(network, likelihood, optimizer, **settings)
    if settings:
        raise ValueError(
            f"expected no {' and no '.join(sorted(settings))} for {name} without an optimizer, which keeps the weights "
            "of the network: give an optimizer to train it"
        )

    def keep(rng_key: RngKey, state: NetworkState, batch: Batch, validation: Batch | None = None):
        unknown = jnp.full((), jnp.nan)
        return state, FitInfo(unknown, unknown, jnp.int32(0))

    return keep


class _Loop(NamedTuple):
    carry: Carry
    num_steps: Int[Array, ""]
    num_worse: Int[Array, ""]  # evaluations since the best one
    best: NetworkState
    best_loss: Float[Array, ""]
    value: Float[Array, ""]  # training objective of the last step


def _check(num_steps: int, early_stopping: EarlyStopping | None) -> None:
    if num_steps < 1:
        raise ValueError(f"expected num_steps of at least 1, got {num_steps}")
    if early_stopping is not None:
        fraction = early_stopping.held_out_fraction
        if early_stopping.patience < 1 or not 1 <= early_stopping.evaluate_every <= num_steps:
            raise ValueError(
                f"expected patience of at least 1 and evaluate_every between 1 and num_steps, got {early_stopping}"
            )
        if fraction is not None and not 0 < fraction < 1:
            raise ValueError(f"expected held_out_fraction between 0 and 1, got {fraction}")


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
