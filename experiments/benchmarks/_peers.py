"""The peers that benchmarks run beside: PyTorch networks, and baal. Needs ``pip install 'bal-jax[bench]'``."""

import logging

import numpy as np
import structlog
import torch
from baal.bayesian.dropout import MCDropoutModule
from baal.modelwrapper import ModelWrapper, TrainingArgs
from numpy.typing import ArrayLike
from torch import nn
from torch.utils.data import TensorDataset

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


def torch_mlp(num_inputs: int, hidden_sizes: tuple[int, ...], num_outputs: int, dropout_rate: float) -> nn.Module:
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in zip((num_inputs, *hidden_sizes), hidden_sizes, strict=False):
        layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout_rate)]
    return nn.Sequential(*layers, nn.Linear(hidden_sizes[-1], num_outputs))


def torch_gal_cnn(num_outputs: int = 10) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 32, 4),
        nn.ReLU(),
        nn.Conv2d(32, 32, 4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(3872, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, num_outputs),
    )


def baal_wrapper(network: nn.Module, *, caching: bool, **arguments) -> ModelWrapper:
    """baal's model with Monte Carlo dropout; with ``caching`` its fastest prediction, see its MCCachingModule."""
    from baal.bayesian.caching_utils import MCCachingModule

    bayesian = MCDropoutModule(network)
    if caching:
        bayesian = MCCachingModule(bayesian)
        arguments["replicate_in_memory"] = False
    args = TrainingArgs(criterion=nn.CrossEntropyLoss(), use_cuda=False, workers=0, **arguments)
    return ModelWrapper(bayesian, args)


def tensors(inputs: ArrayLike, labels: ArrayLike) -> TensorDataset:
    """Images channels first, as PyTorch has them."""
    images = torch.from_numpy(np.ascontiguousarray(np.moveaxis(np.asarray(inputs), -1, 1)))
    return TensorDataset(images, torch.from_numpy(np.asarray(labels).astype(np.int64)))
