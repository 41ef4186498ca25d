"""Fitting by gradient steps on weighted minibatches: the one training loop of all gradient-trained posteriors."""

from collections.abc import Callable
from typing import NamedTuple, Required, TypedDict, Unpack

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from bal.likelihoods import Likelihood
from bal.networks import Network, Variables, deterministic_outputs
from bal.posteriors._posterior import FitInfo
from bal.types import Batch, PyTree, RngKey

# Examples whose gradient is computed at a time on a CPU by networks with convolutions: their activations stay in cache.
CPU_MICRO_BATCH = 32


class EarlyStopping(NamedTuple):
    """Stop when the validation loss has not improved for ``patience`` evaluations, and restore the best parameters.

    Validation is done without noise, on ``Dataset.validation``, or on a random part of the labelled points that is then
    not trained on.
    """

    patience: int
    evaluate_every: int  # optimiser steps between evaluations
    held_out_fraction: float | None = None  # None: Dataset.validation


class TrainingSettings(TypedDict, total=False):
    """Settings of ``gradient_fit``, accepted by every gradient-trained posterior."""

    num_steps: Required[int]  # optimiser steps; with early stopping, at most
    minibatch_size: Required[int]  # examples a step, drawn with replacement among rows of positive weight
    weight_decay: (
        float | Array | Callable[[Array], Array]
    )  # L2 on kernels, added to the loss; or a function of the count
    early_stopping: EarlyStopping | None
    augment: Callable[[RngKey, Array], Array] | None  # (rng_key, inputs) -> inputs, in training only
    micro_batch_size: int | None  # examples a gradient piece; None chooses by network and platform


class NetworkState(NamedTuple):
    """Parameters that a gradient-trained posterior holds."""

    variables: Variables
    noise: PyTree  # parameters of the likelihood


def init_network(network: Network, likelihood: Likelihood, rng_key: RngKey, batch: Batch) -> NetworkState:
    """Initial parameters; raises where the labels cannot be of this likelihood."""
    likelihood.check_labels(batch.labels)
    key_network, key_noise = jax.random.split(rng_key)
    return NetworkState(network.init(key_network, batch.inputs), likelihood.init(key_noise))


