"""Stochastic-gradient Hamiltonian Monte Carlo."""

from typing import Unpack

from jaxtyping import Array, Float

from bal.likelihoods import Likelihood
from bal.networks import Network
from bal.posteriors._gradient_fit import TrainingSettings
from bal.posteriors._langevin import langevin
from bal.posteriors._posterior import Posterior


def sghmc(
    network: Network,
    likelihood: Likelihood,
    *,
    learning_rate: float | Float[Array, ""],
    friction: float | Float[Array, ""] = 0.1,
    prior_scale: float | Float[Array, ""] = 1.0,
    temperature: float | Float[Array, ""] = 1.0,
    num_cycles: int = 4,
    draws_per_cycle: int = 5,
    exploration: float = 0.8,
    **training: Unpack[TrainingSettings],
) -> Posterior:
    r"""Langevin dynamics with momentum, as :func:`bal.posteriors.sgld` otherwise.

    .. math:: v \leftarrow (1 - \alpha) v - \eta g + \sqrt{2 \alpha \eta T / N}\, \xi, \qquad
              \theta \leftarrow \theta + v

    The noise of the minibatches is not subtracted from the injected one (the estimate of it is 0 in the paper's terms).

    Args:
      network: its dropout is training noise only.
      likelihood: what the outputs mean.
      learning_rate: :math:`\eta` at the start of a cycle.
      friction: :math:`\alpha`, one less the factor of the momentum.
      prior_scale: standard deviation of the Gaussian prior of every parameter of the network.
      temperature: T; below 1 the posterior is sharper than Bayes.
      num_cycles: cycles; it divides ``num_steps``.
      draws_per_cycle: draws of each cycle; all cycles together are the draws of the posterior.
      exploration: share of a cycle without noise.
      **training: see :class:`bal.posteriors.TrainingSettings`, without early stopping; ``num_steps`` is that of all
        cycles.

    Returns:
      A posterior whose draws are networks.

    Raises:
      ValueError: settings that cannot be, or (from ``sample``) more samples than draws.

    References:
      Chen et al. 2014, Stochastic gradient Hamiltonian Monte Carlo, arXiv:1402.4102
      Zhang et al. 2020, Cyclical stochastic gradient MCMC for Bayesian deep learning, arXiv:1902.03932
    """
    return langevin(
        network,
        likelihood,
        "sghmc",
        learning_rate=learning_rate,
        friction=friction,
        prior_scale=prior_scale,
        temperature=temperature,
        num_cycles=num_cycles,
        draws_per_cycle=draws_per_cycle,
        exploration=exploration,
        **training,
    )
