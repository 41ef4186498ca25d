"""Which metric a comparison is about, and which of its values are better."""

from collections.abc import Iterable

MAIN = ("mean_iou", "accuracy", "rmse", "ap", "nll")  # the first of these that a task has
# All other metrics are errors, losses or distances.
HIGHER_IS_BETTER = (
    "accuracy", "ap", "ap_50", "auc", "auroc", "average_precision", "balanced_accuracy", "delta_1", "f1",
    "loss_rank_correlation", "mean_dice", "mean_iou", "positives_found", "r2", "recall",
)  # fmt: skip

# Values for which a table gives the number of labels, unless others are asked for.
TARGETS = {"accuracy": (0.8, 0.9, 0.95), "positives_found": (0.5, 0.9)}
OF_THE_POOL = ("positives_found",)  # all other metrics are those of predictions of the test set


def main_metric(names: Iterable[str]) -> str:
    """The metric of the curves, the areas and the labels to a target.

    Example:
      >>> main_metric(["ece", "nll", "rmse"])
      'rmse'

    Raises:
      ValueError: there are no metrics.
    """
    names = sorted(names)
    if not names:
        raise ValueError("expected at least one metric, got none")
    return next((name for name in MAIN if name in names), names[0])


def higher_is_better(name: str) -> bool:
    """Whether a larger value of the metric is the better one.

    Example:
      >>> higher_is_better("accuracy"), higher_is_better("rmse")
      (True, False)
    """
    return name in HIGHER_IS_BETTER or name.startswith("iou_")


def title_of(name: str) -> str:
    """What a metric is, for a picture or a table.

    Example:
      >>> title_of("mean_iou"), title_of("positives_found")
      ('test mean iou', 'positives found in the pool')
    """
    words = name.replace("_", " ")
    return f"{words} in the pool" if name in OF_THE_POOL else f"test {words}"


def direction(name: str) -> str:
    """Which values are better, in words; empty for the coverage of intervals, whose best value is their level.

    Example:
      >>> direction("rmse")
      'lower is better'
    """
    if name.startswith("coverage"):
        return ""
    return "higher is better" if higher_is_better(name) else "lower is better"
