"""Labels to a target with runs that never reach it, and labels saved, against SciPy, by hand and in simulation."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("scipy", reason="needs the extra 'studies'")

from scipy import stats

from bal.studies.statistics import kaplan_meier, label_savings, labels_to, labels_to_target


@pytest.mark.parametrize("seed", range(3))
def test_the_survival_function_and_its_interval_are_scipys(seed):
    rng = np.random.default_rng(seed)
    counts, is_reached = rng.integers(2, 9, 20) * 10, rng.random(20) < 0.7
    is_reached[counts.argmax()] = False
    ours = kaplan_meier(counts, is_reached)
    theirs = stats.ecdf(stats.CensoredData.right_censored(counts, ~is_reached)).sf
    places = np.searchsorted(theirs.quantiles, ours.counts)
    np.testing.assert_allclose(ours.shares, theirs.probabilities[places])
    with np.errstate(all="ignore"):
        interval = theirs.confidence_interval(method="log-log")
    np.testing.assert_allclose(ours.low, interval.low.probabilities[places])
    np.testing.assert_allclose(ours.high, interval.high.probabilities[places])


def test_a_worked_example():
    # Six runs; the third ended at 30 without reaching the target.
    ours = kaplan_meier(np.array([20, 30, 30, 40, 50, 50]), np.array([True, True, False, True, True, False]))
    np.testing.assert_allclose(ours.shares, [5 / 6, 4 / 6, 4 / 6 * 2 / 3, 4 / 6 * 2 / 3 / 2])
    assert ours.median.estimate == 40


def test_where_every_run_reaches_the_target_the_upper_end_is_binomial():
    both = np.ones(10, dtype=bool)
    assert kaplan_meier(np.full(10, 20), both).median == (20, 20, 20)
    assert kaplan_meier(np.full(10, 20), both).high == pytest.approx(stats.binomtest(0, 10).proportion_ci().high)
    # Five runs cannot show that half of all runs reach it: all five would with chance 1/32 to either side.
    assert kaplan_meier(np.full(5, 20), both[:5]).median == (20, 20, np.inf)
    none = kaplan_meier(np.full(5, 20), ~both[:5])
    assert none.counts.size == 0
    assert none.median == (np.inf, np.inf, np.inf)


def test_intervals_of_the_median_cover_it():
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(1000):
        needed = 20 * np.ceil(rng.exponential(5, 15))  # median 80, of an exponential 69.3
        limit = 140
        low, high = kaplan_meier(np.minimum(needed, limit), needed <= limit).median[1:]
        covered += low <= 80 <= high
    # Coarse counts make it cover more often.
    assert covered / 1000 >= 0.93


def test_runs_are_censored_at_their_last_label_and_the_median_is_that_of_labels_to():
    runs = pd.DataFrame(
        {0: [0.5, 0.9, 0.8], 1: [0.5, 0.5, 0.9], 2: [0.5, 0.6, np.nan], 3: [0.9, 0.1, 0.1]}, [20, 30, 40]
    )
    assert labels_to_target(runs, 0.9).estimate == labels_to(runs, 0.9) == 30
    assert labels_to_target(runs, 0.95).estimate == np.inf
    assert labels_to_target(1 - runs, 0.1, higher_is_better=False).estimate == 30


def test_savings_are_read_off_the_mean_curves():
    index = [20, 40, 60]
    baseline = pd.DataFrame({0: [0.4, 0.6, 0.8], 1: [0.6, 0.6, 0.8]}, index)  # mean .5, .6, .8
    better = pd.DataFrame({0: [0.4, 0.9, 0.9], 1: [0.6, 0.9, 0.9]}, index)  # mean .5, .9, .9
    # .8 is reached at 20 + 20 * .3 / .4.
    assert label_savings(better, baseline).estimate == pytest.approx(60 - 35)
    assert label_savings(better, baseline, 0.6).estimate == pytest.approx(40 - 25)
    assert label_savings(baseline, baseline) == (0, 0, 0)
    assert label_savings(baseline, better).estimate == -np.inf
    assert label_savings(better, baseline, 0.9).estimate == np.inf
    assert np.isnan(label_savings(better, baseline, 0.95).estimate)
    errors = label_savings(1 - better, 1 - baseline, higher_is_better=False)
    np.testing.assert_allclose(errors, label_savings(better, baseline))
    alone = label_savings(better[[0]], baseline[[0]])
    assert alone.estimate == pytest.approx(60 - 36)
    assert np.isnan(alone.low)


def test_the_interval_of_a_saving_covers_it():
    rng = np.random.default_rng(8)
    counts = np.arange(20, 121, 20)
    covered = 0
    for study in range(200):
        shared = rng.normal(0, 0.01, (1, 10))
        rise = np.array([[0.5], [0.6], [0.7], [0.8], [0.9], [1.0]])
        random = pd.DataFrame(rise + shared + rng.normal(0, 0.02, (6, 10)), counts)
        # It is 20 labels ahead, so it saves 20.
        bald = pd.DataFrame(np.minimum(rise + 0.1, 1.1) + shared + rng.normal(0, 0.02, (6, 10)), counts)
        _, low, high = label_savings(bald, random, num_resamples=300, seed=study)
        covered += low <= 20 <= high
    assert covered / 200 == pytest.approx(0.95, abs=0.045)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kaplan_meier(np.array([20]), np.array([1])), "a flag for each of 1 runs, got an array of dtype int64"),
        (lambda: kaplan_meier(np.array([np.nan]), np.array([True])), "the counts to be finite"),
        (lambda: labels_to_target(pd.DataFrame(index=[20]), 0.5), "a value in each run"),
        (lambda: labels_to_target(pd.DataFrame({0: [np.nan]}, [20]), 0.5), "got a run without any"),
        (lambda: label_savings(pd.DataFrame({0: [1.0]}, [20]), pd.DataFrame({1: [1.0]}, [20])), "the same seeds"),
        (lambda: label_savings(*[pd.DataFrame({0: [np.nan]}, [20])] * 2), "the curves to be finite"),
    ],
)
def test_bad_input_is_said_in_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
