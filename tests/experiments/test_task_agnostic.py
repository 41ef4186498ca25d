"""Rules of any task: what a gain is, what the study says of it, and that every rule can be built for every task."""

from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

from bal.studies.learners import build_learner
from bal.studies.tasks import Task
from experiments.task_agnostic import results, study
from experiments.task_agnostic.problems import PROBLEMS, settings_of

TASKS = {
    "classification": Task(10, classes=True),
    "regression": Task(1, classes=False),
    "segmentation": Task(2, classes=True, dense=True),
    "depth": Task(2, classes=False, dense=True, void=float("nan"), shift=3.0),
    "detection": Task(6, classes=True, boxes=True),
}
FIGURES = {"classification": "accuracy", "depth": "rmse"}


def metrics():
    """Two seeds, two label counts: lcmd is .1 and .2 above random in accuracy, and .3 and .1 metres above in error."""
    ends = {
        ("classification", "random"): (0.5, 0.5), ("classification", "lcmd"): (0.7, 0.9),
        ("depth", "random"): (1.0, 1.0), ("depth", "lcmd"): (1.6, 1.2),
    }  # fmt: skip
    rows = [
        (task, rule, seed, count, FIGURES[task], start if count == 10 else values[seed])
        for (task, rule), values in ends.items()
        for start in [0.5 if task == "classification" else 1.0]
        for seed in (0, 1)
        for count in (10, 20)
    ]
    return pd.DataFrame(rows, columns=["task", "strategy", "seed", "num_labelled", "metric", "value"])


def test_a_gain_is_an_area_less_that_of_random_and_of_an_error_the_opposite():
    found = results.gains(metrics(), FIGURES)
    assert found["rule"].unique().tolist() == ["lcmd"]
    gains = found.set_index(["task", "seed"])["gain"]
    for task, expected in (("classification", (0.1, 0.2)), ("depth", (-0.3, -0.1))):
        assert gains[task].tolist() == pytest.approx(expected)
    table = results.gains_table(metrics(), found, FIGURES)
    assert [cell.split(" ")[0] for column in table.columns[1:] for cell in column.cells] == [
        "0.5000", "+0.1500", "1.00", "-0.20",
    ]  # fmt: skip
    assert len(results.plot_gains(found, FIGURES).axes) == 2


def test_a_rule_is_better_or_worse_if_its_interval_lies_on_one_side_of_0():
    values = {"better": (0.10, 0.11, 0.12), "worse": (-0.10, -0.11, -0.12), "open": (-0.1, 0.1, 0.2)}
    rows = [(task, "k_center", seed, gain) for task, gains in values.items() for seed, gain in enumerate(gains)]
    found = pd.DataFrame(rows, columns=["task", "rule", "seed", "gain"])
    assert results.sentences(found) == ["k_center: better on better; worse on worse; not shown to differ on open"]


@pytest.mark.parametrize("task", PROBLEMS)
def test_every_rule_can_be_built_for_every_task_and_one_posterior_judges_them(task):
    of_ensemble, of_loss = settings_of(PROBLEMS[task], rules=study.RULES, tiny=False, num_seeds=5, output=Path("x"))
    assert of_ensemble.run.strategies == ("random", "k_center", PROBLEMS[task].disagreement)
    assert of_loss.model.evaluation_posterior == of_ensemble.model.posterior == "deep_ensemble"
    for settings in (of_ensemble, of_loss):
        for name in settings.run.strategies:
            assert build_learner(settings, name, TASKS[task]).num_rounds == settings.run.num_rounds


def test_a_tiny_study_writes_everything(tmp_path, capsys):
    rules = ("random", "disagreement", "learning_loss")
    study.main(study.Study(tiny=True, rules=rules, output=tmp_path))
    for name in ("metrics.parquet", "gains.parquet", "gains.png", "curves_classification.png"):
        assert (tmp_path / name).stat().st_size > 1000
    frame = pd.read_parquet(tmp_path / "metrics.parquet")
    assert frame["strategy"].unique().tolist() == list(rules)
    # Before the first batch all rules have the same labels, and so the same judge.
    first = frame[(frame["round"] == 0) & (frame["metric"] == "nll")]
    assert (first.groupby("seed")["value"].agg(lambda values: values.max() - values.min()) < 1e-5).all()
    assert "disagreement: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tasks": ("classificaton",)}, "--tasks to be one of 'classification'"),
        ({"rules": ("random", "bald")}, "--rules to be one of"),
        ({"rules": ("k_center", "random")}, "random first and others after it as --rules, got k_center random"),
    ],
)
def test_another_task_or_rule_is_refused_before_anything_is_written(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        study.main(study.Study(output=tmp_path / "new", **change))
    assert not (tmp_path / "new").exists()
