"""Any numpyro model as a posterior, by variational inference with any guide."""

import copy
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from bal.likelihoods import Likelihood
from bal.posteriors._fit_info import FitInfo
from bal.posteriors._posterior import Posterior, check_num_samples
from bal.posteriors.programs._numpyro_model import (
    Model,
    check_guide,
    inspect_model,
    latent_names,
    predict_draws,
    sample_latents,
    weighted_model,
    without_padding,
)
from bal.posteriors.training._gradient_steps import keep_if_empty
from bal.posteriors.training._training_settings import check_optimizer
from bal.types import Batch, PyTree, RngKey
from bal.validation import check_count


class GuideState(NamedTuple):
    """Parameters of a guide, and a point of the shape that it is called with."""

    params: dict[str, PyTree]
    inputs: PyTree  # [1, ...], zeros
    labels: Array  # [1], zeros


def numpyro_svi(
    model: Model,
    guide: Model,
    likelihood: Likelihood,
    optimizer: optax.GradientTransformation,
    *,
    num_steps: int,
) -> Posterior:
    r"""A numpyro guide fitted to the latent values of a numpyro model by stochastic variational inference.

    .. math:: \max_q \; E_{q(z)} [\sum_i w_i \log p(y_i \mid x_i, z) + \log p(z) - \log q(z)]

    Each step draws z once and uses all labels. The model is called as ``model(inputs, labels)`` and, to predict, as
    ``model(inputs, None)``; so is the guide, and with one point of zeros to draw from it. Fitting continues from the
    parameters in the state.

    Args:
      model: numpyro statements with one Categorical or Normal site that has ``obs=labels``.
      guide: a numpyro guide: ``numpyro.infer.autoguide.AutoNormal(model)``, or a function that samples the same latent
        sites as the model. It must not be amortised: a draw serves all points.
      likelihood: categorical or Gaussian; the model gives the distribution itself.
      optimizer: any optax transformation.
      num_steps: optimiser steps.

    Returns:
      A posterior whose draws are dictionaries of latent values. ``FitInfo.loss`` is the negative evidence lower bound
      in nats a point.

    Raises:
      ValueError: invalid settings, or (from ``init``) a model without exactly one suitable observation site, or a guide
        whose sites are not the latent sites of the model.

    Example:
      >>> import numpyro, numpyro.distributions as dist
      >>> from bal.likelihoods import gaussian
      >>> def model(inputs, labels=None):
      ...     weights = numpyro.sample("weights", dist.Normal(0.0, 1.0).expand((inputs.shape[1],)).to_event(1))
      ...     with numpyro.plate("points", inputs.shape[0]):
      ...         numpyro.sample("label", dist.Normal(inputs @ weights, 0.1), obs=labels)
      >>> guide = numpyro.infer.autoguide.AutoNormal(model)
      >>> posterior = numpyro_svi(model, guide, gaussian(noise=0.1), optax.adam(1e-2), num_steps=100)

    References:
      Hoffman et al. 2013, Stochastic variational inference, arXiv:1206.7051
      Kucukelbir et al. 2017, Automatic differentiation variational inference, arXiv:1603.00788
    """
    check_optimizer(optimizer)
    check_count("num_steps", num_steps)

    def inference(observation: str, batch: Batch):
        from numpyro.infer import SVI, Trace_ELBO

        weighted = weighted_model(model, observation, batch.weights)
        # An automatic guide stores its first call. A copy for each trace keeps tracers out of the caller's object.
        return SVI(weighted, copy.deepcopy(guide), optimizer, Trace_ELBO())

    # Compiled here: numpyro makes new functions at each trace, so every call outside of jit would compile again.
    @jax.jit
    def init(rng_key: RngKey, batch: Batch) -> GuideState:
        """Fresh parameters of the guide; raises for an unsuitable model or guide."""
        sites = inspect_model(model, likelihood, batch)
        check_guide(copy.deepcopy(guide), sites, batch)
        svi = inference(sites.observation, batch)
        params = svi.get_params(svi.init(rng_key, *without_padding(batch)))
        return GuideState(params, *jax.tree.map(lambda leaf: jnp.zeros_like(leaf[:1]), (batch.inputs, batch.labels)))

    @jax.jit
    def fit(rng_key: RngKey, state: GuideState, batch: Batch, validation: Batch | None = None):
        """Maximise the evidence lower bound, from the parameters in the state."""
        points = without_padding(batch)
        svi = inference(inspect_model(model, likelihood, batch).observation, batch)
        start = svi.init(rng_key, *points, init_params=state.params)
        end, losses = jax.lax.scan(lambda svi_state, _: svi.update(svi_state, *points), start, None, length=num_steps)
        params = keep_if_empty(batch, state.params, svi.get_params(end))
        loss = losses[-1] / jnp.maximum((batch.weights > 0).sum(), 1)
        return state._replace(params=params), FitInfo(loss=loss, num_steps=jnp.int32(num_steps))

    @partial(jax.jit, static_argnums=2)
    def sample(rng_key: RngKey, state: GuideState, num_samples: int | None) -> dict[str, Array]:
        """Latent values drawn from the guide."""
        from numpyro import handlers

        num_samples = check_num_samples(num_samples, None, "numpyro_svi")
        fitted = handlers.substitute(copy.deepcopy(guide), data=state.params)
        names = latent_names(model, state.inputs, state.labels)

        def draw(key):
            return sample_latents(key, fitted, names, state.inputs, state.labels)

        return jax.vmap(draw)(jax.random.split(rng_key, num_samples))

    return Posterior(
        init=init,
        fit=fit,
        sample=sample,
        predict=predict_draws(model),
        features={},
        covariance=None,
        likelihood=likelihood,
    )
