"""SNGP: a Gaussian process on top of a network that keeps distances, with a closed-form last layer."""

from typing import NamedTuple, Unpack

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from bal.factorisation import cho_solve, cholesky, solve_triangular
from bal.likelihoods import Likelihood
from bal.networks import Network, Variables
from bal.posteriors._posterior import Posterior, check_num_samples
from bal.posteriors.neural._random_features import RandomFeatures, draw_frequencies, with_random_features
from bal.posteriors.training._gradient_features import network_gradients
from bal.posteriors.training._gradient_fit import gradient_fit
from bal.posteriors.training._gradient_steps import NetworkState, init_network, keep_if_empty
from bal.posteriors.training._last_layer import check_embeds, embed, embedding_width
from bal.posteriors.training._spectral_normalisation import with_spectral_bound
from bal.posteriors.training._training_settings import TrainingSettings
from bal.precision import full_precision
from bal.types import Batch, PyTree
from bal.validation import check_count, check_positive


class SNGPState(NamedTuple):
    """A trained network, and a Gaussian over the weights of each output."""

    variables: Variables  # params: those of the network, and the mean weights [F, C]
    noise: PyTree  # parameters of the likelihood
    random: RandomFeatures
    precision_factor: Float[Array, "C F F"]  # lower Cholesky factors of the inverse covariances


