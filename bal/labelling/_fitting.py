"""When the next round is fitted: once its batch is answered, now or in a thread."""

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from bal.labelling._history import ASKED, History, effective, history, labels_of
from bal.labelling._journal import Event, Journal
from bal.labelling._rounds import Rounds, asked_points
from bal.loop import LoopState, StepInfo


class Fitting:
    """The journal, and the fit that it makes due. Only the thread that calls writes to the journal."""

    def __init__(self, journal: Journal, rounds: Rounds, *, num_rounds: int, background: bool):
        self.journal, self.rounds, self._num_rounds = journal, rounds, num_rounds
        self._thread = ThreadPoolExecutor(1) if background else None
        self._future: Future[tuple[LoopState, StepInfo]] | None = None
        self._last: tuple[int, LoopState] | None = None  # round, and its state after ask
        if self._thread is not None and len(self.record().asked) < num_rounds:
            self._thread.submit(rounds.compile_ahead)  # a mistake of the learner's is raised by the first fit

    def kept(self) -> list[Event]:
        """The events that were not undone."""
        return effective(self.journal.events)

    def record(self) -> History:
        """What they mean."""
        return history(self.kept())

    def batch(self, record: History) -> list[int]:
        """The points of the batch, in the order of their use."""
        return list(record.asked[-1].points) if record.asked else self.rounds.first_points(record)

    def open_points(self, record: History) -> list[int]:
        """The points of the batch that are still to answer."""
        known = record.responses if record.asked else labels_of(record)
        return [point for point in self.batch(record) if point not in known]

    def start(self) -> None:
        """Fit the next round if that is due; in the thread, where there is one, the call returns at once."""
        kept = self.kept()
        record = history(kept)
        nothing_left = bool(record.asked) and not record.asked[-1].points
        if self._future is not None or self.open_points(record) or len(record.asked) == self._num_rounds:
            return
        if nothing_left:
            return
        if self._thread is None:
            self._write(*self._fit(kept))
        else:
            self._future = self._thread.submit(self._fit, kept)

    @property
    def running(self) -> bool:
        """Whether :meth:`settle` would wait."""
        return self._future is not None and not self._future.done()

    def settle(self) -> None:
        """Wait for the fit that was begun, and write down for which points it asks."""
        if self._future is not None:
            future, self._future = self._future, None  # a fit that fails is begun again, not kept
            self._write(*future.result())

    def _write(self, state: LoopState, info: StepInfo) -> None:
        record = self.record()
        points, scores = asked_points(info, self.rounds.size), np.asarray(info.selection.scores).tolist()
        if not points and info.selection.num_invalid > 0:  # the session would seem to be finished
            raise ValueError(
                f"expected scores that are numbers, got NaN for all {info.selection.num_invalid} points: say 'cannot "
                "tell' of a point that has NaN among its inputs, or lower the learning rate"
            )
        metrics = {name: float(value) for name, value in info.metrics.items()}
        # The state stands on the disk before the event that refers to it.
        self.rounds.save(len(record.asked), state)
        self.journal.append({"event": ASKED, "points": points, "scores": scores[: len(points)], "metrics": metrics})
        self._last = len(record.asked), state

    def forget(self) -> None:
        """Drop the fit and the state, since an undo changes what they followed from."""
        if self._thread is not None and self._future is not None:
            self._thread.submit(lambda: None).result()  # waits for the fit that is running
        self._future = self._last = None

    def last_state(self, kept: list[Event]) -> LoopState | None:
        """The state after the last ``ask``; None before the first."""
        round_ = sum(event["event"] == ASKED for event in kept) - 1
        if round_ < 0:
            return None
        if self._last is None or self._last[0] != round_:
            state = self.rounds.restore(kept)
            assert state is not None
            self._last = round_, state
        return self._last[1]

    def close(self) -> None:
        """Wait for the thread, without its result, and let the journal go."""
        if self._thread is not None:
            self._thread.shutdown()
        self.journal.close()

    def _fit(self, kept: list[Event]) -> tuple[LoopState, StepInfo]:
        return self.rounds.ask(self.rounds.told(self.last_state(kept), history(kept)))
