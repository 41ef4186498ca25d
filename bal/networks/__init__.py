"""Networks as pure functions, cut where posterior samples begin to differ: trunk, head, readout."""

from bal.networks._cnn import cnn
from bal.networks._mlp import mlp
from bal.networks._network import Network, Training, Variables, deterministic_outputs

NETWORKS = {"cnn": cnn, "mlp": mlp}

__all__ = ["NETWORKS", "Network", "Training", "Variables", "cnn", "deterministic_outputs", "mlp"]