def gradient_fit(
    network: Network,
    likelihood: Likelihood,
    optimizer: optax.GradientTransformation,
    **settings: Unpack[TrainingSettings],
) -> Callable[..., tuple[NetworkState, FitInfo]]:
    r"""A function ``(rng_key, state, batch, validation=None) -> (state, info)`` that trains from the state it is given.

    The objective is, for a minibatch of b rows with weights w and N labelled points,

    .. math:: \tfrac1b \sum_i w_i \ell_i + \tfrac1N \mathrm{penalty} + \lambda(N) \sum \|\text{kernel}\|^2

    with no factor 1/2 in the last term, as in Gal et al. (2017); decoupled decay is the optimiser's. An empty batch
    returns the state as it was.

    Raises:
      ValueError: counts below 1, a micro-batch that does not divide the minibatch or whose gradient would depend on it,
        or (when traced) early stopping without validation points.
    """
    num_steps, minibatch_size = settings["num_steps"], settings["minibatch_size"]
    weight_decay = settings.get("weight_decay", 0.0)
    early_stopping = settings.get("early_stopping")
    augment = settings.get("augment")
    micro_batch_size = settings.get("micro_batch_size")
    has_decay = not (isinstance(weight_decay, float | int) and weight_decay == 0)  # it may be traced: a sweep
    _check(num_steps, minibatch_size, micro_batch_size, early_stopping)

    def loss(rng_key, trained, statistics, batch, num_labelled):
        params, noise = trained
        training = network.train(rng_key, Variables(params, statistics), batch.inputs)
        losses = likelihood.loss(noise, training.outputs, batch.labels)
        data_loss = (jnp.where(batch.weights > 0, losses, 0.0) * batch.weights).mean()
        return data_loss + training.penalty / num_labelled, training.statistics

    def gradient(rng_key, trained, statistics, batch, num_labelled):
        """Value and gradient of the minibatch objective, piece by piece where that is faster."""
        value_and_grad = jax.value_and_grad(loss, argnums=1, has_aux=True)
        size = _micro_batch_size(network, statistics, minibatch_size, micro_batch_size)
        if size == minibatch_size:
            return value_and_grad(rng_key, trained, statistics, batch, num_labelled)
        num_pieces = minibatch_size // size
        pieces = jax.tree.map(lambda leaf: leaf.reshape(num_pieces, size, *leaf.shape[1:]), batch)

        def add_piece(total, piece):
            (value, _), grads = value_and_grad(piece[0], trained, statistics, piece[1], num_labelled)
            return jax.tree.map(jnp.add, total, (value, grads)), None

        zero = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, trained))
        total, _ = jax.lax.scan(add_piece, zero, (jax.random.split(rng_key, num_pieces), pieces))
        value, grads = jax.tree.map(lambda leaf: leaf / num_pieces, total)
        return (value, statistics), grads

    def decay(trained, num_labelled):
        factor = weight_decay(num_labelled) if callable(weight_decay) else weight_decay
        return factor * sum((kernel**2).sum() for kernel in _kernels(trained[0]))

    def train_step(rng_key, rows, carry, batch, num_labelled):
        trained, statistics, optimizer_state = carry
        minibatch = jax.tree.map(lambda leaf: leaf.at[rows].get(mode="clip"), batch)
        if augment is not None:
            rng_key, key_augment = jax.random.split(rng_key)
            minibatch = minibatch._replace(inputs=augment(key_augment, minibatch.inputs))
        (value, statistics), grads = gradient(rng_key, trained, statistics, minibatch, num_labelled)
        if has_decay:
            grads = jax.tree.map(jnp.add, grads, jax.grad(decay)(trained, num_labelled))
        updates, optimizer_state = optimizer.update(grads, optimizer_state, trained)
        return (optax.apply_updates(trained, updates), statistics, optimizer_state), value

    def train_steps(rng_key, carry, batch, count):
        key_rows, key_noise = jax.random.split(rng_key)
        num_labelled = jnp.maximum((batch.weights > 0).sum(), 1)
        # Drawn for all steps at once: many small calls of the generator would cost as much as a small network.
        rows = _draw_rows(key_rows, batch.weights, (count, minibatch_size))

        def body(carry, step):
            return train_step(*step, carry, batch, num_labelled)

        carry, values = jax.lax.scan(body, carry, (jax.random.split(key_noise, count), rows))
        return carry, values[-1]

    def validation_loss(carry, validation):
        (params, noise), statistics, _ = carry
        outputs = deterministic_outputs(network, Variables(params, statistics), validation.inputs)
        losses = likelihood.loss(noise, outputs, validation.labels)
        return (jnp.where(validation.weights > 0, losses, 0.0) * validation.weights).sum() / validation.weights.sum()

    def train_until_no_better(rng_key, carry, batch, validation):
        every = early_stopping.evaluate_every

        def go_on(loop):
            return (loop.num_steps + every <= num_steps) & (loop.num_worse < early_stopping.patience)

        def body(loop):
            key_steps = jax.random.fold_in(rng_key, loop.num_steps)
            carry, value = train_steps(key_steps, loop.carry, batch, every)
            current = validation_loss(carry, validation)
            better = current < loop.best_loss
            best = jax.tree.map(lambda new, old: jnp.where(better, new, old), carry[:2], loop.best)
            num_worse = jnp.where(better, 0, loop.num_worse + 1)
            return _Loop(carry, loop.num_steps + every, num_worse, best, jnp.minimum(current, loop.best_loss), value)

        start = _Loop(carry, jnp.int32(0), jnp.int32(0), carry[:2], jnp.full((), jnp.inf), jnp.full((), jnp.nan))
        end = jax.lax.while_loop(go_on, body, start)
        return end.best, FitInfo(end.value, end.best_loss, end.num_steps)

    def fit(rng_key: RngKey, state: NetworkState, batch: Batch, validation: Batch | None = None):
        key_steps, key_held_out = jax.random.split(rng_key)
        trained = (state.variables.params, state.noise)
        carry = (trained, state.variables.statistics, optimizer.init(trained))
        is_empty = ~(batch.weights > 0).any()
        if early_stopping is None:
            (trained, statistics, _), value = train_steps(key_steps, carry, batch, num_steps)
            info = FitInfo(value, jnp.full((), jnp.nan), jnp.int32(num_steps))
        else:
            if early_stopping.held_out_fraction is not None:
                batch, validation = _hold_out(key_held_out, batch, early_stopping.held_out_fraction)
            elif validation is None:
                raise ValueError(
                    "expected validation points for early_stopping, got none: set Dataset.validation or "
                    "EarlyStopping(held_out_fraction=...)"
                )
            (trained, statistics), info = train_until_no_better(key_steps, carry, batch, validation)
        fitted = NetworkState(Variables(trained[0], statistics), trained[1])
        return jax.tree.map(lambda old, new: jnp.where(is_empty, old, new), state, fitted), info

    return fit


