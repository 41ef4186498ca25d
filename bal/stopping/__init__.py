"""When are there enough labels? Numbers of single rounds, and rules for series of them: arrays in, arrays out.

All are functions of what a run already knows; none reads a label of the pool, and all work under ``jit`` and ``vmap``.
"""

from bal.stopping._change_of_f import f_change, f_change_bound
from bal.stopping._information import information_per_label
from bal.stopping._predicted_accuracy import PredictedAccuracy, guess_probabilities, predicted_accuracy
from bal.stopping._rules import first_stop, stabilising_predictions, stays_below
from bal.stopping._uncertainty import overall_uncertainty

__all__ = [
    "PredictedAccuracy",
    "f_change",
    "f_change_bound",
    "first_stop",
    "guess_probabilities",
    "information_per_label",
    "overall_uncertainty",
    "predicted_accuracy",
    "stabilising_predictions",
    "stays_below",
]
