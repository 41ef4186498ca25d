"""Gradient steps on weighted minibatches: the one training loop of all gradient-trained posteriors."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from bal.likelihoods import Likelihood, check_batch
from bal.networks import Network, Training, Variables, deterministic_outputs
from bal.posteriors.training._training_settings import check_optimizer
from bal.types import Batch, PyTree, RngKey
from bal.validation import check_count, check_nonnegative

# Examples in a gradient piece of networks with convolutions on a CPU, so that their activations stay in cache.
CPU_MICRO_BATCH = 32

# (parameters, training, losses [b], weights [b], step) -> nats a point, added to the objective of a minibatch
AuxiliaryLoss = Callable[[PyTree, Training, Array, Array, Array], Array]


class NetworkState(NamedTuple):
    """Parameters that a gradient-trained posterior holds."""

    variables: Variables
    noise: PyTree  # parameters of the likelihood


class Carry(NamedTuple):
    """The state passed from one gradient step to the next."""

    trained: tuple[PyTree, PyTree]  # parameters of the network, of the likelihood
    statistics: PyTree
    optimizer_state: PyTree

    def state(self) -> NetworkState:
        """The parameters, without the optimiser."""
        return NetworkState(Variables(self.trained[0], self.statistics), self.trained[1])


class GradientSteps(NamedTuple):
    """Training as pure functions. A posterior that uses the trajectory runs it in several pieces."""

    init: Callable[[NetworkState], Carry]
    # (rng_key, carry, batch, first step, number of steps) -> carry, objective of the last step in nats a point
    run: Callable[[RngKey, Carry, Batch, int | Array, int], tuple[Carry, Array]]


def init_network(network: Network, likelihood: Likelihood, rng_key: RngKey, batch: Batch) -> NetworkState:
    """Initial parameters; raises for labels that do not match the likelihood or the network's outputs."""
    key_network, key_noise = jax.random.split(rng_key)

    def outputs_of(inputs):
        return deterministic_outputs(network, network.init(key_network, inputs), inputs)

    check_batch(likelihood, batch, jax.eval_shape(outputs_of, batch.inputs))
    return NetworkState(network.init(key_network, batch.inputs), likelihood.init(key_noise))


