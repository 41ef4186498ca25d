"""Any posterior from a table of settings: each takes those that its signature names."""

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, cast, get_args

import optax

import bal
from bal.posteriors import Posterior, bayesian_network

FACTORIES = cast(dict[str, Callable[..., Posterior]], bal.posteriors.POSTERIORS)


class Recipe(NamedTuple):
    """Settings of one posterior that differ from those which all share."""

    always: Mapping[str, Any] = MappingProxyType({})
    classes: Mapping[str, Any] = MappingProxyType({})  # where labels are classes
    in_a_round: Mapping[str, Any] = MappingProxyType({})  # hundreds of fits to a few labels, of 128 hidden units
    thorough: Mapping[str, Any] = MappingProxyType({})  # one fit, of 64 hidden units, as in experiments.posteriors


# In a round, found on digits with 20 labels. With few labels the prior outweighs them: at temperature 1 a variational
# or a sampled network hardly learns, and a prior precision by marginal likelihood falls so low that draws of a network
# that is certain of its labels are noise. NUTS would take hours at its default depth. SGLD and SGHMC take plain
# gradient steps, which are many where there is time, and momentum multiplies a step by ten. A factorised guide needs a
# prior as wide as this one, or it falls back on its prior. Embeddings of images are far apart for a Gaussian process of
# lengthscale 1, and one of variance 1 is hardly certain of any label.
RECIPES = {
    # Labels are standardised, so 1 is their standard deviation.
    "bayesian_linear": Recipe({"noise": 0.5}),
    "gaussian_process": Recipe({"optimizer": optax.adam(0.05)}, thorough={"num_steps": 200, "lengthscale": 0.5}),
    "laplace": Recipe(
        classes={"curvature": "kronecker"}, in_a_round={"prior_precision": 100.0}, thorough={"prior_precision": 30.0}
    ),
    "mean_field": Recipe({"temperature": 0.1}, thorough={"num_steps": 4000}),
    "numpyro_mcmc": Recipe(in_a_round={"num_warmup": 100, "max_tree_depth": 5}),
    "numpyro_svi": Recipe(thorough={"optimizer": optax.adam(0.01), "num_steps": 4000}),
    "sghmc": Recipe(
        {"prior_scale": 3.0, "temperature": 0.1},
        in_a_round={"learning_rate": 0.05},
        thorough={"learning_rate": 0.01, "num_steps": 4000},
    ),
    "sgld": Recipe(
        {"prior_scale": 3.0, "temperature": 0.1},
        in_a_round={"learning_rate": 0.2},
        thorough={"learning_rate": 0.1, "num_steps": 4000},
    ),
    "sngp": Recipe({"lengthscale": 2.0, "prior_precision": 0.1}, in_a_round={"num_features": 256}),
}


def recipe(name: str, *, classes: bool, thorough: bool) -> dict[str, Any]:
    """The settings by parameter name that one posterior needs beside those which all share.

    Args:
      name: of a posterior; {} where it needs nothing.
      classes: whether labels are classes, or real numbers.
      thorough: whether a fit may take minutes, as on a page of posteriors, or is one of hundreds.
    """
    found = RECIPES.get(name, Recipe())
    values = {**found.always, **(found.thorough if thorough else found.in_a_round)}
    if classes:
        return {**values, **found.classes}
    # For real labels laplace finds a good prior precision by the marginal likelihood, and sngp has that of labels of
    # variance 1.
    values.pop("prior_precision", None)
    return values


def arguments(name: str, factory: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that a factory takes, by its signature.

    Args:
      name: of the factory, for the message.
      factory: of a posterior or a network.
      values: by parameter name, also of those that the factory gathers in ``**training``.

    Raises:
      ValueError: a required parameter has no value.
    """
    wanted: set[str] = set()
    required: set[str] = set()
    for parameter in inspect.signature(factory).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            for settings in get_args(parameter.annotation):  # Unpack[TrainingSettings], or one that extends it
                wanted |= settings.__required_keys__ | settings.__optional_keys__
                required |= settings.__required_keys__
        else:
            wanted.add(parameter.name)
            required |= {parameter.name} if parameter.default is parameter.empty else set()
    missing = sorted(required - set(values))
    if missing:
        raise ValueError(f"expected values for the settings {missing} of {name!r}, got none")
    return {key: value for key, value in values.items() if key in wanted}


def is_classifier(factory: Callable[..., Posterior]) -> bool:
    """Whether a registered posterior takes any likelihood; the others have their own, for real labels."""
    return "likelihood" in inspect.signature(factory).parameters


def probabilistic_program(
    factory: Callable[..., Posterior], network: bal.networks.Network, *, prior_scale: float, noise: float | None
) -> dict[str, Any]:
    """The network as a numpyro model, and its guide, for the posteriors that take one."""
    parameters = inspect.signature(factory).parameters
    if "model" not in parameters:
        return {}
    pieces: dict[str, Any] = {"model": bayesian_network(network, prior_scale=prior_scale, noise=noise)}
    if "guide" in parameters:
        from numpyro.infer import init_to_uniform
        from numpyro.infer.autoguide import AutoNormal

        # Means start about as a network's weights do. The guide's default start, within 2 of 0, is far too large.
        pieces["guide"] = AutoNormal(pieces["model"], init_loc_fn=init_to_uniform(radius=0.1), init_scale=0.01)
    return pieces
