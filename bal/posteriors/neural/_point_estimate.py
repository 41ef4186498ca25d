"""One deterministic network: a model without epistemic uncertainty."""

from typing import Unpack

import optax

from bal.likelihoods import Likelihood
from bal.networks import Network
from bal.posteriors._posterior import Posterior
from bal.posteriors.neural._deep_ensemble import ensemble
from bal.posteriors.training._training_settings import TrainingSettings


def point_estimate(
    network: Network,
    likelihood: Likelihood,
    optimizer: optax.GradientTransformation | None,
    **training: Unpack[TrainingSettings],
) -> Posterior:
    """A posterior with a single draw, the trained network: the ablation of Gal et al., where BALD is exactly 0.

    Args:
      network: its dropout is noise in training only.
      likelihood: defines the loss and the predictive distribution.
      optimizer: any optax transformation; None keeps the weights of the network, and the initial noise of a Gaussian
        likelihood: set it with ``gaussian(noise=...)``.
      **training: see :class:`bal.posteriors.TrainingSettings`; an optimizer needs ``num_steps`` and
        ``minibatch_size``.

    Returns:
      A posterior with one draw.

    Raises:
      ValueError: invalid settings, or (from ``sample``) more than one sample.

    Example:
      >>> import bal
      >>> network = bal.networks.mlp(num_outputs=3, hidden_sizes=(16,))
      >>> posterior = point_estimate(
      ...     network, bal.likelihoods.categorical(), optax.adam(1e-3), num_steps=100, minibatch_size=32
      ... )

    References:
      Gal et al. 2017, Deep Bayesian active learning with image data, arXiv:1703.02910, section 5.2
    """
    return ensemble(network, likelihood, optimizer, "point_estimate", num_members=1, **training)
