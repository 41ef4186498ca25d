"""Invalid settings of every posterior, refused before anything compiles.

Run as a program without the hook that checks types in tests, and would refuse 2.5 and "3" first, it prints what each
of them is told: ``python -m tests.posteriors.invalid_settings``.
"""

import json

import optax

from bal import likelihoods, networks
from bal.posteriors import EarlyStopping, mc_dropout

NAN = float("nan")
NETWORK, LIKELIHOOD, SGD = networks.mlp(num_outputs=3, dropout_rate=0.5), likelihoods.categorical(), optax.sgd(0.1)
TRAINING = {"num_steps": 10, "minibatch_size": 4}


def network_posterior(factory, valid, invalid):
    """Cases of a posterior that takes a network, a likelihood and an optimiser: valid settings, and one that is not."""

    def attempt(setting, value):
        settings = {**TRAINING, **valid, setting: value}
        optimizer = settings.pop("optimizer", SGD)
        return lambda: factory(NETWORK, LIKELIHOOD, optimizer, **settings)

    return {
        (factory.__name__, setting, repr(value)): attempt(setting, value)
        for setting, values in invalid.items()
        for value in values
    }


def missing(*given):
    return lambda: mc_dropout(NETWORK, LIKELIHOOD, SGD, **{name: TRAINING[name] for name in given})


# (posterior, setting, value) -> a function that must raise a ValueError that names the setting
CASES = {
    ("mc_dropout", "no num_steps", "missing"): missing("minibatch_size"),
    ("mc_dropout", "no minibatch_size", "missing"): missing("num_steps"),
    ("mc_dropout", "num_steps and minibatch_size", "missing"): missing(),
    **network_posterior(
        mc_dropout,
        {},
        {
            "num_steps": (0, -1, 2.5, True, "3", NAN, None),
            "minibatch_size": (0, 2.5, True, "3"),
            "micro_batch_size": (0, 3, 2.0),
            "weight_decay": (-1.0, NAN, "small"),
            "augment": ("flip",),
            "optimizer": ("adam", optax.adam),
            "early_stopping": (
                5,
                EarlyStopping(0, 5),
                EarlyStopping(1, 50),
                EarlyStopping(1, 2.5),
                EarlyStopping(1, 5, NAN),
                EarlyStopping(1, 5, 1.0),
            ),
        },
    ),
}


def told(attempt) -> str:
    """What the attempt is told."""
    try:
        attempt()
    except ValueError as error:
        return str(error)
    except Exception as error:
        return f"no ValueError: {error!r}"
    return "nothing"


if __name__ == "__main__":
    print(json.dumps([[*case, told(attempt)] for case, attempt in CASES.items()]))
