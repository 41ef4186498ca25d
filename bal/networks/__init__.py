"""Networks as pure functions, cut where posterior samples begin to differ: trunk, head, readout."""

from bal.networks._cnn import cnn
from bal.networks._mlp import mlp
from bal.networks._network import Network, Training, Variables, deterministic_outputs
from bal.networks._variational import (
    VariationalConv,
    VariationalDense,
    divergence_from_prior,
    draw_gaussian_weights,
    gaussian_weights,
)
from bal.networks._variational_networks import variational_cnn, variational_mlp

NETWORKS = {"cnn": cnn, "mlp": mlp, "variational_cnn": variational_cnn, "variational_mlp": variational_mlp}

__all__ = [
    "NETWORKS",
    "Network",
    "Training",
    "VariationalConv",
    "VariationalDense",
    "Variables",
    "cnn",
    "deterministic_outputs",
    "divergence_from_prior",
    "draw_gaussian_weights",
    "gaussian_weights",
    "mlp",
    "variational_cnn",
    "variational_mlp",
]
