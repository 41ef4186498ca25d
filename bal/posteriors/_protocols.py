"""The functions of a posterior: their arguments and results.

All are pure, and work under ``jit`` and ``vmap``. ``inputs`` are arrays, or pytrees of arrays, that start with the axis
of points; a state and draws are pytrees whose structure is the method's own.
"""

from typing import Protocol, runtime_checkable

from jaxtyping import Array, Float

from bal.posteriors._fit_info import FitInfo
from bal.types import Batch, Gaussian, PyTree, RngKey


@runtime_checkable
class InitFn(Protocol):
    """The state before fitting."""

    def __call__(self, rng_key: RngKey, batch: Batch) -> PyTree:
        """Make a state.

        Args:
          rng_key: initial parameters.
          batch: a buffer of labels; only its shapes and dtypes matter, and all its weights may be 0.

        Returns:
          A state, from which draws can already be taken.

        Raises:
          ValueError: labels that the likelihood rejects, or inputs that the model rejects.
        """
        ...


@runtime_checkable
class FitFn(Protocol):
    """Learn from labels."""

    def __call__(
        self, rng_key: RngKey, state: PyTree, batch: Batch, validation: Batch | None = None
    ) -> tuple[PyTree, FitInfo]:
        """Fit to all labels of a batch, starting from the state.

        Args:
          rng_key: order of the data, training noise.
          state: from ``init`` or from an earlier ``fit``; methods in closed form ignore it.
          batch: the labelled points. Rows of weight 0 are padding; a row of weight w counts w times.
          validation: points for early stopping; methods without it ignore them.

        Returns:
          A state of the same structure and shapes (the given state if there are no labels), and the report on the fit.
        """
        ...


@runtime_checkable
class SampleFn(Protocol):
    """Draw functions from the posterior."""

    def __call__(self, rng_key: RngKey, state: PyTree, num_samples: int | None) -> PyTree:
        """Take draws; the only place where a posterior is random after it is fitted.

        Args:
          rng_key: the source of the draws.
          state: a fitted state.
          num_samples: draws S, static; None takes all if their number is fixed (``Posterior.max_samples``).

        Returns:
          Draws, a pytree with the leading axis S.

        Raises:
          ValueError: more draws than exist, or None although any number can be drawn.
        """
        ...


@runtime_checkable
class PredictFn(Protocol):
    """Evaluate draws anywhere."""

    def __call__(self, state: PyTree, draws: PyTree, inputs: PyTree) -> PyTree:
        """Predictions of each draw at each point, without any randomness.

        The prediction of a point does not depend on the other points of the chunk.

        Args:
          state: from which the draws were taken.
          draws: from ``sample``.
          inputs: points [n, ...].

        Returns:
          Predictions of the likelihood with leaves [S, n, ...], such as log-probabilities [S, n, C].
        """
        ...


@runtime_checkable
class FeatureFn(Protocol):
    """Describe points by numbers, for rules that compare points."""

    def __call__(self, state: PyTree, inputs: PyTree) -> Float[Array, "n D"]:
        """One row a point, the same whatever the chunk.

        Args:
          state: fitted.
          inputs: points [n, ...].
        """
        ...


@runtime_checkable
class CovarianceFn(Protocol):
    """Covariance of the latent function, in closed form."""

    def __call__(self, state: PyTree, inputs_a: PyTree, inputs_b: PyTree) -> Float[Array, "a b"]:
        """Posterior covariance between two sets of points, without noise, in the squared unit of the outputs.

        Args:
          state: fitted.
          inputs_a: points [a, ...].
          inputs_b: points [b, ...].
        """
        ...


@runtime_checkable
class MomentsFn(Protocol):
    """The predictive distribution of all draws together, in closed form."""

    def __call__(self, state: PyTree, inputs: PyTree) -> Gaussian:
        """Mean and variance of a new label at each point, noise included, in the unit of the labels and its square.

        Args:
          state: fitted.
          inputs: points [n, ...].
        """
        ...


@runtime_checkable
class ExtendFn(Protocol):
    """Make room for more labels, if the state has the size of the label buffer."""

    def __call__(self, state: PyTree, budget: int) -> PyTree:
        """The same posterior in a state for a longer buffer.

        Args:
          state: of a buffer of K labels.
          budget: labels of the longer buffer, at least K.

        Returns:
          A state with the same predictions, also from draws of the same key, which may be fitted to a batch of
          ``budget`` rows. Draws taken earlier do not match it.

        Raises:
          ValueError: a budget below K.
        """
        ...
