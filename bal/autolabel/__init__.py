"""Which points need no person? Predictions in, a :class:`Decision` for each point out: automatic, ask, or leave.

Pure functions of arrays; ``bal.build(..., automatic=...)`` uses them in the loop. A rule has an uncertainty, which is
any score of predictions where lower means more certain, and a threshold below which the model may label a point.
"""

from bal.autolabel._decide import Decision, Kind, check_max_automatic, choose, decide, decide_assessed, summary
from bal.autolabel._fixed import confidence_above, entropy_below
from bal.autolabel._risk_controlled import risk_controlled
from bal.autolabel._rule import Calibration, Rule, assess, calibrate, check_calibration

RULES = {
    "confidence_above": confidence_above,
    "entropy_below": entropy_below,
    "risk_controlled": risk_controlled,
}

__all__ = [
    "Calibration",
    "Decision",
    "Kind",
    "RULES",
    "Rule",
    "assess",
    "calibrate",
    "check_calibration",
    "check_max_automatic",
    "choose",
    "confidence_above",
    "decide",
    "decide_assessed",
    "entropy_below",
    "risk_controlled",
    "summary",
]
