"""Stochastic-gradient Langevin dynamics."""

from typing import Unpack

from bal.likelihoods import Likelihood
from bal.networks import Network
from bal.posteriors._posterior import Posterior
from bal.posteriors.sampling._langevin import ChainSettings, langevin


def sgld(
    network: Network,
    likelihood: Likelihood,
    **settings: Unpack[ChainSettings],
) -> Posterior:
    r"""Gradient steps with noise scaled so that they sample from the posterior.

    .. math:: \theta \leftarrow \theta - \eta g + \sqrt{2 \eta T / N}\, \xi

    with g the gradient of the minibatch objective in nats a point and N the number of labels. In each cycle the
    learning rate falls from :math:`\eta` to 0 along a cosine. The first part of a cycle has no noise and looks for
    another mode; in the second part draws are taken at equal distances. Parameters of the likelihood are sampled too,
    under a flat prior.

    Args:
      network: its dropout is noise in training only.
      likelihood: defines the loss and the predictive distribution.
      **settings: see :class:`bal.posteriors.ChainSettings`; ``learning_rate``, ``num_steps`` and ``minibatch_size``
        are required.

    Returns:
      A posterior whose draws are networks.

    Raises:
      ValueError: invalid settings, or (from ``sample``) more samples than draws.

    Example:
      >>> import bal
      >>> network = bal.networks.mlp(num_outputs=3, hidden_sizes=(16,))
      >>> posterior = sgld(
      ...     network, bal.likelihoods.categorical(), learning_rate=0.1, num_steps=200, minibatch_size=32
      ... )
      >>> posterior.max_samples
      20

    References:
      Welling and Teh 2011, Bayesian learning via stochastic gradient Langevin dynamics
      Zhang et al. 2020, Cyclical stochastic gradient MCMC for Bayesian deep learning, arXiv:1902.03932
    """
    return langevin(network, likelihood, "sgld", friction=1.0, **settings)