def sngp(
    network: Network,
    likelihood: Likelihood,
    optimizer: optax.GradientTransformation,
    *,
    spectral_bound: float | Float[Array, ""] | None = 0.95,
    num_features: int = 1024,
    lengthscale: float | Float[Array, ""] = 1.0,
    prior_precision: float | Float[Array, ""] = 1.0,
    **training: Unpack[TrainingSettings],
) -> Posterior:
    r"""A spectral-normalised neural Gaussian process: uncertainty grows with the distance from the labels.

    The hidden layers have a bounded spectral norm. Their embedding h is the input of a Gaussian process with an RBF
    kernel, as random Fourier features,

    .. math:: f_c(x) = \phi(h)^\top \beta_c, \quad \phi(h) = \sqrt{2 / F} \cos(W h / l + b), \quad
              W \sim N(0, 1), \; b \sim U(0, 2\pi), \; \beta_c \sim N(0, \delta^{-1} I)

    and its posterior is a Laplace approximation for each output, exact at the trained weights,

    .. math:: \beta_c \mid D \sim N(\hat\beta_c, \Sigma_c), \qquad
              \Sigma_c^{-1} = \delta I + \sum_i w_i \Lambda_{i,cc}\, \phi_i \phi_i^\top

    with :math:`\Lambda_{i,cc}` the second derivative of the loss by output c: :math:`p_{ic} (1 - p_{ic})` for classes,
    the form of the paper for each class (equation 9) rather than one matrix for all classes with the bound 1/4, which
    would give a point the same variance whether its label was certain or not. The derivatives between classes are left
    out, as there. For :func:`bal.likelihoods.gaussian` it is :math:`1 / \sigma^2`, and mean and covariance are those of
    Bayesian linear regression in the features. They are computed in one pass over the labels after training, which
    includes the prior of :math:`\beta`. ``covariance`` is that of f, summed over the outputs.

    A draw is a set of weights, so predictions are joint; S draws cost one pass through the network and one product.

    Args:
      network: with an embedding; its last layer is replaced. Distances are kept from below, too, if its layers are
        residual: ``mlp(residual=True)``, ``resnet18``. Its dropout is noise in training only.
      likelihood: defines the loss and the predictive distribution.
      optimizer: any optax transformation; the bound is applied after each of its steps.
      spectral_bound: c, largest spectral norm of the kernels before the last layer; None: not bounded.
      num_features: F. Memory grows as C F^2 and the time after training as C F^3. Where labels have more effective
        dimensions than a fraction of F, the variance far from them is underestimated.
      lengthscale: l of the kernel, in the unit of the embedding.
      prior_precision: :math:`\delta` of the weights; the function has variance :math:`1 / \delta` far from all labels.
      **training: see :class:`bal.posteriors.TrainingSettings`; ``num_steps`` and ``minibatch_size`` are required.

    Returns:
      A posterior whose draws are weights [S, F, C].

    Raises:
      ValueError: invalid settings, a network without an embedding, or (from ``init``) a last layer that is not linear.

    Example:
      >>> import bal
      >>> network = bal.networks.mlp(num_outputs=3, hidden_sizes=(16, 16), residual=True)
      >>> posterior = sngp(
      ...     network, bal.likelihoods.categorical(), optax.adam(1e-3), num_features=64,
      ...     num_steps=100, minibatch_size=32,
      ... )

    References:
      Liu et al. 2020, Simple and principled uncertainty estimation with deterministic deep learning via distance
      awareness, arXiv:2006.10108
      Rahimi and Recht 2007, Random features for large-scale kernel machines
    """
    check_embeds("sngp", network)
    check_count("num_features", num_features)
    check_positive(lengthscale=lengthscale, prior_precision=prior_precision)
    if spectral_bound is not None:
        check_positive(spectral_bound=spectral_bound)
    gradient_fit(network, likelihood, optimizer, **training)  # checks the settings before there is a state

    def with_features(random: RandomFeatures) -> Network:
        return with_random_features(network, random, lengthscale, prior_precision)

    def init(rng_key, batch):
        """Fresh parameters of the network; draws are functions from the prior."""
        key_network, key_random = jax.random.split(rng_key)
        width = embedding_width(network, rng_key, batch.inputs)
        random = draw_frequencies(key_random, width, num_features)
        start = init_network(with_features(random), likelihood, key_network, batch)
        num_outputs = start.variables.params["weights"].shape[1]
        factor = jnp.sqrt(prior_precision) * jnp.eye(num_features)
        return SNGPState(*start, random, jnp.broadcast_to(factor, (num_outputs, num_features, num_features)))

    def fit(rng_key, state: SNGPState, batch, validation=None):
        """Train from the state, then compute the posterior of the weights."""
        whole, start = with_features(state.random), NetworkState(state.variables, state.noise)
        bounded = with_spectral_bound(optimizer, spectral_bound, whole, start, batch.inputs)
        trained, info = gradient_fit(whole, likelihood, bounded, **training)(rng_key, start, batch, validation)
        mean, factor = posterior_of_weights(whole, trained, batch)
        variables = trained.variables._replace(params={**trained.variables.params, "weights": mean})
        return keep_if_empty(batch, state, SNGPState(variables, trained.noise, state.random, factor)), info

    @full_precision
    def posterior_of_weights(whole: Network, trained: NetworkState, batch: Batch):
        """Mean [F, C] and factors of the precision [C, F, F]."""
        weights = trained.variables.params["weights"]
        # Padding may hold anything, also infinities: it is replaced, not multiplied by 0.
        labelled = batch.weights[:, None] > 0
        features = jnp.where(labelled, embed(whole, trained.variables, batch.inputs), 0.0)
        slopes, curvatures = _derivatives(likelihood, trained.noise, features @ weights, batch.labels)
        slopes, curvatures = (jnp.where(labelled, batch.weights[:, None] * each, 0.0) for each in (slopes, curvatures))

        def factor_of(curvature):
            summed = features.T @ (curvature[:, None] * features)
            # Below its rounding the sum may have negative eigenvalues; with little noise that exceeds the prior.
            least = jnp.maximum(prior_precision, jnp.finfo(summed.dtype).eps * jnp.trace(summed))
            return cholesky(summed + least * jnp.eye(num_features))

        factor = jax.lax.map(factor_of, curvatures.T)
        if likelihood.predicts == "gaussian" and weights.shape[1] == 1:
            # The objective is quadratic, so one step of Newton's method from anywhere gives the exact mean.
            descent = features.T @ slopes + prior_precision * weights
            weights = weights - cho_solve(factor[0], descent)
        return weights, factor

    @full_precision
    def sample(rng_key, state: SNGPState, num_samples):
        """Weights of the last layer."""
        mean = state.variables.params["weights"]
        shape = (*mean.T.shape, check_num_samples(num_samples, None, "sngp"))
        normals = jax.random.normal(rng_key, shape)
        deviations = jax.vmap(lambda factor, normal: solve_triangular(factor.T, normal, lower=False))(
            state.precision_factor, normals
        )
        return mean[None] + deviations.transpose(2, 1, 0)

    def predict(state: SNGPState, draws: Float[Array, "S F C"], inputs):
        """Predictions under each draw of the weights; the network is evaluated once."""
        outputs = jnp.tensordot(embedding(state, inputs), draws, axes=(1, 1)).swapaxes(0, 1)
        return jax.vmap(lambda output: likelihood.predictive(state.noise, output))(outputs)

    @full_precision
    def covariance(state: SNGPState, inputs_a, inputs_b):
        """Posterior covariance of the latent functions, summed over the outputs."""
        features_a, features_b = embedding(state, inputs_a), embedding(state, inputs_b)

        def of_output(factor):
            whitened = [solve_triangular(factor, each.T, lower=True) for each in (features_a, features_b)]
            return whitened[0].T @ whitened[1]

        return jax.lax.map(of_output, state.precision_factor).sum(axis=0)

    def embedding(state: SNGPState, inputs):
        """The random features, the input of the last layer."""
        return embed(with_features(state.random), state.variables, inputs)

    def gradient(state: SNGPState, inputs):
        """The sketched gradient of the mean outputs by all parameters."""
        return network_gradients(with_features(state.random), NetworkState(state.variables, state.noise), inputs)

    return Posterior(
        init=init,
        fit=fit,
        sample=sample,
        predict=predict,
        features={"embedding": embedding, "gradient": gradient},
        covariance=covariance,
        likelihood=likelihood,
        convolutional=network.convolutional,
    )


def _derivatives(likelihood: Likelihood, noise: PyTree, outputs: Float[Array, "n C"], labels: PyTree):
    """First and second derivative of each row's loss by each of its outputs, both [n, C]."""

    def of_row(output, label):
        loss = lambda one: likelihood.loss(noise, one[None], label[None])[0]
        return jax.grad(loss)(output), jnp.diagonal(jax.hessian(loss)(output))

    return jax.vmap(of_row)(outputs, labels)
