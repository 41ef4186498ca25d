"""Any registered posterior from a table of settings: each takes those that its signature names."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

import bal
from bal.posteriors import Posterior, bayesian_network

FACTORIES = cast(dict[str, Callable[..., Posterior]], bal.posteriors.POSTERIORS)


def construct(name: str, values: Mapping[str, Any]) -> Posterior:
    """A registered posterior.

    Args:
      name: in ``bal.posteriors.POSTERIORS``.
      values: settings by parameter name; those that the posterior does not have are left out, and training settings go
        to every posterior that is trained by gradients.

    Raises:
      ValueError: a required parameter has no value.
    """
    parameters = inspect.signature(FACTORIES[name]).parameters.values()
    takes_training = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    wanted = {parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD}
    if takes_training:
        wanted |= set(bal.posteriors.TrainingSettings.__annotations__)
    required = [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    missing = [key for key in required if key not in values]
    if missing:
        raise ValueError(f"expected values for the settings {missing} of posterior {name!r}, got none")
    return FACTORIES[name](**{key: value for key, value in values.items() if key in wanted})


def is_classifier(name: str) -> bool:
    """Whether a posterior takes any likelihood; the others have their own, for real labels."""
    return "likelihood" in inspect.signature(FACTORIES[name]).parameters


def probabilistic_program(
    name: str, network: bal.networks.Network, *, prior_scale: float, noise: float | None
) -> dict[str, Any]:
    """The network as a numpyro model, and its guide, for the posteriors that take one."""
    parameters = inspect.signature(FACTORIES[name]).parameters
    if "model" not in parameters:
        return {}
    pieces: dict[str, Any] = {"model": bayesian_network(network, prior_scale=prior_scale, noise=noise)}
    if "guide" in parameters:
        from numpyro.infer.autoguide import AutoNormal

        pieces["guide"] = AutoNormal(pieces["model"], init_scale=0.05)
    return pieces
