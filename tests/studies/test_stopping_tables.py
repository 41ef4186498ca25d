"""Where criteria would have stopped: the labels and the metric of the model kept, in tables and in the report."""

import numpy as np
import pandas as pd
import pytest

for package in ("tyro", "jinja2", "plotly"):
    pytest.importorskip(package, reason="needs the extra 'report'")

from bal.studies import compare, stops
from bal.studies.report import command
from bal.studies.settings import Settings
from tests.studies.frames import metrics_of

LABELS = (20, 30, 40, 50, 60)


def numbers(**changed):
    """A run of five rounds whose numbers never stop it, but for those that are changed."""
    never = {"kappa": 0.0, "f_change": 1.0, "f_change_bound": 1.0, "uncertainty": 1.0, "information": 1.0}
    never |= {"accuracy": 0.5, "accuracy_low": 0.4, "accuracy_high": 0.6}
    rows = {name: [value] * len(LABELS) for name, value in never.items()} | changed
    return pd.DataFrame({"strategy": "bald", "seed": 0, "round": range(len(LABELS)), **rows})


@pytest.mark.parametrize(
    ("changed", "criterion", "at"),
    [
        ({"kappa": [np.nan, 0.99, 0.99, 1.0, 1.0]}, "kappa", 3),
        ({"f_change": [np.nan, 0.04, 0.04, 0.2, 0.04]}, "f_change", None),
        ({"f_change_bound": [np.nan, 0.04, 0.04, 0.04, 0.9]}, "f_change_bound", 3),
        ({"uncertainty": [0.5, 0.09, 0.5, 0.5, 0.5]}, "uncertainty", 1),
        ({"information": [0.01] * 5}, "information", 0),
        ({"accuracy_low": [0.5, 0.6, 0.7, 0.8, 0.96]}, "accuracy", 4),
    ],
)
def test_a_criterion_saves_the_labels_after_its_round_and_loses_what_they_taught(changed, criterion, at):
    values = [0.5, 0.6, 0.75, 0.7, 0.8]
    found = stops(numbers(**changed), metrics_of({"bald": [values]}, labels=LABELS), "accuracy").set_index("criterion")
    assert found["stopped"].sum() == (at is not None)
    kept = 4 if at is None else at
    row = found.loc[criterion]
    assert (row["labels"], row["saved"]) == (LABELS[kept], 60 - LABELS[kept])
    assert row["value"] == values[kept]
    assert row["lost"] == pytest.approx(0.8 - values[kept])
    assert (found.drop(criterion)["lost"] == 0).all()


def test_of_an_error_more_is_lost():
    found = stops(
        numbers(information=[0.0] * 5), metrics_of({"bald": [[0.9, 0.5, 0.4, 0.3, 0.2]]}, "rmse", labels=LABELS), "rmse"
    )
    assert found.set_index("criterion").loc["information", "lost"] == pytest.approx(0.7)


def test_tables_of_different_runs_are_refused():
    with pytest.raises(ValueError, match="stopping numbers and accuracy of the same rounds"):
        stops(numbers().iloc[:3], metrics_of({"bald": [[0.5] * 5]}, labels=LABELS), "accuracy")


def test_a_comparison_that_watches_has_the_table_and_its_report_shows_it(tmp_path):
    settings = Settings().with_values(
        num_pool=60, num_test=40, hidden_sizes=(16,), num_steps=10, num_samples=4, num_initial=6, num_rounds=3,
        batch_size=2, num_seeds=2, seeds_at_once=2, strategies=("bald",), stop_set_size=30, output=tmp_path,
    )  # fmt: skip
    compare.main(settings)
    compare.main(settings)  # again, from checkpoints
    frame = pd.read_parquet(tmp_path / "stopping.parquet")
    assert len(frame) == 2 * 3
    assert frame.loc[frame["round"] == 0, "kappa"].isna().all()
    assert frame.loc[frame["round"] > 0].notna().all(axis=None)
    assert (frame["accuracy_low"] <= frame["accuracy"]).all()

    command.main(command.Report((tmp_path,), output=tmp_path / "report"))
    assert "Where stopping criteria would have stopped" in (tmp_path / "report" / "report.html").read_text()
    written = pd.read_csv(tmp_path / "report" / "tables" / "stopping.csv", index_col=0)
    found = stops(frame, pd.read_parquet(tmp_path / "metrics.parquet"), "accuracy")
    means = found.groupby(["strategy", "criterion"])[["labels", "saved", "lost"]].mean()
    for (strategy, criterion), row in means.iterrows():
        np.testing.assert_allclose(written.loc[f"{strategy}, {criterion}", ["labels", "saved", "lost"]].tolist(), row)
