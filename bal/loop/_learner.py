"""What a learner is: its functions, the state that they pass on, and what they report of a round."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Int

from bal.automatic import AutomaticInfo
from bal.pool import PoolState
from bal.posteriors import FitInfo
from bal.selection import Selection
from bal.types import Dataset, Keys, PyTree, RngKey
from bal.view import PoolView


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Point:
    """Shape and dtype of the inputs of one point. It is static: part of a state's structure, not one of its arrays."""

    structure: Any
    leaves: tuple[tuple[tuple[int, ...], str], ...]

    @classmethod
    def of(cls, inputs: PyTree) -> "Point":
        """That of a pytree with leaves [N, ...]."""
        leaves, structure = jax.tree.flatten(inputs)
        return cls(structure, tuple((leaf.shape[1:], str(leaf.dtype)) for leaf in leaves))

    def zeros(self, count: int) -> PyTree:
        """That many such points."""
        return jax.tree.unflatten(self.structure, [jnp.zeros((count, *shape), dtype) for shape, dtype in self.leaves])


class LoopState(NamedTuple):
    """What the next round needs. Data and keys are passed in, never stored."""

    pool: PoolState
    posterior: PyTree  # state of the posterior that acquires
    evaluation: PyTree  # state of the posterior that is evaluated, () where it is the same
    round: Int[Array, ""]  # rounds that are done
    automatic: PyTree  # AutomaticState: labels from the model that the next round is fitted on too, () without
    point: Point  # what the pool consists of


class StepInfo(NamedTuple):
    """What a person wants to see of a round."""

    num_labelled: Int[Array, ""]  # size of the set that was trained on
    selection: Selection  # what was asked for, as pool indices
    metrics: dict[str, Array]  # of the posterior samples' mean on the test set; {} without one
    fit: FitInfo
    evaluation_fit: FitInfo | None
    automatic: AutomaticInfo | None = None


class InitRunFn(Protocol):
    """The state before the first round."""

    def __call__(
        self, rng_key: RngKey | Keys, dataset: Dataset, initial: tuple[Array, PyTree] | None = None
    ) -> LoopState:
        """Label the first points.

        Args:
          rng_key: one key, or one for each source of randomness.
          dataset: where ``initial`` is None, its pool labels are read for the points that are drawn.
          initial: indices [num_initial] and labels of the first labelled set, from a person.

        Raises:
          ValueError: a data set that does not fit the learner, labels that the likelihood refuses, or initial indices
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
        """Record labels. A point that has a label gets the new one: this is how to correct a mistake.

        Args:
          state: from ``ask``, or any other.
          indices: pool indices, integers [B]; the absent index N is passed over.
          labels: leaves [B, ...], one for each index.
          weights: [B], 1, or 0 where there is no answer; all 1 where None.

        Raises:
          ValueError: a mask in the place of indices, an index outside the pool, a point that occurs twice, another
            number of labels than of indices, labels that the likelihood refuses, or no room for them.
        """


class SkipFn(Protocol):
    """Points that nobody can label."""

    def __call__(self, state: LoopState, indices: ArrayLike) -> LoopState:
        """Never ask for these points. Labels that they have are kept.

        Args:
          state: from any of the learner's functions.
          indices: pool indices, integers [B].

        Raises:
          ValueError: a mask in the place of indices, or an index outside the pool.
        """


class StepFn(Protocol):
    """A whole round of a simulation."""

    def __call__(self, rng_key: RngKey | Keys, state: LoopState, dataset: Dataset) -> tuple[LoopState, StepInfo]:
        """``ask``, then ``tell`` with the pool labels of the data set.

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
          num_rounds: rounds to make room for; the learner's batch size says how many labels these are.

        Raises:
          ValueError: ``num_rounds`` is not a whole number of at least 1.
        """


class ViewFn(Protocol):
    """A round as its strategy sees it."""

    def __call__(self, rng_key: RngKey | Keys, state: LoopState, dataset: Dataset) -> PoolView:
        """What the strategy of the last round saw, for notebooks: with the same model, draws, targets and subset.

        Args:
          rng_key: the key of the run.
          state: from ``ask``; after ``tell`` or ``skip`` the view shows the labels that were added since.
          dataset: the one of the run.

        Raises:
          ValueError: (outside compiled code) a state that has not asked yet.
        """


class PredictorFn(Protocol):
    """The last model."""

    def __call__(self, rng_key: RngKey | Keys, state: LoopState) -> Callable[[PyTree], PyTree]:
        """The model that asked last, with the draws that its strategy saw: inputs [n, ...] -> predictions [S, n, ...].

        Args:
          rng_key: the key of the run.
          state: from ``ask``, ``tell`` or ``step``.

        Raises:
          ValueError: (outside compiled code) a state that has not asked yet.
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
