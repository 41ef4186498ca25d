"""The contract of a network: pure functions, split where posterior samples begin to differ."""

from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Array, Float

from bal.types import PyTree, RngKey


class Variables(NamedTuple):
    """The variables of a network: nested dicts of arrays."""

    params: PyTree  # trained by gradients; weight decay applies to the leaves called "kernel"
    statistics: PyTree = ()  # running statistics of normalisation; () without


class Training(NamedTuple):
    """What a network returns in training."""

    outputs: Array  # [n, ...]
    statistics: PyTree  # updated, of the structure of Variables.statistics
    penalty: Float[Array, ""]  # nats for the whole data set, such as a divergence from a prior; 0 if none
    features: dict[str, Array]  # intermediate features by name, for auxiliary losses


@runtime_checkable
class InitVariablesFn(Protocol):
    """Draws the variables of a network, or returns those of a trained one."""

    def __call__(self, rng_key: RngKey, inputs: PyTree, /) -> Variables:
        """Variables for inputs of this shape.

        Args:
          rng_key: draws the initial parameters.
          inputs: leaves [n, ...]. Only their shapes and dtypes matter.
        """
        ...


@runtime_checkable
class TrunkFn(Protocol):
    """Computes the part shared by all posterior samples: everything before the first stochastic layer."""

    def __call__(self, variables: Variables, inputs: PyTree, /) -> PyTree:
        """Hidden features of the inputs, a pytree of leaves [n, ...]."""
        ...


@runtime_checkable
class HeadFn(Protocol):
    """Computes embeddings from the output of the trunk, once for each posterior sample."""

    def __call__(self, variables: Variables, hidden: PyTree, rng_key: RngKey | None, /) -> Array:
        """Embeddings [n, D] under one draw.

        Args:
          variables: of the network.
          hidden: what the trunk returned.
          rng_key: the draw, one function for all points: its noise does not depend on the batch. None replaces the
            noise by its mean.
        """
        ...


@runtime_checkable
class ReadoutFn(Protocol):
    """The last linear layer."""

    def __call__(self, variables: Variables, embeddings: Array, /) -> Array:
        """Outputs [n, ...] of embeddings [n, D]."""
        ...


@runtime_checkable
class TrainFn(Protocol):
    """The whole network as it is trained, with fresh noise for each example."""

    def __call__(self, rng_key: RngKey, variables: Variables, inputs: PyTree, /) -> Training:
        """Outputs [n, ...] under training noise, and the other values that a training step needs."""
        ...


@runtime_checkable
class FeaturesFn(Protocol):
    """Intermediate features of the network, without noise."""

    def __call__(self, variables: Variables, inputs: PyTree, /) -> dict[str, Array]:
        """Features by name, each [n, ..., channels]."""
        ...


class Network(NamedTuple):
    """A network in three parts, so that the part shared by posterior samples is computed once.

    ``trunk`` is everything before the first stochastic layer, ``head`` runs once for each draw, ``readout`` is the last
    linear layer.
    """

    init: InitVariablesFn
    trunk: TrunkFn
    head: HeadFn
    readout: ReadoutFn
    train: TrainFn
    convolutional: bool = False  # on a CPU such networks run in small pieces, one set of weights after another
    features: FeaturesFn | None = None  # None: the network has no intermediate features
    embeds: bool = True  # False: not cut before its last layer, so that the head returns the outputs
    trained: bool = False  # True: init returns the weights of a trained network, whatever the key


def deterministic_outputs(network: Network, variables: Variables, inputs: PyTree) -> Array:
    """Outputs without noise: dropout replaced by its mean.

    Example:
      >>> import jax
      >>> from bal.networks import mlp
      >>> network, inputs = mlp(num_outputs=3, hidden_sizes=(8,)), jax.numpy.zeros((2, 4))
      >>> variables = network.init(jax.random.key(0), inputs)
      >>> deterministic_outputs(network, variables, inputs).shape
      (2, 3)
    """
    return network.readout(variables, network.head(variables, network.trunk(variables, inputs), None))
