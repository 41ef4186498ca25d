"""The contract of a likelihood, which holds everything that depends on the task.

``*n`` stands for the points and, for :func:`bal.likelihoods.dense` likelihoods, their space axes. All functions except
``tally`` take any number of such axes.
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Array, Float

from bal.types import PyTree, RngKey


class Tally(NamedTuple):
    """The statistics from which metrics are computed, without the predictions. Tallies of chunks can be combined."""

    sums: PyTree  # over the points: those of two chunks are added
    points: PyTree  # leaves [n, ...], for metrics that are not sums: those of two chunks are concatenated. () for none


@runtime_checkable
class NoiseInit(Protocol):
    """Initial parameters of the likelihood, which are trained together with the network."""

    def __call__(self, rng_key: RngKey, /) -> PyTree:
        """Return a pytree such as the logarithm of a variance; () if nothing is learned."""


@runtime_checkable
class Loss(Protocol):
    """What training minimises: the negative log-probability (or log-density) of each label."""

    def __call__(self, params: PyTree, outputs: Float[Array, "*n D"], labels: PyTree, /) -> Float[Array, "*n"]:
        """Return nats, one number a point."""


@runtime_checkable
class Predictive(Protocol):
    """The distribution of the label given the outputs, under one posterior sample."""

    def __call__(self, params: PyTree, outputs: Float[Array, "*n D"], /) -> PyTree:
        """Return predictions with leaves [*n, ...] of the kind that ``Likelihood.predicts`` names."""


@runtime_checkable
class Reduce(Protocol):
    """The predictive distribution of all posterior samples together."""

    def __call__(self, predictions: PyTree, /) -> PyTree:
        """Return leaves [*n, ...] from leaves [S, *n, ...]."""


@runtime_checkable
class Nll(Protocol):
    """Loss of a prediction: the negative log-probability (or log-density) of the label under it."""

    def __call__(self, predictive: PyTree, labels: PyTree, /) -> Float[Array, "*n"]:
        """Return nats, one number a point, for labels in the unit in which they are given."""


@runtime_checkable
class Check(Protocol):
    """Rejects labels that do not match the likelihood or the network, before anything is compiled."""

    def __call__(self, labels: Any, outputs: Any = None, predictive: Any = None) -> None:
        """Raise ValueError with one sentence, or do nothing.

        Args:
          labels: a pytree of arrays or of their ``jax.ShapeDtypeStruct``. Values are checked where they can be read.
          outputs: shape of the network's outputs for the points of these labels; None if it is not known.
          predictive: shapes of the predictive distribution for these points, for callers without outputs.
        """


@runtime_checkable
class TallyChunk(Protocol):
    """The statistics of one chunk of the test set from which metrics are computed."""

    def __call__(self, predictive: PyTree, labels: PyTree, weights: Float[Array, " n"], /) -> Tally:
        """Return sums and per-point numbers; a point of weight 0 is ignored, whatever it holds."""


@runtime_checkable
class Figures(Protocol):
    """Metrics by name."""

    def __call__(self, tally: Tally, /) -> dict[str, Float[Array, ""]]:
        """Return scalars from the tally of all points; metrics that need ``points`` are left out if it has none."""


@runtime_checkable
class Information(Protocol):
    """How much a label tells about the network's outputs: the trace of its Fisher information."""

    def __call__(self, predictions: PyTree, /) -> Float[Array, "*n"]:
        """Return one number a point, at least 0, in 1 / outputs squared, from predictions with leaves [S, *n, ...].

        It is that of the mean prediction, or of the mean noise for real labels: disagreement between draws is not
        label noise.
        """


class Likelihood(NamedTuple):
    """Pure functions that turn outputs into losses, predictive distributions and metrics.

    A label of zeros must be valid: it fills the places without a label.
    """

    # Kind of the predictions, which strategies compare: "categorical" (log-probabilities [*n, C]), "bernoulli" (those
    # of 0 and 1 for each of L labels, [*n, L, 2]), "gaussian" (bal.types.Gaussian with leaves [*n]), one of these for
    # each position of an image, such as "dense categorical", or "boxes" (bal.types.BoxMap).
    predicts: str
    init: NoiseInit
    loss: Loss
    predictive: Predictive
    reduce: Reduce
    nll: Nll
    check: Check
    tally: TallyChunk
    figures: Figures
    information: Information
    label_ndim: int = 0  # axes of the label of one point, or of one position of an image
