"""The posteriors of the testbed, all on networks of the size that made the labels."""

from collections.abc import Callable
from typing import Any

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


# A name on the page, the posterior, and its network.
MODELS: dict[str, tuple[str, Callable[[], bal.networks.Network]]] = {
    "mlp": ("point_estimate", _plain),
    "ensemble": ("deep_ensemble", _plain),
    "dropout": ("mc_dropout", lambda: bal.networks.mlp(**SIZES, dropout_rate=0.1)),
    "epinet": ("mc_dropout", lambda: bal.networks.epinet_mlp(**SIZES)),
    "laplace": ("laplace", _plain),
    "mean_field": ("mean_field", lambda: bal.networks.variational_mlp(**SIZES)),
    "swag": ("swag", _plain),
    "sghmc": ("sghmc", _plain),
}


def build(name: str, temperature: Float[Array, ""], *, num_inputs: int, num_steps: int) -> Posterior:
    """The posterior of a name, with the testbed's weight decay where it is trained by gradients.

    Args:
      name: in :data:`MODELS`.
      temperature: of the problem, which the testbed tells every model.
      num_inputs: dimension of the inputs.
      num_steps: gradient steps, of methods that have no number of their own.
    """
    posterior, network = MODELS[name]
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
    }
    values["num_steps"] = min(values["num_steps"], 4 * num_steps)  # chains have four times as many
    return FACTORIES[posterior](**arguments(posterior, FACTORIES[posterior], values))
