"""Room for more labels in a state."""

from collections.abc import Sequence

from bal.loop._learner import LoopState
from bal.pool import extend_budget
from bal.posteriors import Posterior


def extended(state: LoopState, posteriors: Sequence[Posterior], budget: int) -> LoopState:
    """The state of a run with a larger label budget.

    Args:
      state: before.
      posteriors: that of the run and, where there is one, that of its evaluation.
      budget: labels that there is room for.
    """
    held = [state.posterior, state.evaluation][: len(posteriors)]
    grown = [
        one if believed.extend is None else believed.extend(one, budget)
        for one, believed in zip(held, posteriors, strict=True)
    ]
    pool = extend_budget(state.pool, budget)
    return state._replace(pool=pool, posterior=grown[0], evaluation=grown[1] if len(grown) == 2 else ())
