"""Monte Carlo dropout: a posterior sample is a dropout mask that all points share."""

from typing import Unpack

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from bal.likelihoods import Likelihood
from bal.networks import Network
from bal.networks._map_images import are_maps, map_images
from bal.posteriors._posterior import Posterior, check_num_samples
from bal.posteriors.training._gradient_fit import fit_or_keep
from bal.posteriors.training._gradient_steps import NetworkState, init_network
from bal.posteriors.training._network_functions import has_noise, map_draws, network_features
from bal.posteriors.training._training_settings import TrainingSettings


def mc_dropout(
    network: Network,
    likelihood: Likelihood,
    optimizer: optax.GradientTransformation | None,
    **training: Unpack[TrainingSettings],
) -> Posterior:
    r"""MC dropout as approximate variational inference: each posterior sample is the network under one dropout mask.

    The weights of draw s are :math:`m_s \odot W`.
    In training each example has its own mask. A draw is one mask for all points, so that joint predictions are those
    of one function.

    Args:
      network: its ``head`` must draw from its key, such as by dropout with a rate above 0.
      likelihood: defines the loss and the predictive distribution.
      optimizer: any optax transformation; None keeps the weights of the network, and the initial noise of a Gaussian
        likelihood: set it with ``gaussian(noise=...)``.
      **training: see :class:`bal.posteriors.TrainingSettings`; an optimizer needs ``num_steps`` and
        ``minibatch_size``.

    Returns:
      A posterior whose draws are keys.

    Raises:
      ValueError: invalid settings, or (from ``init``) a network without noise behind its trunk.

    Example:
      >>> import bal
      >>> network = bal.networks.mlp(num_outputs=3, hidden_sizes=(16,), dropout_rate=0.2)
      >>> posterior = mc_dropout(
      ...     network, bal.likelihoods.categorical(), optax.adam(1e-3), num_steps=100, minibatch_size=32
      ... )

    References:
      Gal and Ghahramani 2016, Dropout as a Bayesian approximation, arXiv:1506.02142
    """

    def init(rng_key, batch):
        """Fresh parameters; raises for a network without noise."""
        shapes = jax.eval_shape(network.init, rng_key, batch.inputs)
        if not has_noise(network, shapes, batch.inputs):
            raise ValueError(
                "expected a network with noise for mc_dropout, got one whose draws are all the same, which makes every "
                "score 0: give it a dropout rate above 0, or use a posterior such as deep_ensemble"
            )
        return init_network(network, likelihood, rng_key, batch)

    fit = fit_or_keep("mc_dropout", network, likelihood, optimizer, **training)

    def sample(rng_key, state, num_samples):
        """Keys of masks."""
        return jax.random.split(rng_key, check_num_samples(num_samples, None, "mc_dropout"))

    def predict(state: NetworkState, draws, inputs):
        """Predictions under each mask; the trunk is evaluated once."""

        def of_points(inputs):
            hidden = network.trunk(state.variables, inputs)

            def predict_one(rng_key):
                outputs = network.readout(state.variables, network.head(state.variables, hidden, rng_key))
                return likelihood.predictive(state.noise, outputs)

            return map_draws(network, predict_one, draws)

        if not network.convolutional or not are_maps(jax.eval_shape(network.trunk, state.variables, inputs)):
            return of_points(inputs)
        # All draws of a few images, before the next images: the maps of the trunk are still in the cache.
        by_point = map_images(lambda piece: jax.tree.map(_swapped, of_points(piece)), inputs)
        return jax.tree.map(_swapped, by_point)

    return Posterior(
        init=init,
        fit=fit,
        sample=sample,
        predict=predict,
        features=network_features(network),
        covariance=None,
        likelihood=likelihood,
        convolutional=network.convolutional,
    )


def _swapped(leaf: Array) -> Array:
    return jnp.swapaxes(leaf, 0, 1)
