"""Laplace approximation: a Gaussian around the trained network, with the curvature of the loss as its precision."""

from typing import NamedTuple, Unpack

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from bal.likelihoods import Likelihood
from bal.networks import Network, Variables, deterministic_outputs
from bal.posteriors._posterior import Posterior, check_num_samples
from bal.posteriors.neural._curvature import CURVATURES, Curvature, best_prior_precision, extend, log_evidence
from bal.posteriors.training._gradient_fit import fit_or_keep
from bal.posteriors.training._gradient_steps import NetworkState, init_network, keep_if_empty
from bal.posteriors.training._last_layer import check_embeds, embed, embedding_width
from bal.posteriors.training._network_functions import map_draws, network_features
from bal.posteriors.training._training_settings import TrainingSettings
from bal.types import PyTree
from bal.validation import check_choice, check_positive


class LaplaceState(NamedTuple):
    """Mean, and precision as curvature plus prior."""

    variables: Variables
    noise: PyTree  # parameters of the likelihood
    curvature: Curvature
    prior_precision: Float[Array, ""]


def laplace(
    network: Network,
    likelihood: Likelihood,
    optimizer: optax.GradientTransformation | None,
    *,
    curvature: str = "full",
    prior_precision: float | Float[Array, ""] | None = None,
    linearised: bool = True,
    **training: Unpack[TrainingSettings],
) -> Posterior:
    r"""A Gaussian around the trained weights, in the generalised Gauss-Newton form.

    .. math:: N\Bigl(\theta^*, \bigl(\textstyle\sum_i w_i J_i^T \Lambda_i J_i + \delta I\bigr)^{-1}\Bigr)

    J is the Jacobian of the outputs and :math:`\Lambda` the Hessian of the loss with respect to them, at the labelled
    points. The network is trained first, or keeps its weights if there is no optimizer. ``FitInfo.diagnostics`` has
    the log marginal likelihood in nats, and the prior precision. ``covariance``, of the curvatures over the last layer,
    is that of the latent functions, summed over the outputs.

    Args:
      network: its dropout is noise in training only.
      likelihood: defines the loss and the predictive distribution.
      optimizer: any optax transformation; None keeps the weights of the network, and the initial noise of a Gaussian
        likelihood, which scales the curvature: set it with ``gaussian(noise=...)``.
      curvature: "full" or "kronecker" over the last layer, memory (F C)^2 and F^2 + C^2 for F features; "diagonal" over
        all weights.
      prior_precision: :math:`\delta`, which then is part of the training objective too; None: the value of the largest
        marginal likelihood, found after training. A classifier that is certain of few labels has next to no curvature,
        and the marginal likelihood then gives draws that are mostly noise: set a precision, such as the fan-in.
      linearised: for "diagonal", whether predictions are those of the network linearised at the mean, one ``jvp`` a
        draw, for which the curvature is derived (Immer et al.), or of the network at each draw of the weights. Over the
        last layer, which is linear, both are the same.
      **training: see :class:`bal.posteriors.TrainingSettings`; an optimizer needs ``num_steps`` and
        ``minibatch_size``.

    Returns:
      A posterior whose draws are deviations of the weights from their mean.

    Raises:
      ValueError: invalid settings, a curvature over the last layer of a network without an embedding, or (from
        ``init``) a readout that is not one linear layer, or embeddings at each position of an image.

    Example:
      >>> import bal
      >>> network = bal.networks.mlp(num_outputs=3, hidden_sizes=(16,))
      >>> posterior = laplace(
      ...     network, bal.likelihoods.categorical(), optax.adam(1e-3), prior_precision=16.0,
      ...     num_steps=100, minibatch_size=32,
      ... )

    References:
      MacKay 1992, A practical Bayesian framework for backpropagation networks
      Immer et al. 2021, Improving predictions of Bayesian neural nets via local linearization, arXiv:2008.08400
      Daxberger et al. 2021, Laplace redux, arXiv:2106.14806
    """
    check_choice("curvature", curvature, CURVATURES)
    if curvature != "diagonal":
        check_embeds(f"laplace(curvature={curvature!r})", network)
    if prior_precision is not None:
        check_positive(prior_precision=prior_precision)
    if not isinstance(linearised, bool):
        raise ValueError(f"expected linearised to be True or False, got {linearised!r}")
    method = CURVATURES[curvature](network, likelihood)

    def squared_norm(variables: Variables, inputs: PyTree):
        return sum((leaf**2).sum() for leaf in jax.tree.leaves(method.covered(variables, inputs)))

    def train(rng_key, variables, inputs):
        result = network.train(rng_key, variables, inputs)
        if prior_precision is None:
            return result
        return result._replace(penalty=result.penalty + 0.5 * prior_precision * squared_norm(variables, inputs))

    fit_network = fit_or_keep("laplace", network._replace(train=train), likelihood, optimizer, **training)

    def init(rng_key, batch):
        """Fresh parameters without curvature: draws are from the prior around them."""
        if curvature != "diagonal":
            embedding_width(network, rng_key, batch.inputs)  # raises for labels at positions of an image
        state = init_network(network, likelihood, rng_key, batch)
        nothing = batch._replace(weights=jnp.zeros_like(batch.weights))
        shapes = jax.eval_shape(method.compute, state, nothing)
        identity = tuple(jnp.eye(*factor.shape) for factor in shapes.basis)
        zero = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes.eigenvalues)
        precision = jnp.asarray(1.0 if prior_precision is None else prior_precision)
        return LaplaceState(*state, Curvature(zero, identity), precision)

    def fit(rng_key, state: LaplaceState, batch, validation=None):
        """Train from the state, then compute the curvature at the trained weights."""
        trained, info = fit_network(rng_key, NetworkState(state.variables, state.noise), batch, validation)
        computed = method.compute(trained, batch)
        norm = squared_norm(trained.variables, batch.inputs)
        precision = best_prior_precision(computed, norm) if prior_precision is None else jnp.asarray(prior_precision)
        outputs = deterministic_outputs(network, trained.variables, batch.inputs)
        losses = likelihood.loss(trained.noise, outputs, batch.labels)
        log_likelihood = -jnp.where(batch.weights > 0, losses * batch.weights, 0.0).sum()
        diagnostics = {
            "log_marginal_likelihood": log_likelihood + log_evidence(computed, norm, precision),
            "prior_precision": precision,
        }
        fitted = LaplaceState(trained.variables, trained.noise, computed, precision)
        return keep_if_empty(batch, state, fitted), info._replace(diagnostics=diagnostics)

    def sample(rng_key, state: LaplaceState, num_samples):
        """Deviations of the weights from their mean."""
        keys = jax.random.split(rng_key, check_num_samples(num_samples, None, "laplace"))
        return jax.vmap(lambda key: method.deviate(key, state.curvature, state.prior_precision))(keys)

    def predict_last_layer(state: LaplaceState, draws, inputs):
        """Predictions of each draw of the last layer; the body is evaluated once."""
        embeddings = embed(network, state.variables, inputs)
        outputs = network.readout(state.variables, embeddings)
        features = extend(embeddings, draws.shape[1])
        return jax.vmap(lambda draw: likelihood.predictive(state.noise, outputs + features @ draw))(draws)

    def predict_all(state: LaplaceState, draws, inputs):
        """Predictions of each draw of all weights."""

        def outputs_of(params):
            return deterministic_outputs(network, Variables(params, state.variables.statistics), inputs)

        params = state.variables.params
        if linearised:
            outputs, push_forward = jax.linearize(outputs_of, params)
            return map_draws(
                network, lambda draw: likelihood.predictive(state.noise, outputs + push_forward(draw)), draws
            )
        return map_draws(
            network,
            lambda draw: likelihood.predictive(state.noise, outputs_of(jax.tree.map(jnp.add, params, draw))),
            draws,
        )

    def covariance(state: LaplaceState, inputs_a, inputs_b):
        """Posterior covariance of the latent functions, summed over the outputs."""
        num_features = state.curvature.eigenvalues.shape[0]
        features = [extend(embed(network, state.variables, inputs), num_features) for inputs in (inputs_a, inputs_b)]
        assert method.covariance is not None
        return method.covariance(state.curvature, state.prior_precision, *features)

    return Posterior(
        init=init,
        fit=fit,
        sample=sample,
        predict=predict_all if curvature == "diagonal" else predict_last_layer,
        features=network_features(network),
        covariance=None if method.covariance is None else covariance,
        likelihood=likelihood,
        convolutional=network.convolutional,
    )
