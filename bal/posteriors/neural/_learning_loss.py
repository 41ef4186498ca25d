"""Learning loss: a network trained together with a small module that predicts its loss."""

from collections.abc import Callable
from typing import Unpack

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from bal.likelihoods import Likelihood
from bal.networks import LossPrediction, Network, Training, Variables, loss_prediction
from bal.posteriors._posterior import Posterior, check_num_samples
from bal.posteriors.training._gradient_fit import gradient_fit
from bal.posteriors.training._gradient_steps import NetworkState, init_network
from bal.posteriors.training._network_functions import network_features, predict_networks
from bal.posteriors.training._ranking_loss import pairwise_ranking_loss
from bal.posteriors.training._training_settings import TrainingSettings
from bal.types import PyTree
from bal.validation import check_choice, check_count, check_nonnegative, check_positive

OBJECTIVES = ("ranking", "squared_error")


def learning_loss(
    network: Network,
    likelihood: Likelihood,
    optimizer: optax.GradientTransformation,
    *,
    margin: float | Float[Array, ""] = 1.0,
    loss_weight: float | Float[Array, ""] = 1.0,
    detach_after: int | Array | None = None,
    objective: str = "ranking",
    hidden_size: int = 128,
    **training: Unpack[TrainingSettings],
) -> Posterior:
    r"""A deterministic network with a module that predicts its loss at a point from its intermediate features.

    .. math:: \tfrac1b \sum_i w_i \ell_i + \lambda\, L(\hat l, \mathrm{sg}[\ell])

    is minimised jointly, with :math:`L` over the pairs of a minibatch (see :func:`pairwise_ranking_loss`) or the mean
    squared error. On a CPU pairs are formed within micro-batches. Predicted losses order points; only those of
    ``"squared_error"`` are in nats.

    Args:
      network: it must expose intermediate ``features``. Its dropout is noise in training only.
      likelihood: defines the loss, which the module predicts, and the predictive distribution.
      optimizer: any optax transformation.
      margin: :math:`\xi` of the ranking loss.
      loss_weight: :math:`\lambda`, weight of the module's objective.
      detach_after: optimiser steps after which the gradient of the module's objective trains the module only, no
        longer the network. None: never.
      objective: "ranking", or "squared_error" (the ablation of the paper).
      hidden_size: width of the hidden layer of each level in the module.
      **training: see :class:`bal.posteriors.TrainingSettings`; ``num_steps`` and ``minibatch_size`` are required.

    Returns:
      A posterior with one draw, and the feature "predicted_loss" [n, 1].

    Raises:
      ValueError: invalid settings, or a network without intermediate features.

    Example:
      >>> import bal
      >>> network = bal.networks.mlp(num_outputs=3, hidden_sizes=(16,))
      >>> posterior = learning_loss(
      ...     network, bal.likelihoods.categorical(), optax.adam(1e-3), detach_after=60,
      ...     num_steps=100, minibatch_size=32,
      ... )

    References:
      Yoo and Kweon 2019, Learning loss for active learning, arXiv:1905.03677
    """
    features_of = network.features
    if features_of is None:
        raise ValueError(
            "expected a network with intermediate features for learning_loss, got one without: "
            "mlp, cnn and resnet18 have them, and from_functions(features=...) takes them"
        )
    check_choice("objective", objective, OBJECTIVES)
    check_positive(margin=margin, loss_weight=loss_weight)
    check_count("hidden_size", hidden_size)
    if detach_after is not None:
        check_nonnegative(detach_after=detach_after)
    prediction = loss_prediction(hidden_size=hidden_size)
    network_with_prediction = _with_prediction(network, features_of, prediction)

    def module_loss(params, training: Training, losses, weights, step):
        features = training.features
        if detach_after is not None:
            attached = step < detach_after
            features = jax.tree.map(lambda leaf: jnp.where(attached, leaf, jax.lax.stop_gradient(leaf)), features)
        predicted = prediction.apply(params["loss_prediction"], features)
        if objective == "ranking":
            return loss_weight * pairwise_ranking_loss(predicted, losses, weights, margin=margin)
        errors = jnp.where(weights > 0, predicted - jax.lax.stop_gradient(losses), 0.0)
        return loss_weight * (errors**2).mean()

    def init(rng_key, batch):
        """Fresh parameters of the network and of the module."""
        return init_network(network_with_prediction, likelihood, rng_key, batch)

    fit = gradient_fit(network_with_prediction, likelihood, optimizer, auxiliary_loss=module_loss, **training)

    def sample(rng_key, state, num_samples):
        """The trained network, the only draw."""
        check_num_samples(num_samples, 1, "learning_loss")
        return jax.tree.map(lambda leaf: leaf[None], state)

    def predicted_loss(state: NetworkState, inputs: PyTree) -> Float[Array, "n 1"]:
        """The loss that the module expects at each point; in nats for the objective "squared_error"."""
        features = features_of(_own(state.variables), inputs)
        return prediction.apply(state.variables.params["loss_prediction"], features)[:, None]

    return Posterior(
        init=init,
        fit=fit,
        sample=sample,
        predict=predict_networks(network_with_prediction, likelihood),
        features={**network_features(network_with_prediction), "predicted_loss": predicted_loss},
        covariance=None,
        likelihood=likelihood,
        max_samples=1,
        convolutional=network.convolutional,
    )


def _own(variables: Variables) -> Variables:
    """The variables of the network itself."""
    return variables._replace(params=variables.params["network"])


def _with_prediction(network: Network, features_of: Callable[..., dict[str, Array]], prediction: LossPrediction):
    """The same network with the module's parameters beside its own, so that one optimiser trains both."""

    def init(rng_key, inputs):
        key_network, key_prediction = jax.random.split(rng_key)
        variables = network.init(key_network, inputs)
        features = jax.eval_shape(features_of, variables, inputs)
        params = {"network": variables.params, "loss_prediction": prediction.init(key_prediction, features)}
        return variables._replace(params=params)

    return network._replace(
        init=init,
        trunk=lambda variables, inputs: network.trunk(_own(variables), inputs),
        head=lambda variables, hidden, rng_key: network.head(_own(variables), hidden, rng_key),
        readout=lambda variables, embeddings: network.readout(_own(variables), embeddings),
        train=lambda rng_key, variables, inputs: network.train(rng_key, _own(variables), inputs),
        features=lambda variables, inputs: features_of(_own(variables), inputs),
    )
