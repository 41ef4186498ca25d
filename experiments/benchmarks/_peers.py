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


class TorchUNet(nn.Module):
    """The network of ``bal.networks.unet``, channels first; its dropout is off until training or baal turns it on."""

    def __init__(self, widths: tuple[int, ...], num_outputs: int):
        super().__init__()
        sizes = (1, *widths)
        entering = [widths[level] + widths[level + 1] for level in range(len(widths) - 1)]
        self.down = nn.ModuleList([_Level(sizes[level], width) for level, width in enumerate(widths)])
        self.up = nn.ModuleList([_Level(count, widths[level]) for level, count in enumerate(entering)])
        self.dropout = nn.ModuleList([nn.Dropout2d(0.5) for _ in entering])
        self.last = nn.Conv2d(widths[0], num_outputs, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        levels = [self.down[0](images)]
        for level in self.down[1:]:
            levels.append(level(nn.functional.max_pool2d(levels[-1], 2)))
        hidden = levels[-1]
        for number in reversed(range(len(self.up))):
            raised = nn.functional.interpolate(hidden, scale_factor=2, mode="nearest")
            hidden = self.up[number](self.dropout[number](torch.cat([levels[number], raised], dim=1)))
        return self.last(hidden)


class _Level(nn.Module):
    def __init__(self, num_inputs: int, width: int):
        super().__init__()
        self.first = nn.Conv2d(num_inputs, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.first(images))
        return torch.relu(self.second(hidden) + hidden)


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
