"""The states of a session's rounds: computed by ``init``, ``tell``, ``skip`` and ``ask``, and kept on the disk."""

import warnings
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bal.initial import uniform_start
from bal.labelling._history import ASKED, NEVER, History, history, labels_of, points_of
from bal.labelling._journal import Event
from bal.labelling._labels import from_journal, with_labels_like
from bal.loop import ActiveLearner, LoopState, StepInfo, load, save
from bal.sources import holds_source
from bal.streaming import num_points
from bal.types import Dataset, Keys, PyTree, RngKey, split_keys

KEPT = 2  # states on the disk: the last one, and the one before, to which an undo may return


class Rounds:
    """The functions of a learner, applied to what a history says."""

    def __init__(self, learner: ActiveLearner, dataset: Dataset, rng_key: RngKey | Keys, like: PyTree, folder: Path):
        self._learner, self._dataset, self._key, self._like, self._folder = learner, dataset, rng_key, like, folder
        self._ask = jax.jit(learner.ask)
        keys = rng_key if isinstance(rng_key, Keys) else split_keys(rng_key)
        self.size = num_points(dataset.pool_inputs)
        self._order = np.asarray(uniform_start(keys.initial, self.size, self.size)).tolist()

    def first_points(self, record: History) -> list[int]:
        """The first labelled set: that of a simulation with the same key; points put off make room for others.

        Raises:
          ValueError: too few points are left.
        """
        labels, count = labels_of(record), self._learner.num_initial
        points = [point for point in self._order if point in labels or point not in record.responses][:count]
        if len(points) < count:
            raise ValueError(f"expected {count} first labels, got a pool in which only {len(points)} can be given")
        return points

    def told(self, state: LoopState | None, record: History) -> LoopState:
        """The state with all that the history says: the batch in its order, then corrections of earlier labels.

        Args:
          state: from the ``ask`` of the last round of the history; None before the first one.
          record: of all events so far.
        """
        labels = labels_of(record)
        if state is None:
            batch = self.first_points(record)
            # The pool's labels stay out of it: a person gives them.
            points, first = self._arrays(batch, labels)
            state = self._learner.init(self._key, self._dataset, initial=(jnp.asarray(points), first))
        else:
            batch = [point for point in record.asked[-1].points if point in labels]
            state = self._tell(state, batch, labels)
        held = dict(zip(np.asarray(state.pool.indices).tolist(), self._rows(state.pool.labels), strict=True))
        given = dict(zip(labels, self._rows(self._arrays(list(labels), labels)[1]), strict=True))
        state = self._tell(state, [point for point in labels if held.get(point) != given[point]], labels)
        never = points_of(record, NEVER)
        return self._learner.skip(state, np.array(never, np.int32)) if never else state

    def ask(self, state: LoopState) -> tuple[LoopState, StepInfo]:
        """The next round, compiled."""
        return self._ask(self._key, state, self._dataset)

    def compile_ahead(self) -> None:
        """Compile a round while a person answers; of a pool on disk its pieces compile as they run."""
        if holds_source(self._dataset.pool_inputs):
            return
        count = self._learner.num_initial
        labels = jax.tree.map(lambda leaf: np.zeros((count, *leaf.shape[1:]), leaf.dtype), self._like)
        first = jnp.asarray(self._order[:count], jnp.int32)
        state = self._learner.init(self._key, self._dataset, initial=(first, labels))
        self._ask.lower(self._key, state, self._dataset).compile()  # a call then finds it; a fit might take minutes

    def save(self, round_: int, state: LoopState) -> None:
        """Keep the state of a round on the disk, and forget an old one."""
        save(self._file(round_), state)
        self._file(round_ - KEPT).unlink(missing_ok=True)

    def restore(self, kept: list[Event]) -> LoopState | None:
        """The state after the last ``ask``, read from the disk or, where it is missing there, computed from the events.

        Args:
          kept: the events that were not undone.
        """
        ends = [place for place, event in enumerate(kept) if event["event"] == ASKED]
        state, round_ = None, len(ends) - 1
        while round_ >= 0 and state is None:
            state = self._load(round_)
            round_ -= state is None
        for later in range(round_ + 1, len(ends)):
            state, info = self.ask(self.told(state, history(kept[: ends[later]])))
            if asked_points(info, self.size) != kept[ends[later]]["points"]:
                warnings.warn(
                    f"expected round {later} to ask for the points that the journal holds, got others, as on another "
                    "device or release: those of the journal are kept",
                    stacklevel=4,
                )
            self.save(later, state)
        return state

    def _load(self, round_: int) -> LoopState | None:
        try:
            return load(self._file(round_), self._learner, with_labels_like(self._dataset, self._like))
        except FileNotFoundError:
            return None
        except ValueError as error:
            warnings.warn(f"{error}; it is computed again from the journal", stacklevel=5)
            return None

    def _file(self, round_: int) -> Path:
        return self._folder / f"round_{round_}.npz"

    def _tell(self, state: LoopState, points: list[int], labels: dict[int, Any]) -> LoopState:
        return self._learner.tell(state, *self._arrays(points, labels)) if points else state

    def _arrays(self, points: list[int], labels: dict[int, Any]) -> tuple[np.ndarray, PyTree]:
        return np.array(points, np.int32), from_journal(self._like, [labels[point] for point in points])

    def _rows(self, labels: PyTree) -> list[bytes]:
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(labels)]
        return [b"".join(leaf[row].tobytes() for leaf in leaves) for row in range(len(leaves[0]))]


def asked_points(info: StepInfo, size: int) -> list[int]:
    """The points that a round asks for; an absent index, where nothing was left to choose, is left out."""
    return [point for point in np.asarray(info.selection.indices).tolist() if point < size]
