"""Checks of the settings of a study, before data are loaded or a folder is written."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import bal
from bal.studies.executors import check_executor
from bal.studies.learners import NETWORKS, WIDTHS
from bal.studies.models import FACTORIES
from bal.studies.plugins import find_factory, is_plugin, takes_features
from bal.studies.provenance import is_table
from bal.studies.settings import Settings, flat_values
from bal.validation import check_choice, check_count, check_nonnegative, check_positive, check_probability


def _number(check: Callable[..., None]) -> Callable[[str, Any], None]:
    return lambda name, value: check(**{name: value})


_at_least_0 = partial(check_count, least=0)
# By the name of the setting; a setting that is None has no value to check.
VALID: dict[str, Callable[[str, Any], None]] = {
    **dict.fromkeys(
        (
            "num_pool", "num_test", "copies", "num_members", "num_samples", "num_steps", "num_epochs", "minibatch_size",
            "patience", "evaluate_every", "num_seeds", "num_rounds", "batch_size", "pool_subset_size", "seeds_at_once",
            "max_automatic", "stop_set_size",
        ),
        check_count,
    ),
    **dict.fromkeys(("num_validation", "num_calibration", "num_initial", "relabel", "seed"), _at_least_0),
    **dict.fromkeys(("temperature", "learning_rate"), _number(check_positive)),
    **dict.fromkeys(
        ("noise", "weight_decay", "l2", "automatic_level", "automatic_rate", "automatic_weight"),
        _number(check_nonnegative),
    ),
    **dict.fromkeys(
        (
            "test_fraction", "drop_at", "detach_at", "dropout_rate", "label_noise", "abstention", "relabel_certainty",
        ),
        _number(check_probability),
    ),
}  # fmt: skip
AGGREGATES = sorted({*bal.acquisition.AGGREGATES, *bal.acquisition.OBJECT_AGGREGATES})
LARGEST_SEED = 2**32 - 1  # of jax.random.key


def check_settings(settings: Settings) -> None:
    """Raise where settings are invalid, whatever the data.

    Raises:
      ValueError: names the flag.
    """
    values = flat_values(settings)
    for name, value in values.items():
        # Python's own names are those of the flags, but for the dashes.
        flag = "--" + name.replace("_", "-")
        if value is not None and name in VALID:
            VALID[name](flag, value) if VALID[name] in (check_count, _at_least_0) else VALID[name](name, value)
    for size in values["hidden_sizes"] or ():
        check_count("--hidden-sizes", size)
    for cells in values["grid"] or ():
        check_count("--grid", cells)
    if values["aggregate"] is not None:
        check_choice("--aggregate", values["aggregate"], AGGREGATES)
    if values["seed"] > LARGEST_SEED:
        raise ValueError(f"expected --seed between 0 and {LARGEST_SEED}, got {values['seed']}")
    bad = [target for target in values["targets"] or () if not math.isfinite(target)]
    if bad:
        raise ValueError(f"expected --targets to be finite numbers, got {bad[0]}")
    check_executor(settings.executor)
    _check_strategies(values["strategies"], values["features"])
    _check_names(values)
    _check_together(values)


def _check_strategies(strategies: tuple[str, ...], features: str | None) -> None:
    if not strategies:
        raise ValueError("expected at least one strategy, got none: see bal list strategies")
    twice = [name for name in dict.fromkeys(strategies) if strategies.count(name) > 1]
    if twice:
        raise ValueError(f"expected each strategy once, got {twice[0]!r} {strategies.count(twice[0])} times")
    factories = [find_factory("strategy", name, bal.strategies.STRATEGIES) for name in strategies]
    if features is not None and not any(map(takes_features, factories)):
        raise ValueError(
            f"expected a strategy that uses features, such as lcmd, with --features {features}, "
            f"got {' '.join(strategies)}"
        )


def _check_names(values: dict[str, Any]) -> None:
    find_factory("network", values["network"], NETWORKS)
    for posterior in (values["posterior"], values["evaluation_posterior"]):
        if posterior is not None:
            find_factory("posterior", posterior, FACTORIES)
    dataset, of_tables = values["dataset"], ("target", "test_fraction", "test_column")
    if is_plugin(dataset):
        find_factory("dataset", dataset, {})
    if not is_table(dataset):
        given = [name for name in of_tables if values[name] is not None]
        if given:
            raise ValueError(
                f"expected a table (.csv, .parquet or .npz) as --dataset with --{given[0].replace('_', '-')}, "
                f"got {dataset!r}"
            )
    if values["on_disk"] and (is_plugin(dataset) or is_table(dataset)):
        raise ValueError(
            f"expected a set of TFDS with --on-disk, got {dataset!r}: module:function may return a Dataset with a "
            "bal.Source"
        )
    if values["test_fraction"] is not None and values["test_column"] is not None:
        raise ValueError("expected --test-fraction or --test-column, got both")
    if is_table(dataset) and not Path(dataset).is_file():
        raise ValueError(f"expected a table that can be read, got none at {dataset}")


def _check_together(values: dict[str, Any]) -> None:
    if values["dropout_rate"] >= 1:
        raise ValueError(f"expected --dropout-rate below 1, got {values['dropout_rate']}")
    if values["posterior"] == "mc_dropout" and values["network"] in WIDTHS and values["dropout_rate"] == 0:
        raise ValueError(
            "expected --dropout-rate above 0 for mc_dropout, got 0: all draws would agree, and every score would be 0"
        )
    if values["automatic"] == "risk_controlled" and not values["num_calibration"]:
        raise ValueError("expected --num-calibration of at least 1 for risk_controlled, got 0")
    if values["automatic"] in ("risk_controlled", "confidence_above") and values["automatic_level"] > 1:
        raise ValueError(f"expected --automatic-level between 0 and 1, got {values['automatic_level']}")
    if values["relabel"] > values["batch_size"]:
        raise ValueError(f"expected --relabel of at most --batch-size {values['batch_size']}, got {values['relabel']}")
    if values["relabel"] and values["pool_subset_size"] is not None:
        raise ValueError("expected --relabel without --pool-subset-size, got both: labelled points are in no subset")
    if values["patience"] is not None and not values["num_validation"]:
        raise ValueError(
            "expected --num-validation of at least 1 for early stopping (--patience), got 0: it needs validation points"
        )
