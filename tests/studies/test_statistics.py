"""Learning curves and the numbers that compare them, against their definitions."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("scipy", reason="needs the extra 'studies'")

from bal.studies import area_differences, curves, labels_to, main_metric, mean_and_interval, normalised_area
from bal.studies._metrics import direction
from tests.studies.frames import metrics_of


def test_curves_have_a_row_for_each_count_and_a_column_for_each_seed():
    frame = metrics_of({"random": [(0.1, 0.2, 0.3), (0.4, 0.5, 0.6)], "bald": [(0.7, 0.8, 0.9)]})
    table = curves(frame.sample(frac=1, random_state=0).sort_values("strategy", ascending=False, kind="stable"))
    assert list(table) == ["random", "bald"]
    assert table["random"].to_dict() == {0: {20: 0.1, 30: 0.2, 40: 0.3}, 1: {20: 0.4, 30: 0.5, 40: 0.6}}


def test_an_undefined_value_stays_in_the_curves():
    table = curves(metrics_of({"bald": [(np.nan,) * 3, (0.1, 0.2, 0.3)]}))["bald"]
    assert table.shape == (3, 2)
    assert table[0].isna().all()


@pytest.mark.parametrize(
    ("frame", "metric", "message"),
    [
        (metrics_of({"bald": [(1, 2, 3)]}), "rmse", "expected the metric to be one of 'accuracy', got 'rmse'"),
        (pd.concat([metrics_of({"bald": [(1, 2, 3)]})] * 2), None, "got several: select one data set"),
        (metrics_of({}), None, "at least one metric"),
    ],
)
def test_frames_without_one_curve_for_each_run_are_refused(frame, metric, message):
    with pytest.raises(ValueError, match=message):
        curves(frame, metric)


def test_the_main_metric_is_accuracy_or_an_error_and_its_direction_is_known():
    assert main_metric(["nll", "ece", "accuracy"]) == "accuracy"
    assert main_metric(["nll", "mae", "rmse"]) == "rmse"
    assert [direction(name) for name in ("accuracy", "auc", "nll", "coverage_90")] == [
        "higher is better", "higher is better", "lower is better", "",
    ]  # fmt: skip


def test_the_interval_is_that_of_student():
    values = np.array([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]])
    mean, half = mean_and_interval(values)
    np.testing.assert_allclose(mean, [2, 4])
    # Quantile .975 of t with 2 degrees of freedom, from a table.
    np.testing.assert_allclose(half, [4.302653 / np.sqrt(3), 0], rtol=1e-6)
    narrow = mean_and_interval(values[0], level=0.5)[1]
    np.testing.assert_allclose(narrow, 0.816497 / np.sqrt(3), rtol=1e-5)


def test_one_run_has_no_interval_and_nan_is_not_left_out():
    mean, half = mean_and_interval(np.array([0.5]))
    assert mean == 0.5
    assert np.isnan(half)
    assert np.isnan(mean_and_interval(np.array([0.5, np.nan, 0.7]))).all()
    with pytest.raises(ValueError, match="at least one run, got none"):
        mean_and_interval(np.array([]))
    with pytest.raises(ValueError, match="level between 0 and 1, got 95"):
        mean_and_interval(np.array([0.5, 0.6]), level=95.0)


def test_the_area_is_the_mean_height_of_the_curve():
    curve = pd.Series([0.2, 0.6, 0.6, 1.0], index=[20, 30, 50, 60])
    assert normalised_area(curve) == pytest.approx((0.4 * 10 + 0.6 * 20 + 0.8 * 10) / 40)
    assert normalised_area(pd.Series([0.7, 0.7, 0.7], index=[20, 27, 300])) == pytest.approx(0.7, rel=1e-12)
    assert normalised_area(pd.Series([0.7], index=[20])) == 0.7
    assert np.isnan(normalised_area(pd.Series([0.7, np.nan, 0.7], index=[20, 30, 40])))


def test_differences_of_areas_are_paired_by_seed():
    index = [20, 30, 50]
    baseline = pd.DataFrame({0: [0.2, 0.4, 0.4], 1: [0.8, 0.8, 0.8]}, index=index)
    differences = area_differences(baseline + 0.1, baseline)
    np.testing.assert_allclose(differences, 0.1)
    assert list(differences.index) == [0, 1]
    with pytest.raises(ValueError, match=r"the same seeds for paired differences, got \[0\] and \[0, 1\]"):
        area_differences(baseline[[0]], baseline)
    with pytest.raises(ValueError, match=r"the same label counts for paired differences, got \[20, 30\] and"):
        area_differences(baseline.loc[[20, 30]], baseline)


def test_labels_to_a_target_is_a_set_size_that_half_of_the_runs_needed_at_most():
    runs = pd.DataFrame({0: [0.5, 0.9, 0.9], 1: [0.5, 0.5, 0.9], 2: [0.5, 0.5, 0.5], 3: [0.5, 0.5, 0.95]}, [20, 30, 40])
    assert labels_to(runs, 0.9) == 40  # the median of 30, 40, 40 and never
    assert labels_to(runs[[0, 1]], 0.9) == 30  # one of two; their median would be 35, which no run had
    assert labels_to(runs, 0.93) is None  # one of four
    assert labels_to(runs, 0.5) == 20
    assert labels_to(runs * np.nan, 0.5) is None


def test_a_run_that_falls_below_the_target_again_has_reached_it():
    runs = pd.DataFrame({0: [0.9, 0.5, 0.5], 1: [0.5, 0.9, 0.5], 2: [0.5, 0.5, 0.5]}, [20, 30, 40])
    assert labels_to(runs, 0.9) == 30


def test_an_error_is_reached_from_above():
    runs = pd.DataFrame({0: [3.0, 2.0, 1.0]}, [20, 30, 40])
    assert labels_to(runs, 2.5, higher_is_better=False) == 30
    assert labels_to(runs, 0.5, higher_is_better=False) is None
