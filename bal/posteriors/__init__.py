"""What do we believe? Labelled points in; functions that can be drawn and evaluated anywhere out."""

from bal.posteriors._deep_ensemble import deep_ensemble
from bal.posteriors._gradient_fit import EarlyStopping, TrainingSettings, gradient_fit
from bal.posteriors._gradient_steps import NetworkState
from bal.posteriors._mc_dropout import mc_dropout
from bal.posteriors._point_estimate import point_estimate
from bal.posteriors._posterior import FitInfo, Posterior, check_num_samples

POSTERIORS = {"deep_ensemble": deep_ensemble, "mc_dropout": mc_dropout, "point_estimate": point_estimate}

__all__ = [
    "POSTERIORS",
    "EarlyStopping",
    "FitInfo",
    "NetworkState",
    "Posterior",
    "TrainingSettings",
    "check_num_samples",
    "deep_ensemble",
    "gradient_fit",
    "mc_dropout",
    "point_estimate",
]
