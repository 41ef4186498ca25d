"""What do we believe? Labelled points in; functions that can be drawn and evaluated anywhere out."""

from bal.posteriors._bayesian_linear import bayesian_linear
from bal.posteriors._bayesian_network import bayesian_network
from bal.posteriors._deep_ensemble import deep_ensemble
from bal.posteriors._from_samples import from_samples
from bal.posteriors._gaussian_process import gaussian_process
from bal.posteriors._gradient_fit import EarlyStopping, NetworkState, TrainingSettings, gradient_fit
from bal.posteriors._mc_dropout import mc_dropout
from bal.posteriors._numpyro_mcmc import numpyro_mcmc
from bal.posteriors._numpyro_svi import numpyro_svi
from bal.posteriors._point_estimate import point_estimate
from bal.posteriors._posterior import FitInfo, Posterior, check_num_samples

POSTERIORS = {
    "bayesian_linear": bayesian_linear,
    "deep_ensemble": deep_ensemble,
    "gaussian_process": gaussian_process,
    "mc_dropout": mc_dropout,
    "numpyro_mcmc": numpyro_mcmc,
    "numpyro_svi": numpyro_svi,
    "point_estimate": point_estimate,
}

__all__ = [
    "POSTERIORS",
    "EarlyStopping",
    "FitInfo",
    "NetworkState",
    "Posterior",
    "TrainingSettings",
    "bayesian_linear",
    "bayesian_network",
    "check_num_samples",
    "deep_ensemble",
    "from_samples",
    "gaussian_process",
    "gradient_fit",
    "mc_dropout",
    "numpyro_mcmc",
    "numpyro_svi",
    "point_estimate",
]