def gradient_steps(
    network: Network,
    likelihood: Likelihood,
    optimizer: optax.GradientTransformation,
    *,
    minibatch_size: int,
    weight_decay: float | Array | Callable[[Array], Array] = 0.0,
    augment: Callable[[RngKey, PyTree], PyTree] | None = None,
    micro_batch_size: int | None = None,
    penalty_scale: Callable[[Array], Array] | None = None,
    auxiliary_loss: AuxiliaryLoss | None = None,
) -> GradientSteps:
    r"""The steps of :func:`gradient_fit`, whose objective they minimise.

    The optimiser also receives ``rng_key`` (of the step) and ``num_labelled`` N, if it takes them: one that adds noise
    scaled by the number of labels samples from the posterior.

    Args:
      network: the network to train.
      likelihood: defines the loss and the predictive distribution.
      optimizer: any optax transformation.
      minibatch_size: see :class:`TrainingSettings`, as the settings that follow.
      weight_decay: factor of the squared kernels.
      augment: noise on the inputs.
      micro_batch_size: examples a gradient piece.
      penalty_scale: step -> factor of the network's penalty, such as a warm-up; None: 1.
      auxiliary_loss: another term to minimise. It may compare the rows of a minibatch, or of its micro-batches, with
        one another; both then need at least two rows.

    Raises:
      ValueError: invalid settings, such as a micro-batch that does not divide the minibatch.
    """
    if optimizer is None:
        raise ValueError(
            "expected an optax transformation as optimizer, got None: "
            "ddu, laplace, mc_dropout and point_estimate alone keep the weights of a network, with optimizer=None"
        )
    check_optimizer(optimizer)
    check_count("minibatch_size", minibatch_size)
    if micro_batch_size is not None:
        check_count("micro_batch_size", micro_batch_size)
        if minibatch_size % micro_batch_size:
            raise ValueError(
                f"expected micro_batch_size to divide minibatch_size {minibatch_size}, got {micro_batch_size}"
            )
    if not callable(weight_decay):
        check_nonnegative(weight_decay=weight_decay)
    if augment is not None and not callable(augment):
        raise ValueError(f"expected augment to be a function (rng_key, inputs) -> inputs, got {augment!r}")
    smallest_piece = 1 if auxiliary_loss is None else 2
    if min(minibatch_size, micro_batch_size or minibatch_size) < smallest_piece:
        raise ValueError(
            f"expected minibatch_size and micro_batch_size of at least 2 for a loss that compares rows, "
            f"got {minibatch_size} and {micro_batch_size}"
        )
    has_decay = not (isinstance(weight_decay, float | int) and weight_decay == 0)  # it may be traced: a sweep
    optimizer_with_key = optax.with_extra_args_support(optimizer)

    def loss(rng_key, trained, statistics, batch, penalty_factor, step):
        params, noise = trained
        training = network.train(rng_key, Variables(params, statistics), batch.inputs)
        losses = likelihood.loss(noise, training.outputs, batch.labels)
        data_loss = (jnp.where(batch.weights > 0, losses, 0.0) * batch.weights).mean()
        value = data_loss + training.penalty * penalty_factor
        if auxiliary_loss is not None:
            value += auxiliary_loss(params, training, losses, batch.weights, step)
        return value, training.statistics

    def gradient(rng_key, trained, statistics, batch, penalty_factor, step):
        """Value and gradient of the minibatch objective, piece by piece where that is faster."""
        value_and_grad = jax.value_and_grad(loss, argnums=1, has_aux=True)
        size = _micro_batch_size(network, statistics, minibatch_size, micro_batch_size, smallest_piece)
        if size == minibatch_size:
            return value_and_grad(rng_key, trained, statistics, batch, penalty_factor, step)
        num_pieces = minibatch_size // size
        pieces = jax.tree.map(lambda leaf: leaf.reshape(num_pieces, size, *leaf.shape[1:]), batch)

        def add_piece(total, piece):
            (value, _), grads = value_and_grad(piece[0], trained, statistics, piece[1], penalty_factor, step)
            return jax.tree.map(jnp.add, total, (value, grads)), None

        zero = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, trained))
        total, _ = jax.lax.scan(add_piece, zero, (jax.random.split(rng_key, num_pieces), pieces))
        value, grads = jax.tree.map(lambda leaf: leaf / num_pieces, total)
        return (value, statistics), grads

    def decay(trained, num_labelled):
        factor = weight_decay(num_labelled) if callable(weight_decay) else weight_decay
        return factor * sum((kernel**2).sum() for kernel in _kernels(trained[0]))

    def train_step(rng_key, rows, step, carry: Carry, batch, num_labelled):
        minibatch = jax.tree.map(lambda leaf: leaf.at[rows].get(mode="clip"), batch)
        # The training noise takes the key itself; an optimiser that draws noise gets another one.
        key_optimizer = jax.random.fold_in(rng_key, 1)
        if augment is not None:
            rng_key, key_augment = jax.random.split(rng_key)
            minibatch = minibatch._replace(inputs=augment(key_augment, minibatch.inputs))
        factor = (1.0 if penalty_scale is None else penalty_scale(step)) / num_labelled
        (value, statistics), grads = gradient(rng_key, carry.trained, carry.statistics, minibatch, factor, step)
        if has_decay:
            grads = jax.tree.map(jnp.add, grads, jax.grad(decay)(carry.trained, num_labelled))
        updates, optimizer_state = optimizer_with_key.update(
            grads, carry.optimizer_state, carry.trained, rng_key=key_optimizer, num_labelled=num_labelled
        )
        return Carry(optax.apply_updates(carry.trained, updates), statistics, optimizer_state), value

    def run(rng_key, carry, batch, first, count):
        key_rows, key_noise = jax.random.split(rng_key)
        num_labelled = jnp.maximum((batch.weights > 0).sum(), 1)
        # Drawn for all steps at once: many small calls of the generator cost as much as a small network.
        rows = _draw_rows(key_rows, batch.weights, (count, minibatch_size))

        def body(carry, step):
            key, rows_of_step, number = step
            return train_step(key, rows_of_step, number, carry, batch, num_labelled)

        steps = (jax.random.split(key_noise, count), rows, first + jnp.arange(count))
        carry, values = jax.lax.scan(body, carry, steps)
        return carry, values[-1]

    def init(state):
        trained = (state.variables.params, state.noise)
        return Carry(trained, state.variables.statistics, optimizer.init(trained))

    return GradientSteps(init, run)


def keep_if_empty(batch: Batch, before: PyTree, after: PyTree) -> PyTree:
    """The state ``before`` if there are no labels, else the state ``after``."""
    is_empty = ~(batch.weights > 0).any()
    return jax.tree.map(lambda old, new: jnp.where(is_empty, old, new), before, after)


def _micro_batch_size(
    network: Network, statistics: PyTree, minibatch_size: int, wanted: int | None, smallest: int
) -> int:
    # Batch statistics must see the whole minibatch.
    if jax.tree.leaves(statistics):
        if wanted not in (None, minibatch_size):
            raise ValueError(f"expected no micro_batch_size for a network with batch statistics, got {wanted}")
        return minibatch_size
    if wanted is not None:
        return wanted
    if not network.convolutional or jax.default_backend() != "cpu":
        return minibatch_size
    sizes = range(smallest, min(CPU_MICRO_BATCH, minibatch_size) + 1)
    return max((size for size in sizes if minibatch_size % size == 0), default=minibatch_size)


def _kernels(params: PyTree) -> list[Array]:
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return [leaf for path, leaf in leaves if getattr(path[-1], "key", None) == "kernel"]


def _draw_rows(rng_key: RngKey, weights: Float[Array, " K"], shape: tuple[int, ...]) -> Int[Array, "..."]:
    """Rows drawn with replacement among those of positive weight, the same whatever the size of the buffer."""
    ranks = jnp.cumsum(weights > 0)
    wanted = jax.random.randint(rng_key, shape, 0, jnp.maximum(ranks[-1], 1))
    return jnp.searchsorted(ranks, wanted, side="right")
