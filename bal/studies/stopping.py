"""Where each stopping criterion would have stopped the runs of a study, and what it would have saved and cost."""

import jax.numpy as jnp
import pandas as pd

import bal
from bal.stopping import PredictedAccuracy
from bal.studies._metrics import higher_is_better

# Fixed before the study of them was run, see experiments.stopping; information and uncertainty are in nats.
THRESHOLDS = {"kappa": 0.99, "f_change": 0.05, "uncertainty": 0.1, "information": 0.02, "accuracy": 0.95}
WINDOW = 3  # rounds for which agreement and changes of F must last
CRITERIA = ("kappa", "f_change", "f_change_bound", "uncertainty", "information", "accuracy")


def stops(stopping: pd.DataFrame, metrics: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The round at which each criterion would have stopped each run, and the labels and the metric of its model.

    Args:
      stopping: numbers of all rounds, as :func:`bal.studies.stopping_frame` returns them.
      metrics: of the same runs, as :func:`bal.studies.metrics_frame` returns them.
      metric: whose loss to report.

    Returns:
      A row for each strategy, seed and criterion: stopped, whether it would have stopped the run at all; labels and
      value of the model that it would have kept, of the last one where it does not stop; saved, labels that the last
      model needed beyond these; and lost, how much worse than the last model this one is, in the unit of the metric.

    Raises:
      ValueError: rounds of a run without numbers or without the metric.

    Example:
      >>> number = {"kappa": 1.0, "f_change": 1.0, "f_change_bound": 1.0, "uncertainty": 1.0, "information": 1.0}
      >>> number |= {"accuracy": 0.9, "accuracy_low": 0.8, "accuracy_high": 1.0}
      >>> rounds = [{"strategy": "bald", "seed": 0, "round": done} for done in range(4)]
      >>> values = {"metric": "accuracy", "value": 0.8}
      >>> metrics = pd.DataFrame([{**each, "num_labelled": 20 + 5 * each["round"], **values} for each in rounds])
      >>> found = stops(pd.DataFrame([{**each, **number} for each in rounds]), metrics, "accuracy")
      >>> found.set_index("criterion").loc["kappa", ["labels", "saved"]].tolist()
      [30, 5]
    """
    values = metrics.loc[metrics["metric"] == metric, ["strategy", "seed", "round", "num_labelled", "value"]]
    together = stopping.merge(values, on=["strategy", "seed", "round"], how="outer", indicator=True)
    if (together["_merge"] != "both").any():
        raise ValueError(
            f"expected stopping numbers and {metric} of the same rounds, got others: make both tables anew"
        )
    sign = 1 if higher_is_better(metric) else -1
    rows = []
    for (strategy, seed), run in together.groupby(["strategy", "seed"], sort=False):
        run = run.sort_values("round", ignore_index=True)
        last = run.iloc[-1]
        for criterion, at in _rounds(run).items():
            kept = run.iloc[min(at, len(run) - 1)]
            rows.append(
                {
                    "strategy": strategy,
                    "seed": seed,
                    "criterion": criterion,
                    "stopped": at < len(run),
                    "labels": int(kept["num_labelled"]),
                    "value": kept["value"],
                    "saved": int(last["num_labelled"] - kept["num_labelled"]),
                    "lost": sign * (last["value"] - kept["value"]),
                }
            )
    return pd.DataFrame(rows)


def _rounds(run: pd.DataFrame) -> dict[str, int]:
    """The round of each criterion; the number of rounds where it does not stop."""
    column = lambda name: jnp.asarray(run[name].to_numpy(), jnp.float32)
    accuracy = PredictedAccuracy(column("accuracy"), column("accuracy_low"), column("accuracy_high"))
    names = ("kappa", "f_change", "f_change_bound", "uncertainty", "information")
    info = bal.StopInfo(**{name: column(name) for name in names}, accuracy=accuracy)
    rounds = bal.stop_rounds(info, **THRESHOLDS, window=WINDOW)
    return {name: int(rounds[name]) for name in CRITERIA}


def describe_thresholds() -> str:
    """The thresholds in words, for a caption.

    Example:
      >>> describe_thresholds().split(";")[0]
      'kappa of at least 0.99 and changes of F below 0.05 for 3 rounds'
    """
    held = THRESHOLDS
    return (
        f"kappa of at least {held['kappa']} and changes of F below {held['f_change']} for {WINDOW} rounds; "
        f"uncertainty below {held['uncertainty']} and information below {held['information']} nats; accuracy, the "
        f"lower end of what is predicted, of at least {held['accuracy']}"
    )
