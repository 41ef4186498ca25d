"""Stochastic-gradient Langevin dynamics."""

from typing import Unpack

from jaxtyping import Array, Float

from bal.likelihoods import Likelihood
from bal.networks import Network
from bal.posteriors._gradient_fit import TrainingSettings
from bal.posteriors._langevin import langevin
from bal.posteriors._posterior import Posterior


def sgld(
    network: Network,
    likelihood: Likelihood,
    *,
    learning_rate: float | Float[Array, ""],
    prior_scale: float | Float[Array, ""] = 1.0,
    temperature: float | Float[Array, ""] = 1.0,
    num_cycles: int = 4,
    draws_per_cycle: int = 5,
    exploration: float = 0.8,
    **training: Unpack[TrainingSettings],
) -> Posterior:
    r"""Gradient steps with so much noise that they sample from the posterior.

    .. math:: \theta \leftarrow \theta - \eta g + \sqrt{2 \eta T / N}\, \xi

    with g the gradient of the minibatch objective in nats a point and N the number of labels. The learning rate falls
    from :math:`\eta` to 0 in each cycle, by a cosine; the first part of a cycle has no noise and looks for another
    mode, in the second draws are taken at equal distances. Parameters of the
    likelihood are sampled too, under a flat prior.

    Args:
      network: its dropout is training noise only.
      likelihood: what the outputs mean.
      learning_rate: :math:`\eta` at the start of a cycle; the step size of the papers is 2 eta / N.
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
      Welling and Teh 2011, Bayesian learning via stochastic gradient Langevin dynamics
      Zhang et al. 2020, Cyclical stochastic gradient MCMC for Bayesian deep learning, arXiv:1902.03932
    """
    return langevin(
        network,
        likelihood,
        "sgld",
        learning_rate=learning_rate,
        friction=1.0,
        prior_scale=prior_scale,
        temperature=temperature,
        num_cycles=num_cycles,
        draws_per_cycle=draws_per_cycle,
        exploration=exploration,
        **training,
    )
