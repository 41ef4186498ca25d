"""Bayesian active learning in JAX: a whole run is one compiled function of a key."""

from typing import Any

from bal import (
    acquisition,
    augmentation,
    autolabel,
    datasets,
    detection,
    information,
    labelling,
    likelihoods,
    metrics,
    networks,
    posteriors,
    selection,
    stopping,
    strategies,
    types,
)
from bal.automatic import Automatic, AutomaticInfo, AutomaticState
from bal.information import check_log_probs
from bal.loop import ActiveLearner, LoopState, StepInfo, build, load, run, save
from bal.memory import Pass
from bal.neighbours import Neighbours
from bal.oracle import Oracle, OracleInfo, OracleState, even_errors
from bal.planning import Plan, plan
from bal.pool import PoolState
from bal.precision import full_precision
from bal.refit import shrink_and_perturb, warm_start
from bal.selection import Selection
from bal.sources import Source, resuming
from bal.strategies import Strategy
from bal.streaming import stream
from bal.types import Batch, Dataset, Gaussian, Keys, split_keys
from bal.view import PoolView
from bal.watching import Stop, StopInfo, StopState, stop_rounds

__all__ = [
    "ActiveLearner",
    "Automatic",
    "AutomaticInfo",
    "AutomaticState",
    "Batch",
    "Dataset",
    "Gaussian",
    "Keys",
    "LoopState",
    "Neighbours",
    "Oracle",
    "OracleInfo",
    "OracleState",
    "Pass",
    "Plan",
    "PoolState",
    "PoolView",
    "Selection",
    "Source",
    "StepInfo",
    "Stop",
    "StopInfo",
    "StopState",
    "Strategy",
    "acquisition",
    "augmentation",
    "autolabel",
    "build",
    "check_log_probs",
    "datasets",
    "detection",
    "even_errors",
    "full_precision",
    "information",
    "labelling",
    "likelihoods",
    "load",
    "metrics",
    "networks",
    "plan",
    "posteriors",
    "resuming",
    "run",
    "save",
    "selection",
    "shrink_and_perturb",
    "split_keys",
    "stop_rounds",
    "stopping",
    "strategies",
    "stream",
    "types",
    "warm_start",
]


def __getattr__(name: str) -> Any:
    """Load the studies, with the packages that they need, and the version on first use."""
    import importlib
    import importlib.metadata

    if name == "studies":
        return importlib.import_module("bal.studies")
    if name == "__version__":
        try:
            return importlib.metadata.version("bal-jax")
        except importlib.metadata.PackageNotFoundError:
            return "unknown"  # a clone that is not installed
    raise AttributeError(f"module 'bal' has no attribute {name!r}")
