"""The contract of a learner: its functions, their state, and their report on a round."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Int

from bal.automatic import AutomaticInfo
from bal.likelihoods import Likelihood
from bal.oracle import OracleInfo
from bal.pool import PoolState
from bal.posteriors import FitInfo
from bal.regions import Regions
from bal.selection import Selection
from bal.sources import Source
from bal.streaming import take_points
from bal.types import Dataset, Keys, PyTree, RngKey
from bal.view import PoolView
from bal.watching import StopInfo


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Point:
    """Shape and dtype of the inputs of one point. It is static: part of a state's structure, not one of its arrays."""

    structure: Any
    leaves: tuple[tuple[tuple[int, ...], str], ...]

    @classmethod
    def of(cls, inputs: PyTree) -> "Point":
        """The point shape of a pytree with leaves [N, ...], of regions of images, or of a pool on disk."""
        if isinstance(inputs, Source):
            inputs = inputs.shapes(1)
        elif isinstance(inputs, Regions):
            inputs = jax.eval_shape(lambda: take_points(inputs, jnp.zeros(1, jnp.int32)))
        leaves, structure = jax.tree.flatten(inputs)
        return cls(structure, tuple((leaf.shape[1:], str(leaf.dtype)) for leaf in leaves))

    def zeros(self, count: int) -> PyTree:
        """``count`` points of zeros."""
        return jax.tree.unflatten(self.structure, [jnp.zeros((count, *shape), dtype) for shape, dtype in self.leaves])


class LoopState(NamedTuple):
    """What the next round needs. Data and keys are passed in, never stored."""

    pool: PoolState
    posterior: PyTree  # state of the posterior that acquires
    evaluation: PyTree  # state of the posterior that is evaluated, () if it is the same
    round: Int[Array, ""]  # number of finished rounds
    automatic: PyTree  # AutomaticState: the model's labels, on which the next round is fitted too; () without
    point: Point  # shape and dtype of the pool's points
    stopping: PyTree = ()  # StopState: what the last model predicts for the stop set; () without
    oracle: PyTree = ()  # OracleState: what a simulated oracle was asked; () without


class StepInfo(NamedTuple):
    """The report on a round."""

    num_labelled: Int[Array, ""]  # size of the set that was trained on
    selection: Selection  # the points asked for, as pool indices
    metrics: dict[str, Array]  # of the predictive distribution on the test set; {} without one
    fit: FitInfo
    evaluation_fit: FitInfo | None
    automatic: AutomaticInfo | None = None
    stopping: StopInfo | None = None
    oracle: OracleInfo | None = None


class InitRunFn(Protocol):
    """The state before the first round."""

    def __call__(
        self, rng_key: RngKey | Keys, dataset: Dataset, initial: tuple[Array, PyTree] | None = None
    ) -> LoopState:
        """Label the first points.

        Args:
          rng_key: one key, or one for each source of randomness.
          dataset: if ``initial`` is None, the labels of the drawn points are read from its pool labels.
          initial: indices [num_initial] and labels of the first labelled set, from a person.

        Raises:
          ValueError: a data set that does not match the learner, labels that the likelihood rejects, or initial indices
            that are not different points of the pool.
        """


class AskFn(Protocol):
    """The first half of a round."""

    def __call__(self, rng_key: RngKey | Keys, state: LoopState, dataset: Dataset) -> tuple[LoopState, StepInfo]:
        """Fit, evaluate, and choose what to label next.

        Args:
          rng_key: the key of the run, the same in each round.
          state: from ``init``, ``tell`` or ``skip``.
          dataset: the one that the state was made for.

        Returns:
          The state with the fitted posterior, and the info, whose ``selection.indices`` [B] are the points to label.
        """


class TellFn(Protocol):
    """The second half of a round."""

    def __call__(
        self, state: LoopState, indices: ArrayLike, labels: PyTree, weights: ArrayLike | None = None
    ) -> LoopState:
        """Record labels. A new label of a labelled point replaces the old one, to correct mistakes.

        Args:
          state: from ``ask``, or any other function of the learner.
          indices: pool indices, integers [B]; the absent index N is ignored.
          labels: leaves [B, ...], one for each index.
          weights: [B], 1, or 0 where there is no answer; None: all 1.

        Raises:
          ValueError: a mask instead of indices, an index outside the pool, a point that occurs twice, different numbers
            of labels and indices, labels that the likelihood rejects, or more labels than the budget allows.
        """


class SkipFn(Protocol):
    """Points that cannot be labelled."""

    def __call__(self, state: LoopState, indices: ArrayLike) -> LoopState:
        """Never ask for these points. Existing labels are kept.

        Args:
          state: from any of the learner's functions.
          indices: pool indices, integers [B].

        Raises:
          ValueError: a mask instead of indices, or an index outside the pool.
        """


class StepFn(Protocol):
    """A whole round of a simulation."""

    def __call__(self, rng_key: RngKey | Keys, state: LoopState, dataset: Dataset) -> tuple[LoopState, StepInfo]:
        """``ask``, then ``tell`` with the pool labels of the data set, or with what a simulated oracle answers.

        Args:
          rng_key: the key of the run, the same in each round.
          state: from ``init`` or ``step``.
          dataset: the one that the state was made for, with pool labels.

        Raises:
          ValueError: no pool labels.
        """


class ExtendRunFn(Protocol):
    """Room for more labels."""

    def __call__(self, state: LoopState, num_rounds: int) -> LoopState:
        """The same state with room for the labels of more rounds. Its arrays grow, so programs compile anew.

        Args:
          state: from any of the learner's functions.
          num_rounds: rounds to make room for, each with as many labels as the learner's batch size.

        Raises:
          ValueError: ``num_rounds`` is not a whole number of at least 1.
        """


class ViewFn(Protocol):
    """A round as its strategy sees it."""

    def __call__(self, rng_key: RngKey | Keys, state: LoopState, dataset: Dataset) -> PoolView:
        """What the strategy of the last round saw: the same model, draws, targets and subset.

        Args:
          rng_key: the key of the run.
          state: from ``ask``; after ``tell`` or ``skip`` the view includes the labels added since.
          dataset: the one of the run.

        Raises:
          ValueError: (outside compiled code) a state before the first round.
        """


class PredictorFn(Protocol):
    """The last model."""

    def __call__(self, rng_key: RngKey | Keys, state: LoopState) -> Callable[[PyTree], PyTree]:
        """The model of the last round under the strategy's draws: inputs [n, ...] -> predictions [S, n, ...].

        Args:
          rng_key: the key of the run.
          state: from ``ask``, ``tell`` or ``step``.

        Raises:
          ValueError: (outside compiled code) a state before the first round.
        """


class ActiveLearner(NamedTuple):
    """Pure functions of a run. ``step`` is ``ask`` followed by ``tell`` with the labels that the data set holds."""

    init: InitRunFn
    ask: AskFn
    tell: TellFn
    skip: SkipFn
    step: StepFn
    extend: ExtendRunFn
    view: ViewFn
    predictor: PredictorFn
    num_rounds: int
    num_initial: int
    batch_size: int
    likelihood: Likelihood  # of the posterior that acquires
