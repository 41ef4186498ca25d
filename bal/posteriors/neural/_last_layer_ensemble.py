"""Last-layer ensembles: one body, several last layers."""

from typing import Unpack

import jax
import jax.numpy as jnp
import optax

from bal.likelihoods import Likelihood
from bal.networks import Network, Variables
from bal.posteriors._posterior import Posterior, take_draws
from bal.posteriors.training._gradient_fit import gradient_fit
from bal.posteriors.training._gradient_steps import NetworkState, init_network
from bal.posteriors.training._last_layer import check_embeds, embed, readout_leaves
from bal.posteriors.training._network_functions import network_features
from bal.posteriors.training._training_settings import TrainingSettings
from bal.types import PyTree
from bal.validation import check_count


def last_layer_ensemble(
    network: Network,
    likelihood: Likelihood,
    optimizer: optax.GradientTransformation,
    *,
    num_members: int,
    **training: Unpack[TrainingSettings],
) -> Posterior:
    """An ensemble of last layers with different initial parameters, on a body trained on the mean of their losses.

    The cheapest ensemble and the least diverse: the body is computed once, in training and in prediction, but members
    see the same minibatches and differ by their initial parameters only. Under plain gradient descent each member
    learns ``num_members`` times slower than alone; adaptive optimisers rescale this away.

    Args:
      network: its dropout is noise in training only, the same for all members.
      likelihood: defines the loss and the predictive distribution.
      optimizer: any optax transformation.
      num_members: number of last layers E; draws are members, without replacement.
      **training: see :class:`bal.posteriors.TrainingSettings`; ``num_steps`` and ``minibatch_size`` are required.

    Returns:
      A posterior whose draws are parameters of the readout.

    Raises:
      ValueError: invalid settings, a network without an embedding or with trained weights, or (from ``sample``) more
        samples than members.

    Example:
      >>> import bal
      >>> network = bal.networks.mlp(num_outputs=3, hidden_sizes=(16,))
      >>> posterior = last_layer_ensemble(
      ...     network, bal.likelihoods.categorical(), optax.adam(1e-3), num_members=5, num_steps=100, minibatch_size=32
      ... )

    References:
      Osband et al. 2016, Deep exploration via bootstrapped DQN, arXiv:1602.04621
      Lee et al. 2015, Why M heads are better than one, arXiv:1511.06314
    """
    check_count("num_members", num_members)
    check_embeds("last_layer_ensemble", network)
    if network.trained:
        raise ValueError(
            "expected a network whose last layers are drawn at random for last_layer_ensemble, got one with trained "
            "weights, from which all members would start alike: use laplace, or deep_ensemble"
        )
    network_of_members = _with_members(network, num_members)

    # For features: a point's outputs under all members, [n, E, ...], so that its gradient is that of all of them.
    points_first = network_of_members._replace(
        readout=lambda variables, embeddings: jnp.moveaxis(network_of_members.readout(variables, embeddings), 0, 1)
    )

    def member_losses(noise, outputs, labels):
        return jax.vmap(likelihood.loss, in_axes=(None, 0, None))(noise, outputs, labels).mean(axis=0)

    def check_first_member(labels, outputs=None, predictive=None):
        first = None if outputs is None else jax.ShapeDtypeStruct(outputs.shape[1:], outputs.dtype)
        likelihood.check(labels, first, predictive)

    of_members = likelihood._replace(loss=member_losses, check=check_first_member)

    def init(rng_key, batch):
        """Fresh parameters of the body and of each last layer."""
        return init_network(network_of_members, of_members, rng_key, batch)

    fit = gradient_fit(network_of_members, of_members, optimizer, **training)

    def sample(rng_key, state: NetworkState, num_samples):
        """Last layers, without replacement."""
        _, members = state.variables.params
        return take_draws(rng_key, members, num_samples, "last_layer_ensemble")

    def predict(state: NetworkState, draws, inputs):
        """Predictions of each last layer; the body is evaluated once."""
        embeddings = embed(network_of_members, state.variables, inputs)
        outputs = _readout(network, state.variables, draws, embeddings)
        return jax.vmap(lambda output: likelihood.predictive(state.noise, output))(outputs)

    return Posterior(
        init=init,
        fit=fit,
        sample=sample,
        predict=predict,
        features=network_features(points_first),
        covariance=None,
        likelihood=likelihood,
        max_samples=num_members,
        convolutional=network.convolutional,
    )


def _with_members(network: Network, num_members: int) -> Network:
    """The network with outputs [E, n, ...]. Its parameters are those of one network, and of E readouts.

    The readout of the one network is neither used nor trained.
    """

    def init(rng_key, inputs):
        variables = network.init(rng_key, inputs)
        marks = readout_leaves(network, variables, inputs)
        fresh = jax.vmap(lambda key: network.init(key, inputs).params)(jax.random.split(rng_key, num_members))
        members = jax.tree.map(lambda mark, leaf: leaf if mark else None, marks, fresh)
        return Variables((variables.params, members), variables.statistics)

    def train(rng_key, variables, inputs):
        body, members = variables.params

        def train_one(member):
            return network.train(rng_key, Variables(_replace(body, member), variables.statistics), inputs)

        # What does not depend on the member is not batched: the body is computed once.
        training = jax.vmap(train_one)(members)
        first = jax.tree.map(lambda leaf: leaf[0], training)
        return first._replace(outputs=training.outputs)

    return Network(
        init=init,
        trunk=lambda variables, inputs: network.trunk(_body(variables), inputs),
        head=lambda variables, hidden, rng_key: network.head(_body(variables), hidden, rng_key),
        readout=lambda variables, embeddings: _readout(network, variables, variables.params[1], embeddings),
        train=train,
        convolutional=network.convolutional,
    )


def _body(variables: Variables) -> Variables:
    return Variables(variables.params[0], variables.statistics)


def _readout(network: Network, variables: Variables, members: PyTree, embeddings):
    def read(member):
        return network.readout(Variables(_replace(variables.params[0], member), variables.statistics), embeddings)

    return jax.vmap(read)(members)


def _replace(body: PyTree, member: PyTree) -> PyTree:
    return jax.tree.map(lambda own, other: own if other is None else other, body, member)
