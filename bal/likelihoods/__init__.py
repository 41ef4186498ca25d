"""Likelihoods: the loss, the predictive distribution and the metrics of each task."""

from bal.likelihoods._bernoulli import bernoulli
from bal.likelihoods._boxes import boxes
from bal.likelihoods._categorical import categorical
from bal.likelihoods._checks import check_batch
from bal.likelihoods._dense import dense
from bal.likelihoods._depth import depth
from bal.likelihoods._gaussian import gaussian
from bal.likelihoods._heteroscedastic_gaussian import heteroscedastic_gaussian
from bal.likelihoods._likelihood import (
    Check,
    Figures,
    Information,
    Likelihood,
    Loss,
    Nll,
    NoiseInit,
    Predictive,
    Reduce,
    Tally,
    TallyChunk,
)

__all__ = [
    "Check",
    "Figures",
    "Information",
    "Likelihood",
    "Loss",
    "Nll",
    "NoiseInit",
    "Predictive",
    "Reduce",
    "Tally",
    "TallyChunk",
    "bernoulli",
    "boxes",
    "categorical",
    "check_batch",
    "dense",
    "depth",
    "gaussian",
    "heteroscedastic_gaussian",
]
