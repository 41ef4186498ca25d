"""Networks as pure functions, cut where posterior samples begin to differ: trunk, head, readout."""

from bal.networks._adapter import from_functions
from bal.networks._cnn import cnn
from bal.networks._from_equinox import from_equinox
from bal.networks._from_flax import from_linen, from_nnx
from bal.networks._mlp import mlp
from bal.networks._network import Network, Training, Variables, deterministic_outputs
from bal.networks._resnet import resnet18

NETWORKS = {"cnn": cnn, "mlp": mlp, "resnet18": resnet18}

__all__ = [
    "NETWORKS",
    "Network",
    "Training",
    "Variables",
    "cnn",
    "deterministic_outputs",
    "from_equinox",
    "from_functions",
    "from_linen",
    "from_nnx",
    "mlp",
    "resnet18",
]
