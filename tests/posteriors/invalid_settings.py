"""Invalid settings of every posterior, refused before anything compiles.

Run as a program, without the hook that checks types in tests and would refuse 2.5 and "3" first, it prints the message
for each: ``python -m tests.posteriors.invalid_settings``.
"""

import json
from collections.abc import Callable

import jax.numpy as jnp
import optax

from bal import likelihoods, networks, posteriors
from bal.augmentation import crop_and_flip
from bal.posteriors import EarlyStopping
from bal.refit import shrink_and_perturb

NAN, SGD = float("nan"), optax.sgd(0.1)
COUNT = (0, -1, 2.5, True, "3", NAN, None)  # no whole number of at least 1
SCALE = (0.0, -1.0, NAN, "1")  # not above 0
FACTOR = (-1.0, NAN, "1")  # below 0
NETWORK, LIKELIHOOD = networks.mlp(num_outputs=3, dropout_rate=0.5), likelihoods.categorical()
TRAINING = {"num_steps": 1000, "minibatch_size": 4}


def model(inputs, labels=None):
    raise AssertionError("settings are checked before the model is called")


# name -> factory, valid settings, invalid values of each setting
SETTINGS: dict[str, tuple[Callable, dict, dict]] = {
    "augmentation.crop_and_flip": (crop_and_flip, {"padding": 1}, {"padding": COUNT[1:]}),
    "bayesian_linear": (
        posteriors.bayesian_linear,
        {"noise": 1.0},
        {"noise": SCALE, "prior_scale": SCALE, "feature_fn": ("poly",)},
    ),
    "bayesian_network": (
        posteriors.bayesian_network,
        {"network": NETWORK},
        {"prior_scale": SCALE, "noise": SCALE},
    ),
    "ddu": (posteriors.ddu, TRAINING, {"spectral_bound": SCALE, "num_steps": COUNT, "minibatch_size": COUNT}),
    "deep_ensemble": (
        posteriors.deep_ensemble,
        {"num_members": 2, **TRAINING},
        {"num_members": COUNT, "members_at_once": COUNT[:-1], "num_steps": COUNT},
    ),
    "from_samples": (
        posteriors.from_samples,
        {"apply": jnp.dot, "stacked_params": jnp.ones((2, 3)), "likelihood": LIKELIHOOD},
        {"apply": ("dot",), "stacked_params": ("weights", 1.0, [], {"kernel": 2.0})},
    ),
    "gaussian_process": (
        posteriors.gaussian_process,
        {"optimizer": SGD, "num_steps": 1},
        {
            "optimizer": ("adam",),
            "num_steps": COUNT[1:],
            "num_features": COUNT,
            "kernel": ("cosine", 3),
            "lengthscale": SCALE,
            "scale": SCALE,
            "noise": SCALE,
        },
    ),
    "laplace": (
        posteriors.laplace,
        TRAINING,
        {"curvature": ("hessian",), "linearised": ("no", 1), "prior_precision": SCALE, "minibatch_size": COUNT},
    ),
    "last_layer_ensemble": (
        posteriors.last_layer_ensemble,
        {"num_members": 2, **TRAINING},
        {"num_members": COUNT, "num_steps": COUNT},
    ),
    "learning_loss": (
        posteriors.learning_loss,
        TRAINING,
        {
            "margin": SCALE,
            "loss_weight": SCALE,
            "detach_after": FACTOR,
            "objective": ("mse",),
            "hidden_size": COUNT,
            "num_steps": COUNT,
        },
    ),
    "mc_dropout": (
        posteriors.mc_dropout,
        TRAINING,
        {
            "num_steps": COUNT,
            "minibatch_size": COUNT,
            "micro_batch_size": (0, 3, 2.0, "2"),
            "weight_decay": FACTOR,
            "augment": ("flip",),
            "optimizer": ("adam", optax.adam),
            "early_stopping": (
                5,
                EarlyStopping(0, 5),
                EarlyStopping(1, 5000),
                EarlyStopping(1, 2.5),
                EarlyStopping(1, 5, NAN),
                EarlyStopping(1, 5, 1.0),
            ),
        },
    ),
    "mean_field": (
        posteriors.mean_field,
        TRAINING,
        {"prior_scale": SCALE, "temperature": FACTOR, "num_warmup_steps": FACTOR, "num_steps": COUNT},
    ),
    "numpyro_mcmc": (
        posteriors.numpyro_mcmc,
        {"model": model, "likelihood": LIKELIHOOD, "num_warmup": 5, "num_draws": 5},
        {
            "num_warmup": COUNT,
            "num_draws": (*COUNT, 3),
            "num_chains": COUNT,
            "max_tree_depth": COUNT,
            "target_acceptance": (*SCALE, 1.0),
        },
    ),
    "numpyro_svi": (
        posteriors.numpyro_svi,
        {"model": model, "guide": model, "likelihood": LIKELIHOOD, "optimizer": SGD, "num_steps": 1},
        {"num_steps": COUNT, "optimizer": ("adam",)},
    ),
    "pairwise_ranking_loss": (
        posteriors.pairwise_ranking_loss,
        {"predicted": jnp.ones(2), "losses": jnp.ones(2), "weights": jnp.ones(2)},
        {"margin": FACTOR},
    ),
    "point_estimate": (posteriors.point_estimate, TRAINING, {"num_steps": COUNT, "minibatch_size": COUNT}),
    "refit.shrink_and_perturb": (shrink_and_perturb, {}, {"shrink": FACTOR, "perturb": FACTOR}),
    "sghmc": (
        posteriors.sghmc,
        {"learning_rate": 0.1, **TRAINING},
        {"friction": (*SCALE, 1.5), "learning_rate": (*SCALE, None)},
    ),
    "sgld": (
        posteriors.sgld,
        {"learning_rate": 0.1, **TRAINING},
        {
            "learning_rate": SCALE,
            "prior_scale": SCALE,
            "temperature": FACTOR,
            "num_cycles": (*COUNT, 3),
            "draws_per_cycle": COUNT,
            "exploration": (*FACTOR, 1.0),
            "num_steps": COUNT,
            "early_stopping": (EarlyStopping(1, 5),),
        },
    ),
    "sngp": (
        posteriors.sngp,
        TRAINING,
        {
            "spectral_bound": SCALE,
            "num_features": COUNT,
            "lengthscale": SCALE,
            "prior_precision": SCALE,
            "num_steps": COUNT,
            "optimizer": ("adam", None),
        },
    ),
    "swag": (
        posteriors.swag,
        {"steps_between": 2, **TRAINING},
        {
            "num_snapshots": (*COUNT, 1),
            "steps_between": COUNT,
            "rank": (*COUNT, 1, 21),
            "num_steps": COUNT,
            "early_stopping": (EarlyStopping(1, 5),),
        },
    ),
}
# Factories that take these without a name.
NETWORKS_FIRST = set(posteriors.POSTERIORS) - {"bayesian_linear", "gaussian_process", "numpyro_mcmc", "numpyro_svi"}


def attempt(name: str, settings: dict) -> str:
    """The message for these settings."""
    if name in NETWORKS_FIRST:
        settings = {"network": NETWORK, "likelihood": LIKELIHOOD, "optimizer": SGD, **settings}
        if name in ("sgld", "sghmc"):
            del settings["optimizer"]
    try:
        SETTINGS[name][0](**settings)
    except ValueError as error:
        return str(error)
    except Exception as error:
        return f"no ValueError: {error!r}"
    return "nothing"


def attempts() -> list[tuple[str, str, str, str]]:
    """Posterior, setting, invalid value, and the message."""
    told = []
    for name, (_, valid, invalid) in SETTINGS.items():
        told.append((name, "", "valid", attempt(name, valid)))
        for setting, values in invalid.items():
            told += [(name, setting, repr(value), attempt(name, {**valid, setting: value})) for value in values]
        for missing in TRAINING if TRAINING.items() <= valid.items() else ():
            rest = {setting: value for setting, value in valid.items() if setting != missing}
            told.append((name, missing, "missing", attempt(name, rest)))
    return told


if __name__ == "__main__":
    print(json.dumps(attempts()))
