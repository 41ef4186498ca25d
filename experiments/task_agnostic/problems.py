"""Five tasks at a size for two cores: their data, network and budget, and what disagreement means for their labels."""

from typing import Any, NamedTuple

from bal.studies.settings import Settings


class Problem(NamedTuple):
    """A task."""

    metric: str  # by which its curves are compared
    disagreement: str  # the strategy that asks where the members of an ensemble differ most
    settings: dict[str, Any]  # of the comparison, by the names of the flags of ``bal compare``
    tiny: dict[str, Any]  # what is smaller in a trial


_POINTS = {
    "network": "mlp", "hidden_sizes": (64, 64), "num_steps": 300, "num_initial": 20, "num_rounds": 6, "batch_size": 20
}  # fmt: skip
_SCENES = {
    "dataset": "digit_scenes", "image_size": 32, "num_pool": 300, "num_test": 100, "network": "unet",
    "hidden_sizes": (8, 16), "learning_rate": 5e-3, "minibatch_size": 4, "num_steps": 400, "num_initial": 5,
    "num_rounds": 4, "batch_size": 10,
}  # fmt: skip
_TINY = {"num_pool": 24, "num_test": 8, "num_steps": 10, "num_initial": 8, "num_rounds": 2, "batch_size": 4}

# Of an ensemble, BALD is the mean divergence of the members from their consensus, for one class or at each position;
# where labels are real numbers the members' means have a variance; a detector's draws are compared at its objects.
PROBLEMS = {
    "classification": Problem("accuracy", "bald", {"dataset": "digits", **_POINTS}, {"hidden_sizes": (8,), **_TINY}),
    "regression": Problem(
        "rmse", "epistemic_variance", {"dataset": "concrete", **_POINTS}, {"hidden_sizes": (8,), **_TINY}
    ),
    "segmentation": Problem(
        "mean_iou", "bald", {"task": "foreground", **_SCENES}, {"hidden_sizes": (4, 8), **_TINY}
    ),
    "depth": Problem("rmse", "epistemic_variance", {"task": "depth", **_SCENES}, {"hidden_sizes": (4, 8), **_TINY}),
    "detection": Problem(
        "ap_50",
        "detection_uncertainty",
        {
            "dataset": "experiments.detection.data:zeros_and_sevens", "network": "center_net", "hidden_sizes": (16, 32),
            "learning_rate": 5e-3, "minibatch_size": 8, "num_steps": 500, "num_initial": 100, "num_rounds": 3,
            "batch_size": 100,
        },
        {"hidden_sizes": (4,), **_TINY},
    ),
}  # fmt: skip


def settings_of(problem: Problem, *, rules: tuple[str, ...], tiny: bool, **values: Any) -> list[Settings]:
    """The comparison of the rules that an ensemble serves, and that of learning loss, judged by the same ensemble.

    Learning loss needs a network of its own that predicts losses. An ensemble with the same keys is fitted to the
    labels it asks for, so models differ by their labels only.
    """
    names = {"disagreement": problem.disagreement}
    shared = Settings().with_values(
        **{"dropout_rate": 0.0, **problem.settings, **(problem.tiny if tiny else {}), **values}
    )
    of_ensemble = tuple(names.get(rule, rule) for rule in rules if rule != "learning_loss")
    grids = [shared.with_values(posterior="deep_ensemble", strategies=of_ensemble, output=shared.output / "ensemble")]
    if "learning_loss" in rules:
        own = {"posterior": "learning_loss", "evaluation_posterior": "deep_ensemble"}
        grids.append(shared.with_values(strategies=("learning_loss",), output=shared.output / "learning_loss", **own))
    return grids
