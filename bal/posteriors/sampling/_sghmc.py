"""Stochastic-gradient Hamiltonian Monte Carlo."""

from typing import Unpack

from jaxtyping import Array, Float

from bal.likelihoods import Likelihood
from bal.networks import Network
from bal.posteriors._posterior import Posterior
from bal.posteriors.sampling._langevin import ChainSettings, langevin


def sghmc(
    network: Network,
    likelihood: Likelihood,
    *,
    friction: float | Float[Array, ""] = 0.1,
    **settings: Unpack[ChainSettings],
) -> Posterior:
    r"""Stochastic-gradient Langevin dynamics with momentum; see :func:`bal.posteriors.sgld`.

    .. math:: v \leftarrow (1 - \alpha) v - \eta g + \sqrt{2 \alpha \eta T / N}\, \xi, \qquad
              \theta \leftarrow \theta + v

    The noise of the minibatches is not subtracted from the injected noise: in the paper's terms its estimate is 0.

    Args:
      network: its dropout is noise in training only.
      likelihood: defines the loss and the predictive distribution.
      friction: :math:`\alpha`, one minus the momentum, in (0, 1].
      **settings: see :class:`bal.posteriors.ChainSettings`; ``learning_rate``, ``num_steps`` and ``minibatch_size``
        are required.

    Returns:
      A posterior whose draws are networks.

    Raises:
      ValueError: invalid settings, or (from ``sample``) more samples than draws.

    Example:
      >>> import bal
      >>> network = bal.networks.mlp(num_outputs=3, hidden_sizes=(16,))
      >>> posterior = sghmc(
      ...     network, bal.likelihoods.categorical(), learning_rate=0.1, num_steps=200, minibatch_size=32
      ... )
      >>> posterior.max_samples
      20

    References:
      Chen et al. 2014, Stochastic gradient Hamiltonian Monte Carlo, arXiv:1402.4102
      Zhang et al. 2020, Cyclical stochastic gradient MCMC for Bayesian deep learning, arXiv:1902.03932
    """
    return langevin(network, likelihood, "sghmc", friction=friction, **settings)
