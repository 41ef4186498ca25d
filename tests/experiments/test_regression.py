"""The study of regression: its files from one command, and the figures of its tables from known errors."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

from bal.studies.learners import build_learner
from bal.studies.tasks import task_of
from experiments.regression import study as regression
from experiments.regression.results import error_table, less_random, log_errors, mean_error, verdicts
from experiments.regression.study import STRATEGIES, Study

COLUMNS = ["dataset", "posterior", "strategy", "seed", "round", "num_labelled", "metric", "value"]
SCALES = {"a": 10.0, "b": 0.5}
METRICS = ("rmse", "mae", "error_q95", "error_q99")


def metrics_of(factors):
    """Errors e^(seed / 10) in standard deviations, times a factor for each strategy after the first round."""
    rows = [
        (dataset, "laplace", name, seed, done, 10 * done, metric, scale * np.exp(seed / 10) * (factor if done else 7.0))
        for dataset, scale in SCALES.items()
        for name, factor in factors.items()
        for seed in range(3)
        for done in range(3)
        for metric in METRICS
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_errors_are_averaged_as_logarithms_in_standard_deviations_after_the_first_batch():
    errors = log_errors(metrics_of({"random": 1.0, "lcmd": np.exp(-0.25)}), SCALES)
    assert set(errors["metric"]) == {"log_rmse", "log_mae", "log_q95", "log_q99"}
    means = mean_error(errors)
    np.testing.assert_allclose(means.loc["random"], [0, 0.1, 0.2], atol=1e-12)
    np.testing.assert_allclose(less_random(errors).loc["lcmd"], -0.25)
    table = error_table(errors)
    assert list(table.columns[0].cells) == ["lcmd", "random"]
    assert list(table.columns[2].cells) == ["-0.250 ± 0.000", ""]
    assert list(table.columns[3].cells) == ["better", ""]


def test_a_verdict_holds_for_all_strategies_together():
    # Student's t of 9 degrees of freedom: 2.262 standard errors for one strategy, 3.69 for 20 together.
    deviations = np.linspace(-1, 1, 10)
    shift = 3.0 * deviations.std(ddof=1) / np.sqrt(10)
    found = lambda num: verdicts(pd.DataFrame([deviations - shift] + [deviations] * (num - 1)))["0"]
    assert found(1) == "better"
    assert found(20) == "-"
    assert verdicts(pd.DataFrame([deviations + 2 * shift])) == {"0": "worse"}


def test_one_command_writes_tables_and_a_picture_and_continues(tmp_path, capsys):
    study = Study(tiny=True, output=tmp_path)
    regression.main(study)
    errors = pd.read_parquet(tmp_path / "log_errors.parquet")
    assert set(errors["strategy"]) == {"random", "lcmd"}
    assert sorted(errors["num_labelled"].unique()) == [8, 16, 24]
    first = errors[(errors["round"] == 0) & (errors["metric"] == "log_rmse")]
    values = first.pivot_table(index="seed", columns="strategy", values="value").to_numpy()
    # Strategies share the initial sets. Two programs round in different ways.
    np.testing.assert_allclose(values[:, 0], values[:, 1], rtol=1e-4)
    assert np.isfinite(errors["value"]).all()
    assert (tmp_path / "regression.png").stat().st_size > 10_000
    assert "log RMSE" in capsys.readouterr().out
    before = (tmp_path / "log_errors.parquet").read_bytes()
    regression.main(study)
    assert (tmp_path / "log_errors.parquet").read_bytes() == before


def test_every_strategy_of_the_protocol_can_be_built_and_those_of_features_use_gradients(tmp_path):
    dataset = regression.prepared("friedman", 200)
    settings = regression.settings_of(Study(output=tmp_path), "friedman", dataset)
    for name in STRATEGIES:
        assert build_learner(settings, name, task_of(dataset)).num_rounds == 7
    assert float(np.abs(dataset.pool_inputs).max()) < regression.CLIP


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"datasets": ("digits",)}, "real labels, got 'digits'"),
        ({"datasets": ("friedmann",)}, "'friedman'"),
        ({"strategies": ("lcmd",)}, "random first"),
        ({"num_batches": 0}, "--num-batches"),
    ],
)
def test_invalid_settings_are_refused_before_a_folder_is_written(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        regression.main(Study(output=tmp_path / "new", **change))
    assert not (tmp_path / "new").exists()
