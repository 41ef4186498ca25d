"""What do we believe? Labelled points in; functions that can be drawn and evaluated anywhere out."""

from bal.posteriors._deep_ensemble import deep_ensemble
from bal.posteriors._gradient_features import gradient_features
from bal.posteriors._gradient_fit import EarlyStopping, TrainingSettings, gradient_fit
from bal.posteriors._gradient_steps import NetworkState
from bal.posteriors._laplace import laplace
from bal.posteriors._last_layer_ensemble import last_layer_ensemble
from bal.posteriors._mc_dropout import mc_dropout
from bal.posteriors._mean_field import mean_field
from bal.posteriors._point_estimate import point_estimate
from bal.posteriors._posterior import FitInfo, Posterior, check_num_samples
from bal.posteriors._sghmc import sghmc
from bal.posteriors._sgld import sgld
from bal.posteriors._swag import swag

POSTERIORS = {
    "deep_ensemble": deep_ensemble,
    "laplace": laplace,
    "last_layer_ensemble": last_layer_ensemble,
    "mc_dropout": mc_dropout,
    "mean_field": mean_field,
    "point_estimate": point_estimate,
    "sghmc": sghmc,
    "sgld": sgld,
    "swag": swag,
}

__all__ = [
    "POSTERIORS",
    "EarlyStopping",
    "FitInfo",
    "NetworkState",
    "Posterior",
    "TrainingSettings",
    "check_num_samples",
    "deep_ensemble",
    "gradient_features",
    "gradient_fit",
    "laplace",
    "last_layer_ensemble",
    "mc_dropout",
    "mean_field",
    "point_estimate",
    "sghmc",
    "sgld",
    "swag",
]
