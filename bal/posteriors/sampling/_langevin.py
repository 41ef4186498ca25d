"""Stochastic-gradient MCMC with a cyclical schedule: draws are networks along a noisy training trajectory."""

from typing import NamedTuple, Required, Unpack

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from bal.likelihoods import Likelihood
from bal.networks import Network, Variables
from bal.posteriors._fit_info import FitInfo
from bal.posteriors._posterior import Posterior, take_draws
from bal.posteriors.training._gradient_steps import NetworkState, gradient_steps, init_network, keep_if_empty
from bal.posteriors.training._network_functions import network_features, predict_networks
from bal.posteriors.training._training_settings import TrainingSettings, without_early_stopping
from bal.types import PyTree
from bal.validation import check_count, check_nonnegative, check_positive, check_probability


class ChainSettings(TrainingSettings, total=False):
    """Settings of :func:`sgld` and :func:`sghmc`; ``num_steps`` counts the steps of all cycles. No early stopping."""

    learning_rate: Required[float | Float[Array, ""]]  # of the start of a cycle; times 2 / N: the papers' step size
    prior_scale: float | Float[Array, ""]  # 1: standard deviation of the Gaussian prior of the network's parameters
    temperature: float | Float[Array, ""]  # 1: Bayes; below, the posterior is sharper
    num_cycles: int  # 4; it divides num_steps
    draws_per_cycle: int  # 5; those of all cycles together are the draws of the posterior
    exploration: float  # 0.8: fraction of a cycle without noise


class ChainState(NamedTuple):
    """The end of the chain, and the networks that were drawn from it."""

    variables: Variables
    noise: PyTree  # parameters of the likelihood
    draws: NetworkState  # leaves [S, ...]


class Cycles(NamedTuple):
    """When a chain explores and when it collects. In each cycle the step size falls to 0 along a cosine."""

    num_cycles: int
    draws_per_cycle: int
    steps_per_cycle: int
    steps_between: int  # steps between the draws of a cycle, the last of which is its end

    @property
    def num_exploring(self) -> int:
        """Steps at the start of a cycle, without noise, that look for another mode."""
        return self.steps_per_cycle - self.draws_per_cycle * self.steps_between


def langevin(
    network: Network,
    likelihood: Likelihood,
    name: str,
    *,
    friction: float | Float[Array, ""],
    learning_rate: float | Float[Array, ""] | None = None,
    prior_scale: float | Float[Array, ""] = 1.0,
    temperature: float | Float[Array, ""] = 1.0,
    num_cycles: int = 4,
    draws_per_cycle: int = 5,
    exploration: float = 0.8,
    **training: Unpack[TrainingSettings],
) -> Posterior:
    """A chain, called ``name`` in messages; see :class:`ChainSettings`."""
    if learning_rate is None:
        raise ValueError(f"expected a learning_rate for {name}, got none: pass it by name, such as learning_rate=0.01")
    check_positive(learning_rate=learning_rate, prior_scale=prior_scale, friction=friction)
    check_probability(friction=friction)
    check_nonnegative(temperature=temperature)
    num_steps, settings = without_early_stopping(name, training)
    cycles = _cycles(num_steps, num_cycles, draws_per_cycle, exploration)

    def train(rng_key, variables, inputs):
        result = network.train(rng_key, variables, inputs)
        squares = sum((leaf**2).sum() for leaf in jax.tree.leaves(variables.params))
        return result._replace(penalty=result.penalty + 0.5 * squares / prior_scale**2)

    mover = noisy_momentum(cycles, learning_rate, friction, temperature)
    steps = gradient_steps(network._replace(train=train), likelihood, mover, **settings)
    max_samples = num_cycles * draws_per_cycle

    def init(rng_key, batch):
        """A fresh network; all draws are equal to it."""
        start = init_network(network, likelihood, rng_key, batch)
        draws = jax.tree.map(lambda leaf: jnp.repeat(leaf[None], max_samples, axis=0), start)
        return ChainState(start.variables, start.noise, draws)

    def fit(rng_key, state: ChainState, batch, validation=None):
        """Run all cycles from the end of the chain in the state, and keep the draws of each."""
        carry = steps.init(NetworkState(state.variables, state.noise))

        def collect(carry, draw):
            key, first = draw
            carry, value = steps.run(key, carry, batch, first, cycles.steps_between)
            return carry, (carry.state(), value)

        def run_cycle(carry, cycle):
            key, number = cycle
            key_explore, key_collect = jax.random.split(key)
            first = number * cycles.steps_per_cycle
            if cycles.num_exploring:
                carry, _ = steps.run(key_explore, carry, batch, first, cycles.num_exploring)
            starts = first + cycles.num_exploring + cycles.steps_between * jnp.arange(draws_per_cycle)
            return jax.lax.scan(collect, carry, (jax.random.split(key_collect, draws_per_cycle), starts))

        numbered = (jax.random.split(rng_key, num_cycles), jnp.arange(num_cycles))
        carry, (draws, values) = jax.lax.scan(run_cycle, carry, numbered)
        draws = jax.tree.map(lambda leaf: leaf.reshape(max_samples, *leaf.shape[2:]), draws)
        fitted = ChainState(*carry.state(), draws)
        info = FitInfo(loss=values[-1, -1], num_steps=jnp.int32(num_steps))
        return keep_if_empty(batch, state, fitted), info

    def sample(rng_key, state: ChainState, num_samples):
        """Draws of the chain, without replacement."""
        return take_draws(rng_key, state.draws, num_samples, name)

    return Posterior(
        init=init,
        fit=fit,
        sample=sample,
        predict=predict_networks(network, likelihood),
        features=network_features(network),
        covariance=None,
        likelihood=likelihood,
        max_samples=max_samples,
        convolutional=network.convolutional,
    )


