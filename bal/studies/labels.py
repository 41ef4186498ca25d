"""Who labels in a study, as settings name it: the model itself, or a simulated oracle."""

import jax.numpy as jnp

import bal
from bal.studies.settings import AutomaticSettings, OracleSettings
from bal.studies.tasks import Task


def automatic_labels(labelling: AutomaticSettings) -> bal.Automatic | None:
    """How the model labels points itself; None if it does not."""
    level, rules = labelling.automatic_level, bal.autolabel
    if labelling.automatic is None:
        return None
    if labelling.automatic == "entropy_below":
        rule = rules.entropy_below(level, rate=labelling.automatic_rate)
    elif labelling.automatic == "confidence_above":
        rule = rules.confidence_above(level)
    else:
        rule = rules.risk_controlled(level)
    return bal.Automatic(rule, labelling.max_automatic, labelling.automatic_weight)


def has_oracle(oracle: OracleSettings) -> bool:
    """Whether labels are those of a simulated oracle instead of the pool's own.

    Example:
      >>> has_oracle(OracleSettings(label_noise=0.1)), has_oracle(OracleSettings())
      (True, False)
    """
    return bool(oracle.label_noise or oracle.abstention or oracle.relabel)


def simulated_oracle(oracle: OracleSettings, task: Task) -> bal.Oracle | None:
    """Who answers instead of the pool's labels; None if they do.

    Raises:
      ValueError: labels that are not one class a point.
    """
    if not has_oracle(oracle):
        return None
    if not task.classes or task.dense or task.boxes:
        raise ValueError("expected one class a point for --label-noise, --abstention and --relabel, got other labels")
    confusion = bal.even_errors(jnp.full(task.num_classes, oracle.label_noise))
    return bal.Oracle(confusion, oracle.abstention, max_answers=2 if oracle.relabel else 1)
