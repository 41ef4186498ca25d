"""Checks of numpyro models: one observed label a point, and latent values that all points share."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from bal.likelihoods import Likelihood, check_batch
from bal.posteriors._protocols import PredictFn
from bal.types import Batch, Gaussian, PyTree, RngKey

# kind of predictions -> distributions at the observation site that give them
DISTRIBUTIONS = {"categorical": ("CategoricalLogits", "CategoricalProbs"), "gaussian": ("Normal",)}
Model = Callable[[PyTree, Array | None], object]  # (inputs, labels or None): sample statements, one with obs=labels


class ModelSites(NamedTuple):
    """What a model samples, by name."""

    observation: str  # the site of the labels
    latents: dict[str, tuple[int, ...]]  # shape of each latent value


def inspect_model(model: Model, likelihood: Likelihood, batch: Batch) -> ModelSites:
    """Trace a model abstractly; nothing is computed.

    Raises:
      ValueError: labels that the likelihood does not take; not exactly one observation site; a distribution there that
        does not give such labels, or not one for each point; a latent site that is discrete or has a value a point.
    """
    if likelihood.predicts not in DISTRIBUTIONS:
        raise ValueError(
            f"expected a categorical or Gaussian likelihood for a numpyro model, got {likelihood.predicts}"
        )
    check_batch(likelihood, batch)
    sites = _abstract_sites(model, batch.inputs, batch.labels)
    observed = [name for name, site in sites.items() if site.is_observed]
    latents = {name: site.shape for name, site in sites.items() if not site.is_observed}
    if len(observed) != 1:
        raise ValueError(
            f"expected a numpyro model with one observation site, numpyro.sample(..., obs=labels), "
            f"got {observed or 'none'}; its latent sites are {sorted(latents)}"
        )
    (name,) = observed
    wanted = DISTRIBUTIONS[likelihood.predicts]
    if sites[name].distribution not in wanted:
        raise ValueError(
            f"expected a {' or '.join(wanted)} distribution at observation site {name!r} "
            f"for labels of dtype {batch.labels.dtype}, got {sites[name].distribution}"
        )
    if sites[name].shape != batch.labels.shape:
        raise ValueError(
            f"expected observation site {name!r} of shape {list(batch.labels.shape)}, one label a point, "
            f"got {list(sites[name].shape)}"
        )
    discrete = [latent for latent in latents if sites[latent].is_discrete]
    if discrete:
        raise ValueError(f"expected continuous latent sites, got the discrete {discrete}: sum over them in the model")
    one_more = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((leaf.shape[0] + 1, *leaf.shape[1:]), leaf.dtype), batch.inputs
    )
    for latent, site in _abstract_sites(model, one_more, None).items():
        if latent in latents and site.shape != latents[latent]:
            raise ValueError(
                f"expected latent values that new points share, got site {latent!r} with a value for each point"
            )
    return ModelSites(name, latents)


def weighted_model(model: Model, observation: str, weights: Float[Array, " K"]) -> Model:
    """The model with each label's log-probability times the weight of its row."""
    from numpyro.primitives import Messenger

    class Weigh(Messenger):
        def process_message(self, message):
            if message["type"] == "sample" and message["name"] == observation:
                # The log-probability of what padding holds may be infinite, and 0 times that is nan.
                message["fn"] = message["fn"].mask(weights > 0)
                scale = message.get("scale")
                message["scale"] = weights if scale is None else weights * scale

    def weighted(inputs, labels):
        with Weigh():
            return model(inputs, labels)

    return weighted


def without_padding(batch: Batch) -> tuple[PyTree, Array]:
    """Inputs and labels with zeros in padding: numpyro starts only where the whole model is finite."""
    labelled = batch.weights > 0

    def clear(leaf: Array) -> Array:
        return jnp.where(labelled.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, 0)

    return jax.tree.map(clear, batch.inputs), clear(batch.labels)


def sample_latents(rng_key: RngKey, program: Model, names, inputs: PyTree, labels: Array | None) -> dict[str, Array]:
    """One draw of the named sites of a model or a guide."""
    from numpyro import handlers

    trace = handlers.trace(handlers.seed(program, rng_key)).get_trace(inputs, labels)
    return {name: trace[name]["value"] for name in names}


def predict_draws(model: Model) -> PredictFn:
    """The ``predict`` of latent values: the model's distribution of the labels under each draw."""

    def predict_one(latents: dict[str, Array], inputs: PyTree) -> PyTree:
        from numpyro import handlers

        # Every latent value is given. The key only draws the label itself, which is not used.
        filled = handlers.substitute(handlers.seed(model, jax.random.key(0)), data=latents)
        trace = handlers.trace(filled).get_trace(inputs, None)
        (label,) = (site["fn"] for name, site in trace.items() if site["type"] == "sample" and name not in latents)
        if label.is_discrete:
            return jnp.moveaxis(jax.vmap(label.log_prob)(label.enumerate_support(expand=False)), 0, -1)
        shape = (jax.tree.leaves(inputs)[0].shape[0],)
        return Gaussian(jnp.broadcast_to(label.mean, shape), jnp.broadcast_to(label.variance, shape))

    def predict(state: PyTree, draws: dict[str, Array], inputs: PyTree) -> PyTree:
        """The distribution of the labels under each draw of the latent values."""
        return jax.vmap(predict_one, in_axes=(0, None))(draws, inputs)

    return predict


class _Site(NamedTuple):
    shape: tuple[int, ...]
    distribution: str
    is_observed: bool
    is_discrete: bool


def _abstract_sites(program: Model, inputs, labels) -> dict[str, _Site]:
    from numpyro import handlers

    sites = {}

    def record(inputs, labels):
        trace = handlers.trace(handlers.seed(program, jax.random.key(0))).get_trace(inputs, labels)
        for name, site in trace.items():
            # Guides mark sites that are only intermediate values.
            if site["type"] == "sample" and not site["infer"].get("is_auxiliary", False):
                base = _base(site["fn"])
                discrete = not site["is_observed"] and site["fn"].support.is_discrete
                sites[name] = _Site(jnp.shape(site["value"]), type(base).__name__, site["is_observed"], discrete)

    jax.eval_shape(record, inputs, labels)
    return sites


def latent_names(model: Model, inputs: PyTree, labels: Array) -> list[str]:
    """Names of the latent sites of a model that :func:`inspect_model` has passed."""
    return [name for name, site in _abstract_sites(model, inputs, labels).items() if not site.is_observed]


def check_guide(guide: Model, sites: ModelSites, batch: Batch) -> None:
    """Raise unless a guide samples exactly the latent values of the model."""
    found = {name: site.shape for name, site in _abstract_sites(guide, batch.inputs, batch.labels).items()}
    missing, surplus = sorted(set(sites.latents) - set(found)), sorted(set(found) - set(sites.latents))
    if missing or surplus:
        raise ValueError(
            f"expected a guide that samples the latent sites {sorted(sites.latents)} of the model; "
            f"missing are {missing}, unknown to the model are {surplus}"
        )
    for name, shape in sites.latents.items():
        if found[name] != shape:
            raise ValueError(f"expected the guide to sample {name!r} of shape {list(shape)}, got {list(found[name])}")


def _base(distribution):
    """The distribution inside the wrappers of plates, masks and events."""
    while hasattr(distribution, "base_dist") and type(distribution).__name__ in (
        "ExpandedDistribution",
        "MaskedDistribution",
        "Independent",
    ):
        distribution = distribution.base_dist
    return distribution
