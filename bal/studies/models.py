"""Any registered posterior from a table of settings: each takes those that its signature names."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast, get_args

import bal
from bal.posteriors import Posterior, bayesian_network

FACTORIES = cast(dict[str, Callable[..., Posterior]], bal.posteriors.POSTERIORS)


def construct(name: str, values: Mapping[str, Any]) -> Posterior:
    """A registered posterior.

    Args:
      name: in ``bal.posteriors.POSTERIORS``.
      values: settings by parameter name, also of those that it gathers in ``**training``; those that the posterior
        does not have are left out.

    Raises:
      ValueError: a required parameter has no value.
    """
    wanted: set[str] = set()
    required: set[str] = set()
    for parameter in inspect.signature(FACTORIES[name]).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            (settings,) = get_args(parameter.annotation)  # Unpack[TrainingSettings], or one that extends it
            wanted |= settings.__required_keys__ | settings.__optional_keys__
            required |= settings.__required_keys__
        else:
            wanted.add(parameter.name)
            required |= {parameter.name} if parameter.default is parameter.empty else set()
    missing = sorted(required - set(values))
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
        from numpyro.infer import init_to_uniform
        from numpyro.infer.autoguide import AutoNormal

        # Means start about as a network's weights do. The guide's own start, within 2 of 0, is far too large for them.
        pieces["guide"] = AutoNormal(pieces["model"], init_loc_fn=init_to_uniform(radius=0.1), init_scale=0.01)
    return pieces
