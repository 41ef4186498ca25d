"""The posteriors of the testbed, all on networks of the size that made the labels."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

import bal
from bal.posteriors import Posterior
from bal.studies.models import FACTORIES, arguments, recipe

MINIBATCH = 100
SIZES: dict[str, Any] = {"num_outputs": 2, "hidden_sizes": (50, 50)}


def _plain() -> bal.networks.Network:
    return bal.networks.mlp(**SIZES)


def _variational() -> bal.networks.Network:
    return bal.networks.variational_mlp(**SIZES)


class Model(NamedTuple):
    """A posterior, its network, and settings that replace those of its recipe."""

    posterior: str
    network: Callable[[], bal.networks.Network]
    settings: Mapping[str, Any] = MappingProxyType({})


# The initial spread of the weights of a layer of 50 inputs. The prior has one width for all layers: it is narrower than
# the initial spread of the first one, which has 2 or 10 inputs.
NARROW = SIZES["hidden_sizes"][0] ** -0.5
# At temperature 1 the divergence from the prior has its full weight; the recipe has .1.
FULL_KL = 1.0
# name on the page -> model
MODELS: dict[str, Model] = {
    "mlp": Model("point_estimate", _plain),
    "ensemble": Model("deep_ensemble", _plain),
    "dropout": Model("mc_dropout", lambda: bal.networks.mlp(**SIZES, dropout_rate=0.1)),
    "epinet": Model("mc_dropout", lambda: bal.networks.epinet_mlp(**SIZES)),
    "laplace": Model("laplace", _plain),
    "mean_field": Model("mean_field", _variational),
    "mean_field_full_kl": Model("mean_field", _variational, {"temperature": FULL_KL}),
    "mean_field_narrow": Model("mean_field", _variational, {"prior_scale": NARROW}),
    "mean_field_narrow_full_kl": Model("mean_field", _variational, {"prior_scale": NARROW, "temperature": FULL_KL}),
    "swag": Model("swag", _plain),
    "sghmc": Model("sghmc", _plain),
}


def build(name: str, temperature: Float[Array, ""], *, num_inputs: int, num_steps: int) -> Posterior:
    """The posterior of a name, with the testbed's weight decay where it is trained by gradients.

    Args:
      name: in :data:`MODELS`.
      temperature: of the problem, which the testbed tells every model.
      num_inputs: dimension of the inputs.
      num_steps: gradient steps, of methods that have no number of their own.
    """
    posterior, network, settings = MODELS[name]
    values: dict[str, Any] = {
        "network": network(),
        "likelihood": bal.likelihoods.categorical(),
        "optimizer": optax.adam(1e-3),
        "num_steps": num_steps,
        "minibatch_size": MINIBATCH,
        "weight_decay": lambda num_labelled: jnp.sqrt(temperature) * num_inputs / num_labelled,
        "num_members": 10,
        "steps_between": max(1, num_steps // 20),
        **recipe(posterior, classes=True, thorough=True),
        **settings,
    }
    values["num_steps"] = min(values["num_steps"], 4 * num_steps)  # mean field and chains have four times as many
    return FACTORIES[posterior](**arguments(posterior, FACTORIES[posterior], values))