class MomentumState(NamedTuple):
    """State of the update."""

    momentum: PyTree
    step: Int[Array, ""]


def noisy_momentum(
    cycles: Cycles,
    learning_rate: float | Float[Array, ""],
    friction: float | Float[Array, ""],
    temperature: float | Float[Array, ""],
) -> optax.GradientTransformationExtraArgs:
    r"""The update of stochastic-gradient Hamiltonian Monte Carlo, for gradients g of an objective in nats a point.

    .. math:: v \leftarrow (1 - \alpha) v - \eta g + \sqrt{2 \alpha \eta T / N}\, \xi, \qquad
              \theta \leftarrow \theta + v

    With friction 1 these are Langevin dynamics. The objective is the energy divided by the number of labels N, so
    :math:`\eta` is an ordinary learning rate, and the step size of the papers is :math:`2 \eta / N`.
    """

    def init(params):
        return MomentumState(jax.tree.map(jnp.zeros_like, params), jnp.int32(0))

    def update(grads, state, params=None, *, rng_key, num_labelled, **unused):
        place = state.step % cycles.steps_per_cycle
        rate = learning_rate * 0.5 * (1 + jnp.cos(jnp.pi * place / cycles.steps_per_cycle))
        noise_scale = jnp.sqrt(2 * friction * rate * temperature / num_labelled)
        noise_scale = jnp.where(place < cycles.num_exploring, 0.0, noise_scale)
        leaves, structure = jax.tree.flatten(grads)
        keys = jax.tree.unflatten(structure, list(jax.random.split(rng_key, len(leaves))))

        def move(velocity, grad, key):
            noise = noise_scale * jax.random.normal(key, grad.shape)
            return (1 - friction) * velocity - rate * grad + noise

        momentum = jax.tree.map(move, state.momentum, grads, keys)
        return momentum, MomentumState(momentum, state.step + 1)

    return optax.GradientTransformationExtraArgs(init, update)


def _cycles(num_steps: int, num_cycles: int, draws_per_cycle: int, exploration: float) -> Cycles:
    check_count("num_cycles", num_cycles)
    check_count("draws_per_cycle", draws_per_cycle)
    check_probability(exploration=exploration)
    if num_steps % num_cycles:
        raise ValueError(f"expected num_cycles to divide num_steps, got {num_cycles} and {num_steps}")
    steps_per_cycle = num_steps // num_cycles
    steps_between = int(steps_per_cycle * (1 - exploration)) // draws_per_cycle
    if steps_between < 1:
        raise ValueError(
            f"expected a step for each of the {draws_per_cycle} draws of a cycle after its exploration, got "
            f"{steps_per_cycle} steps a cycle with exploration={exploration}: raise num_steps or lower exploration"
        )
    return Cycles(num_cycles, draws_per_cycle, steps_per_cycle, steps_between)
