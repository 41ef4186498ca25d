"""The loss-prediction module: predicts the loss of each point from intermediate features of any network."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from bal.types import PyTree, RngKey
from bal.validation import check_count

Features = dict[str, Array]  # name -> [n, ..., channels]
Shapes = dict[str, Array | jax.ShapeDtypeStruct]


class LossPrediction(NamedTuple):
    """A small network beside a large one, as pure functions of the large one's intermediate features."""

    init: Callable[[RngKey, Shapes], PyTree]  # (rng_key, features) -> params: only shapes matter
    apply: Callable[[PyTree, Features], Float[Array, " n"]]  # (params, features) -> predicted losses


def loss_prediction(*, hidden_size: int = 128) -> LossPrediction:
    r"""Predicted losses from features of several levels: each is averaged over space and passed through a hidden layer.

    .. math:: \hat l(x) = w^T \bigl[\mathrm{ReLU}(W_k \,\mathrm{mean}(h_k(x)) + b_k)\bigr]_{k=1}^{K} + b

    Features [n, channels] have no space axes and are not averaged. Levels are in the order of their names.

    Args:
      hidden_size: width of the hidden layer of each level.

    Raises:
      ValueError: a size below 1, or (from ``init``) no features, or features that are not [n, ..., channels].

    Example:
      >>> prediction = loss_prediction(hidden_size=8)
      >>> features = {"convolution": jnp.ones((2, 5, 5, 3)), "dense": jnp.ones((2, 4))}
      >>> prediction.apply(prediction.init(jax.random.key(0), features), features).shape
      (2,)

    References:
      Yoo and Kweon 2019, Learning loss for active learning, arXiv:1905.03677, section 3.2
    """
    check_count("hidden_size", hidden_size)

    def create(rng_key: RngKey, features: Shapes) -> _LossPrediction:
        num_channels = {name: features[name].shape[-1] for name in sorted(features)}
        return _LossPrediction(num_channels, hidden_size, nnx.Rngs(params=rng_key))

    def init(rng_key: RngKey, features: Shapes) -> PyTree:
        shapes = {name: list(level.shape) for name, level in features.items()}
        if not shapes or min(map(len, shapes.values())) < 2:
            raise ValueError(f"expected features by name, each of shape [n, ..., channels], got {shapes}")
        return nnx.to_pure_dict(nnx.state(create(rng_key, features), nnx.Param))

    def apply(params: PyTree, features: Features) -> Float[Array, " n"]:
        graph = nnx.graphdef(nnx.eval_shape(lambda: create(jax.random.key(0), {**features})))
        return nnx.merge(graph, params)(features)

    return LossPrediction(init, apply)


class _LossPrediction(nnx.Module):
    def __init__(self, num_channels: dict[str, int], hidden_size: int, rngs: nnx.Rngs):
        self.levels = nnx.Dict(
            {name: nnx.Linear(width, hidden_size, rngs=rngs) for name, width in num_channels.items()}
        )
        self.last = nnx.Linear(hidden_size * len(num_channels), 1, rngs=rngs)

    def __call__(self, features: Features) -> Float[Array, " n"]:
        hidden = [
            jax.nn.relu(layer(features[name].mean(axis=tuple(range(1, features[name].ndim - 1)))))
            for name, layer in self.levels.items()
        ]
        return self.last(jnp.concatenate(hidden, axis=-1))[:, 0]
