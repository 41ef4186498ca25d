"""DDU: one deterministic network, and the density of its features as a measure of what it has not seen."""

from typing import NamedTuple, Unpack

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from bal.likelihoods import Likelihood
from bal.networks import Network, Variables
from bal.posteriors._posterior import Posterior, check_num_samples
from bal.posteriors.neural._discriminant_analysis import (
    FeatureDensity,
    fit_density,
    log_density,
    standard_density,
)
from bal.posteriors.training._gradient_fit import fit_or_keep
from bal.posteriors.training._gradient_steps import NetworkState, init_network, keep_if_empty
from bal.posteriors.training._last_layer import check_embeds, embed, embedding_width
from bal.posteriors.training._network_functions import network_features, predict_networks
from bal.posteriors.training._spectral_normalisation import with_spectral_bound
from bal.posteriors.training._training_settings import TrainingSettings
from bal.types import PyTree
from bal.validation import check_positive


class DDUState(NamedTuple):
    """A trained network and the density of its embeddings."""

    variables: Variables
    noise: PyTree  # parameters of the likelihood
    density: FeatureDensity


def ddu(
    network: Network,
    likelihood: Likelihood,
    optimizer: optax.GradientTransformation | None,
    *,
    spectral_bound: float | Float[Array, ""] | None = 0.95,
    **training: Unpack[TrainingSettings],
) -> Posterior:
    r"""Deep deterministic uncertainty: one network, and the density of its features at the labelled points.

    After training, Gaussian discriminant analysis fits one Gaussian to the embeddings h of each class,

    .. math:: \log q(h) = \log \sum_c \tfrac{n_c}{n} N(h; \mu_c, \Sigma_c)

    for other labels, which have no classes, one to all embeddings. Epistemic uncertainty is
    :math:`-\log q(h(x))`; aleatoric uncertainty is the entropy of the prediction, and says nothing where q is low.

    This is no distribution over functions. The posterior has one draw, the trained network, so all scores of
    disagreement are 0, as for a point estimate. The density is a property of the inputs, not of predictions, so it is
    a feature: "log_density" [n, 1], for which :func:`bal.strategies.feature_density` asks. Draws that disagree by the
    density would make joint scores meaningless.

    Args:
      network: with an embedding. A density sees only what the embedding keeps, so its layers should be residual:
        ``mlp(residual=True)``, ``resnet18``. Its dropout is noise in training only.
      likelihood: defines the loss and the predictive distribution.
      optimizer: any optax transformation, after each of whose steps the bound is applied; None keeps the weights of the
        network as they are.
      spectral_bound: c, largest spectral norm of the kernels before the last layer; None: not bounded.
      **training: see :class:`bal.posteriors.TrainingSettings`; an optimizer needs ``num_steps`` and
        ``minibatch_size``.

    Returns:
      A posterior with one draw, and the feature "log_density" [n, 1], in nats.

    Raises:
      ValueError: invalid settings, a network without an embedding, or (from ``sample``) more than one sample.

    Example:
      >>> import bal
      >>> network = bal.networks.mlp(num_outputs=3, hidden_sizes=(16, 16), residual=True)
      >>> posterior = ddu(
      ...     network, bal.likelihoods.categorical(), optax.adam(1e-3), num_steps=100, minibatch_size=32
      ... )

    References:
      Mukhoti et al. 2021, Deep deterministic uncertainty: a new simple baseline, arXiv:2102.11582
    """
    check_embeds("ddu", network)
    if spectral_bound is not None:
        check_positive(spectral_bound=spectral_bound)
    fit_or_keep("ddu", network, likelihood, optimizer, **training)  # checks the settings before there is a state
    has_classes = likelihood.predicts == "categorical"

    def init(rng_key, batch):
        """Fresh parameters, and a standard normal density."""
        start = init_network(network, likelihood, rng_key, batch)
        outputs = jax.eval_shape(
            lambda: network.readout(start.variables, embed(network, start.variables, batch.inputs))
        )
        width = embedding_width(network, rng_key, batch.inputs)
        density = standard_density(outputs.shape[-1] if has_classes else 1, width)
        return DDUState(start.variables, start.noise, density)

    def fit(rng_key, state: DDUState, batch, validation=None):
        """Train from the state, then fit the density of the embeddings of the labels."""
        start, optimizer_within = NetworkState(state.variables, state.noise), optimizer
        if optimizer is not None:
            optimizer_within = with_spectral_bound(optimizer, spectral_bound, network, start, batch.inputs)
        fit_network = fit_or_keep("ddu", network, likelihood, optimizer_within, **training)
        trained, info = fit_network(rng_key, start, batch, validation)
        num_classes = state.density.shares.shape[0]
        members = jax.nn.one_hot(batch.labels, num_classes) if has_classes else jnp.ones((batch.weights.shape[0], 1))
        embeddings = embed(network, trained.variables, batch.inputs)
        density = fit_density(embeddings, members * batch.weights[:, None])
        return keep_if_empty(batch, state, DDUState(trained.variables, trained.noise, density)), info

    def sample(rng_key, state: DDUState, num_samples):
        """The trained network, the only draw."""
        check_num_samples(num_samples, 1, "ddu")
        return jax.tree.map(lambda leaf: leaf[None], NetworkState(state.variables, state.noise))

    def feature_log_density(state: DDUState, inputs) -> Float[Array, "n 1"]:
        """Logarithm of the density of each point's embedding, in nats: low far from all labels."""
        return log_density(state.density, embed(network, state.variables, inputs))[:, None]

    return Posterior(
        init=init,
        fit=fit,
        sample=sample,
        predict=predict_networks(network, likelihood),
        features={**network_features(network), "log_density": feature_log_density},
        covariance=None,
        likelihood=likelihood,
        max_samples=1,
        convolutional=network.convolutional,
    )
