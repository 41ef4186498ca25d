"""The active-learning loop as pure functions: a whole run is one compiled program of a key and a data set."""

from bal.loop._build import build
from bal.loop._learner import ActiveLearner, LoopState, StepInfo
from bal.loop._run import run
from bal.loop._saving import load, save

__all__ = ["ActiveLearner", "LoopState", "StepInfo", "build", "load", "run", "save"]