class _Loop(NamedTuple):
    carry: tuple  # trained, statistics, optimiser state
    num_steps: Int[Array, ""]
    num_worse: Int[Array, ""]  # evaluations since the best one
    best: tuple  # trained, statistics
    best_loss: Float[Array, ""]
    value: Float[Array, ""]  # training objective of the last step


def _check(num_steps, minibatch_size, micro_batch_size, early_stopping) -> None:
    if num_steps < 1 or minibatch_size < 1:
        raise ValueError(f"expected num_steps and minibatch_size of at least 1, got {num_steps} and {minibatch_size}")
    if micro_batch_size is not None and minibatch_size % micro_batch_size:
        raise ValueError(f"expected micro_batch_size to divide minibatch_size {minibatch_size}, got {micro_batch_size}")
    if early_stopping is not None:
        fraction = early_stopping.held_out_fraction
        if early_stopping.patience < 1 or not 1 <= early_stopping.evaluate_every <= num_steps:
            raise ValueError(
                f"expected patience of at least 1 and evaluate_every between 1 and num_steps, got {early_stopping}"
            )
        if fraction is not None and not 0 < fraction < 1:
            raise ValueError(f"expected held_out_fraction between 0 and 1, got {fraction}")


def _micro_batch_size(network: Network, statistics: PyTree, minibatch_size: int, wanted: int | None) -> int:
    # Batch statistics must see the whole minibatch.
    if jax.tree.leaves(statistics):
        if wanted not in (None, minibatch_size):
            raise ValueError(f"expected no micro_batch_size for a network with batch statistics, got {wanted}")
        return minibatch_size
    if wanted is not None:
        return wanted
    if not network.convolutional or jax.default_backend() != "cpu":
        return minibatch_size
    return max(size for size in range(1, min(CPU_MICRO_BATCH, minibatch_size) + 1) if minibatch_size % size == 0)


def _kernels(params: PyTree) -> list[Array]:
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return [leaf for path, leaf in leaves if getattr(path[-1], "key", None) == "kernel"]


def _draw_rows(rng_key: RngKey, weights: Float[Array, " K"], shape: tuple[int, ...]) -> Int[Array, "..."]:
    """Rows drawn with replacement among those of positive weight, the same whatever the size of the buffer."""
    ranks = jnp.cumsum(weights > 0)
    wanted = jax.random.randint(rng_key, shape, 0, jnp.maximum(ranks[-1], 1))
    return jnp.searchsorted(ranks, wanted, side="right")


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
