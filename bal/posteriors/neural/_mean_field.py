"""Mean-field variational inference: independent Gaussian weights, trained by gradients (Bayes by Backprop)."""

from typing import Unpack

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from bal.likelihoods import Likelihood
from bal.networks import Network, divergence_from_prior, draw_gaussian_weights, gaussian_weights
from bal.posteriors._posterior import Posterior, check_num_samples
from bal.posteriors.training._gradient_fit import gradient_fit
from bal.posteriors.training._gradient_steps import NetworkState, init_network
from bal.posteriors.training._network_functions import network_features, predict_with_weights
from bal.posteriors.training._training_settings import TrainingSettings
from bal.validation import check_nonnegative, check_positive


def mean_field(
    network: Network,
    likelihood: Likelihood,
    optimizer: optax.GradientTransformation,
    *,
    prior_scale: float | Float[Array, ""] = 1.0,
    temperature: float | Float[Array, ""] = 1.0,
    num_warmup_steps: float | Float[Array, ""] = 0.0,
    **training: Unpack[TrainingSettings],
) -> Posterior:
    r"""Mean-field variational inference: Gaussian weights that minimise the negative evidence lower bound.

    In nats a point, the loss of the weight distribution q is

    .. math:: \frac1N \Bigl( E_q \sum_i \ell_i(w) + T\, \min(1, \tfrac{t}{t_0})\, KL(q \,\|\, N(0, s^2)) \Bigr)

    with the divergence in closed form. N is the number of labels, so the weight of the prior falls as labels are added.

    Args:
      network: with :class:`bal.networks.VariationalDense` or ``VariationalConv`` layers, none of them in its trunk,
        such as :func:`bal.networks.variational_mlp`. Other parameters are trained to a point.
      likelihood: defines the loss and the predictive distribution.
      optimizer: any optax transformation.
      prior_scale: s, standard deviation of every weight under the prior.
      temperature: T; below 1 the posterior is sharper than Bayes (the target is likelihood^(1/T) times prior).
      num_warmup_steps: t_0, steps over which the weight of the divergence rises to T.
      **training: see :class:`bal.posteriors.TrainingSettings`; ``num_steps`` and ``minibatch_size`` are required.

    Returns:
      A posterior whose draws are sets of weights.

    Raises:
      ValueError: invalid settings, or (from ``init``) a network without Gaussian weights.

    Example:
      >>> import bal
      >>> network = bal.networks.variational_mlp(num_outputs=3, hidden_sizes=(16,))
      >>> posterior = mean_field(
      ...     network, bal.likelihoods.categorical(), optax.adam(1e-3), temperature=0.1,
      ...     num_steps=100, minibatch_size=32,
      ... )

    References:
      Blundell et al. 2015, Weight uncertainty in neural networks, arXiv:1505.05424
    """

    check_positive(prior_scale=prior_scale)
    check_nonnegative(temperature=temperature, num_warmup_steps=num_warmup_steps)

    def train(rng_key, variables, inputs):
        result = network.train(rng_key, variables, inputs)
        return result._replace(penalty=result.penalty + divergence_from_prior(variables.params, prior_scale))

    def penalty_scale(step):
        return temperature * jnp.minimum((step + 1) / jnp.maximum(num_warmup_steps, 1.0), 1.0)

    def init(rng_key, batch):
        """Fresh means and scales; raises for a network without Gaussian weights."""
        state = init_network(network, likelihood, rng_key, batch)
        if not gaussian_weights(state.variables.params):
            raise ValueError("expected a network with variational layers for mean_field, got none in its parameters")
        return state

    fit = gradient_fit(network._replace(train=train), likelihood, optimizer, penalty_scale, **training)

    def sample(rng_key, state: NetworkState, num_samples):
        """Sets of weights."""
        keys = jax.random.split(rng_key, check_num_samples(num_samples, None, "mean_field"))
        return jax.vmap(lambda key: draw_gaussian_weights(key, state.variables.params))(keys)

    return Posterior(
        init=init,
        fit=fit,
        sample=sample,
        predict=predict_with_weights(network, likelihood),
        features=network_features(network),
        covariance=None,
        likelihood=likelihood,
        convolutional=network.convolutional,
    )
