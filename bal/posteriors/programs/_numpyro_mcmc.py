"""Any numpyro model as a posterior, by the No-U-Turn sampler."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from bal.likelihoods import Likelihood
from bal.posteriors._fit_info import FitInfo
from bal.posteriors._posterior import Posterior, take_draws
from bal.posteriors.programs._numpyro_model import (
    Model,
    inspect_model,
    predict_draws,
    sample_latents,
    weighted_model,
    without_padding,
)
from bal.posteriors.programs._r_hat import split_r_hat
from bal.posteriors.training._gradient_steps import keep_if_empty
from bal.types import Batch, PyTree, RngKey
from bal.validation import check_count, check_fraction


def numpyro_mcmc(
    model: Model,
    likelihood: Likelihood,
    *,
    num_warmup: int,
    num_draws: int,
    num_chains: int = 4,
    target_acceptance: float | Array = 0.8,
    max_tree_depth: int = 10,
) -> Posterior:
    """Latent values of a numpyro model, drawn by the No-U-Turn sampler (NUTS).

    The model is called as ``model(inputs, labels)`` and, to predict, as ``model(inputs, None)``. One site has
    ``obs=labels``: Categorical for classes, Normal for real numbers. Padding is masked, and a row of weight w counts as
    w observations. Each ``fit`` restarts from draws of the prior; before the first label, draws are from the prior.

    ``FitInfo.loss`` is the energy (negative log of the joint density) of the last draws, in nats a point.
    ``FitInfo.diagnostics`` holds ``r_hat``, the largest over the predictions at the labelled points (1 is best; above
    1.05 the chains disagree), ``r_hat_latents``, the largest over the latent values, which the labels do not identify
    in a network, and ``num_divergences``, the number after the warm-up (0 is best).

    Args:
      model: numpyro statements; :func:`bal.posteriors.bayesian_network` makes one of a network.
      likelihood: categorical or Gaussian; the model gives the distribution itself.
      num_warmup: steps that adapt each chain and are discarded.
      num_draws: draws kept from each chain.
      num_chains: chains, which run in one ``vmap``.
      target_acceptance: raise it against divergences: steps are then smaller.
      max_tree_depth: a step evaluates the gradient at most 2**max_tree_depth times.

    Returns:
      A posterior with ``num_chains * num_draws`` draws: dictionaries of latent values.

    Raises:
      ValueError: invalid settings, or (from ``init``) a model without exactly one suitable observation site.

    Example:
      >>> import numpyro, numpyro.distributions as dist
      >>> from bal.likelihoods import gaussian
      >>> def model(inputs, labels=None):
      ...     weights = numpyro.sample("weights", dist.Normal(0.0, 1.0).expand((inputs.shape[1],)).to_event(1))
      ...     with numpyro.plate("points", inputs.shape[0]):
      ...         numpyro.sample("label", dist.Normal(inputs @ weights, 0.1), obs=labels)
      >>> posterior = numpyro_mcmc(model, gaussian(noise=0.1), num_warmup=100, num_draws=50, num_chains=2)
      >>> posterior.max_samples
      100

    References:
      Hoffman and Gelman 2014, The No-U-Turn sampler, arXiv:1111.4246
      Phan et al. 2019, Composable effects for flexible and accelerated probabilistic programming in NumPyro,
      arXiv:1912.11554
    """
    check_count("num_warmup", num_warmup)
    check_count("num_chains", num_chains)
    # The two halves of a chain are compared, and a variance needs two draws.
    check_count("num_draws", num_draws, least=4)
    check_count("max_tree_depth", max_tree_depth)
    check_fraction(target_acceptance=target_acceptance)
    max_samples = num_chains * num_draws
    predict = predict_draws(model)

    # Compiled here: numpyro makes new functions at each trace, so every call outside of jit would compile again.
    @jax.jit
    def init(rng_key: RngKey, batch: Batch) -> dict[str, Array]:
        """Draws from the prior; raises for an unsuitable model."""
        sites = inspect_model(model, likelihood, batch)

        def draw(key):
            return sample_latents(key, model, sites.latents, batch.inputs, batch.labels)

        return jax.vmap(draw)(jax.random.split(rng_key, max_samples))

    @jax.jit
    def fit(rng_key: RngKey, state: dict[str, Array], batch: Batch, validation: Batch | None = None):
        """Restart all chains; the state only provides the names of the latent values."""
        sites = inspect_model(model, likelihood, batch)
        run = nuts(
            weighted_model(model, sites.observation, batch.weights),
            without_padding(batch),
            num_warmup=num_warmup,
            num_draws=num_draws,
            target_acceptance=target_acceptance,
            max_tree_depth=max_tree_depth,
        )
        chains, diverging, energies = jax.vmap(run)(jax.random.split(rng_key, num_chains))
        chains = {name: chains[name] for name in state}
        fitted = jax.tree.map(lambda leaf: leaf.reshape(max_samples, *leaf.shape[2:]), chains)
        fitted = keep_if_empty(batch, state, fitted)
        is_empty = ~(batch.weights > 0).any()
        r_hat = _r_hat_of_predictions(likelihood.predicts, predict(fitted, fitted, batch.inputs), num_chains)
        diagnostics = {
            "r_hat": jnp.where(is_empty, jnp.nan, jnp.where(batch.weights > 0, r_hat, 0.0).max()),
            "r_hat_latents": jnp.stack([split_r_hat(leaf).max() for leaf in chains.values()]).max(),
            "num_divergences": diverging.sum(),
        }
        loss = energies.mean() / jnp.maximum((batch.weights > 0).sum(), 1)
        return fitted, FitInfo(loss=loss, num_steps=jnp.int32(num_warmup + num_draws), diagnostics=diagnostics)

    def sample(rng_key: RngKey, state: dict[str, Array], num_samples: int | None) -> dict[str, Array]:
        """Draws of all chains, without replacement."""
        return take_draws(rng_key, state, num_samples, "numpyro_mcmc")

    return Posterior(
        init=init,
        fit=fit,
        sample=sample,
        predict=predict,
        features={},
        covariance=None,
        likelihood=likelihood,
        max_samples=max_samples,
    )


def nuts(
    model: Model,
    arguments: tuple[PyTree, Array],
    *,
    num_warmup: int,
    num_draws: int,
    target_acceptance: float | Array,
    max_tree_depth: int,
) -> Callable[[RngKey], tuple[dict[str, Array], Bool[Array, " draws"], Float[Array, ""]]]:
    """One chain as a function of a key: latent values [draws, ...], which draws diverged, energy of the last draw."""
    from numpyro.infer import init_to_sample
    from numpyro.infer.hmc import hmc
    from numpyro.infer.util import initialize_model

    def run(rng_key: RngKey):
        key_start, key_chain = jax.random.split(rng_key)
        # The sampler's default start, uniform within 2 of 0, is far outside the prior of a network's weights.
        start, potential, constrain, _ = initialize_model(
            key_start, model, init_strategy=init_to_sample, model_args=arguments, validate_grad=False
        )
        init_kernel, step = hmc(potential, algo="NUTS")
        chain = init_kernel(
            start,
            num_warmup,
            target_accept_prob=target_acceptance,
            max_tree_depth=max_tree_depth,
            rng_key=key_chain,
        )

        def draw(chain, _):
            chain = step(chain)
            return chain, (chain.z, chain.diverging)

        # One loop for warm-up and draws: the sampler takes long to compile, and tells the two apart by its counter.
        end, (positions, diverging) = jax.lax.scan(draw, chain, None, length=num_warmup + num_draws)
        latents = jax.vmap(constrain)(jax.tree.map(lambda leaf: leaf[num_warmup:], positions))
        return latents, diverging[num_warmup:], end.potential_energy

    return run


def _r_hat_of_predictions(kind: str, predictions: PyTree, num_chains: int) -> Float[Array, " K"]:
    values = predictions.mean if kind == "gaussian" else jnp.exp(predictions)
    r_hat = split_r_hat(values.reshape(num_chains, -1, *values.shape[1:]))
    return r_hat.reshape(r_hat.shape[0], -1).max(axis=-1)
