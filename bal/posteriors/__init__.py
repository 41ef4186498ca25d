"""Posteriors: labelled points in, draws of functions out, which can be evaluated anywhere."""

from bal.posteriors._fit_info import FitInfo
from bal.posteriors._posterior import Posterior, check_num_samples
from bal.posteriors.closed_form._bayesian_linear import bayesian_linear
from bal.posteriors.closed_form._gaussian_process import gaussian_process
from bal.posteriors.neural._ddu import ddu
from bal.posteriors.neural._deep_ensemble import deep_ensemble
from bal.posteriors.neural._laplace import laplace
from bal.posteriors.neural._last_layer_ensemble import last_layer_ensemble
from bal.posteriors.neural._learning_loss import learning_loss
from bal.posteriors.neural._mc_dropout import mc_dropout
from bal.posteriors.neural._mean_field import mean_field
from bal.posteriors.neural._point_estimate import point_estimate
from bal.posteriors.neural._sngp import sngp
from bal.posteriors.neural._swag import swag
from bal.posteriors.programs._bayesian_network import bayesian_network
from bal.posteriors.programs._numpyro_mcmc import numpyro_mcmc
from bal.posteriors.programs._numpyro_svi import numpyro_svi
from bal.posteriors.sampling._from_samples import from_samples
from bal.posteriors.sampling._langevin import ChainSettings
from bal.posteriors.sampling._sghmc import sghmc
from bal.posteriors.sampling._sgld import sgld
from bal.posteriors.training._gradient_features import gradient_features
from bal.posteriors.training._gradient_fit import gradient_fit
from bal.posteriors.training._gradient_steps import NetworkState
from bal.posteriors.training._ranking_loss import pairwise_ranking_loss
from bal.posteriors.training._training_settings import EarlyStopping, TrainingSettings

POSTERIORS = {
    "bayesian_linear": bayesian_linear,
    "ddu": ddu,
    "deep_ensemble": deep_ensemble,
    "gaussian_process": gaussian_process,
    "laplace": laplace,
    "last_layer_ensemble": last_layer_ensemble,
    "learning_loss": learning_loss,
    "mc_dropout": mc_dropout,
    "mean_field": mean_field,
    "numpyro_mcmc": numpyro_mcmc,
    "numpyro_svi": numpyro_svi,
    "point_estimate": point_estimate,
    "sghmc": sghmc,
    "sgld": sgld,
    "sngp": sngp,
    "swag": swag,
}

__all__ = [
    "POSTERIORS",
    "ChainSettings",
    "EarlyStopping",
    "FitInfo",
    "NetworkState",
    "Posterior",
    "TrainingSettings",
    "bayesian_linear",
    "bayesian_network",
    "check_num_samples",
    "ddu",
    "deep_ensemble",
    "from_samples",
    "gaussian_process",
    "gradient_features",
    "gradient_fit",
    "laplace",
    "last_layer_ensemble",
    "learning_loss",
    "mc_dropout",
    "mean_field",
    "numpyro_mcmc",
    "numpyro_svi",
    "pairwise_ranking_loss",
    "point_estimate",
    "sghmc",
    "sgld",
    "sngp",
    "swag",
]
