"""Deep ensembles: a posterior sample is one of several networks trained from different starts."""

from typing import Unpack

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from bal.likelihoods import Likelihood
from bal.networks import Network
from bal.posteriors._posterior import Posterior, take_draws
from bal.posteriors.training._gradient_features import network_gradients
from bal.posteriors.training._gradient_fit import fit_or_keep, gradient_fit
from bal.posteriors.training._gradient_steps import NetworkState, init_network
from bal.posteriors.training._network_functions import map_draws, num_at_once, over_positions, predict_networks
from bal.posteriors.training._training_settings import TrainingSettings
from bal.validation import check_count


def deep_ensemble(
    network: Network,
    likelihood: Likelihood,
    optimizer: optax.GradientTransformation,
    *,
    num_members: int,
    members_at_once: int | None = None,
    **training: Unpack[TrainingSettings],
) -> Posterior:
    """Networks that differ in their initial parameters, the order of their data and their training noise.

    Members predict without noise: dropout is noise in training only.

    Args:
      network: architecture of each member.
      likelihood: defines the loss and the predictive distribution.
      optimizer: any optax transformation.
      num_members: number of networks E; draws are members, without replacement.
      members_at_once: members trained in one ``vmap``; None chooses by network and platform.
      **training: see :class:`bal.posteriors.TrainingSettings`; ``num_steps`` and ``minibatch_size`` are required.

    Returns:
      A posterior whose draws are states of members.

    Raises:
      ValueError: invalid settings, or (from ``sample``) more samples than members.

    Example:
      >>> import bal
      >>> network = bal.networks.mlp(num_outputs=3, hidden_sizes=(16,))
      >>> posterior = deep_ensemble(
      ...     network, bal.likelihoods.categorical(), optax.adam(1e-3), num_members=5, num_steps=100, minibatch_size=32
      ... )

    References:
      Lakshminarayanan et al. 2017, Simple and scalable predictive uncertainty estimation using deep ensembles,
      arXiv:1612.01474
    """
    check_count("num_members", num_members)
    if members_at_once is not None:
        check_count("members_at_once", members_at_once)
    return ensemble(
        network, likelihood, optimizer, "deep_ensemble", num_members=num_members, at_once=members_at_once, **training
    )


def ensemble(
    network: Network,
    likelihood: Likelihood,
    optimizer: optax.GradientTransformation | None,
    name: str,
    *,
    num_members: int,
    at_once: int | None = None,
    **training: Unpack[TrainingSettings],
) -> Posterior:
    """An ensemble, called ``name`` in messages."""
    if optimizer is None and num_members == 1:
        fit_member = fit_or_keep(name, network, likelihood, optimizer, **training)
    else:
        fit_member = gradient_fit(network, likelihood, optimizer, **training)
    at_once = at_once or num_at_once(network, num_members)

    def init(rng_key, batch):
        """Fresh parameters of each member, [E, ...]."""
        keys = jax.random.split(rng_key, num_members)
        return jax.vmap(lambda key: init_network(network, likelihood, key, batch))(keys)

    def fit(rng_key, state, batch, validation=None):
        """Train each member from its state, with its own order of the data."""

        def fit_one(member):
            key, network_state = member
            return fit_member(key, network_state, batch, validation)

        members = (jax.random.split(rng_key, num_members), state)
        if at_once >= num_members:
            return jax.vmap(fit_one)(members)
        return jax.lax.map(fit_one, members, batch_size=at_once)

    def sample(rng_key, state, num_samples):
        """Members, without replacement."""
        return take_draws(rng_key, state, num_samples, name)

    def embedding(state, inputs):
        """Embeddings of all members, side by side."""

        def embed_one(member: NetworkState):
            hidden = network.trunk(member.variables, inputs)
            return over_positions(network.head(member.variables, hidden, None))

        embeddings = map_draws(network, embed_one, state)
        return jnp.moveaxis(embeddings, 0, 1).reshape(embeddings.shape[1], -1)

    def gradient(state, inputs):
        """Sum of the sketched gradients of all members: its kernel is the sum of their kernels."""

        def of_member(member: tuple[Array, NetworkState]):
            return network_gradients(network, member[1], inputs, member=member[0])

        return jax.lax.map(of_member, (jnp.arange(num_members), state)).sum(axis=0)

    return Posterior(
        init=init,
        fit=fit,
        sample=sample,
        predict=predict_networks(network, likelihood),
        features={"gradient": gradient} | ({"embedding": embedding} if network.embeds else {}),
        covariance=None,
        likelihood=likelihood,
        max_samples=num_members,
        convolutional=network.convolutional,
    )
