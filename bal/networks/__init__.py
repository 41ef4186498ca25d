"""Networks as pure functions in three parts: trunk (shared by all posterior samples), head and readout."""

from bal.networks._center_net import center_net
from bal.networks._cnn import cnn
from bal.networks._concrete_dropout import concrete_dropout_mlp
from bal.networks._dropconnect import dropconnect_mlp
from bal.networks._epinet import epinet_mlp
from bal.networks._from_equinox import from_equinox
from bal.networks._from_functions import from_functions
from bal.networks._from_linen import from_linen
from bal.networks._from_nnx import from_nnx
from bal.networks._loss_prediction import LossPrediction, loss_prediction
from bal.networks._mlp import mlp
from bal.networks._network import (
    FeaturesFn,
    HeadFn,
    InitVariablesFn,
    Network,
    ReadoutFn,
    TrainFn,
    Training,
    TrunkFn,
    Variables,
    deterministic_outputs,
)
from bal.networks._on_regions import on_regions
from bal.networks._preprocessed import preprocessed
from bal.networks._resnet import resnet18
from bal.networks._text_mlp import text_mlp
from bal.networks._unet import unet
from bal.networks._variational import (
    VariationalConv,
    VariationalDense,
    divergence_from_prior,
    draw_gaussian_weights,
    gaussian_weights,
)
from bal.networks._variational_networks import variational_cnn, variational_mlp

NETWORKS = {
    "center_net": center_net,
    "cnn": cnn,
    "concrete_dropout_mlp": concrete_dropout_mlp,
    "dropconnect_mlp": dropconnect_mlp,
    "epinet_mlp": epinet_mlp,
    "mlp": mlp,
    "resnet18": resnet18,
    "text_mlp": text_mlp,
    "unet": unet,
    "variational_cnn": variational_cnn,
    "variational_mlp": variational_mlp,
}

__all__ = [
    "NETWORKS",
    "FeaturesFn",
    "HeadFn",
    "InitVariablesFn",
    "LossPrediction",
    "Network",
    "ReadoutFn",
    "TrainFn",
    "Training",
    "TrunkFn",
    "VariationalConv",
    "VariationalDense",
    "Variables",
    "center_net",
    "cnn",
    "concrete_dropout_mlp",
    "deterministic_outputs",
    "divergence_from_prior",
    "draw_gaussian_weights",
    "dropconnect_mlp",
    "epinet_mlp",
    "from_equinox",
    "from_functions",
    "from_linen",
    "from_nnx",
    "gaussian_weights",
    "loss_prediction",
    "mlp",
    "on_regions",
    "preprocessed",
    "resnet18",
    "text_mlp",
    "unet",
    "variational_cnn",
    "variational_mlp",
]
