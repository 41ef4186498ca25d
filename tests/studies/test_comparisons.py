"""Tests and intervals of paired runs, against SciPy, worked examples and simulation."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("scipy", reason="needs the extra 'studies'")

from scipy import stats

from bal.studies.statistics import (
    bootstrap_interval,
    holm,
    interquartile_mean,
    mean_and_interval,
    mean_of_all,
    paired_differences,
    pairwise_tests,
    probability_of_improvement,
    rank_table,
    signed_rank_p_value,
)


def enumerated(differences):
    """The p-value from all signs, with the mean ranks of the sizes."""
    differences = differences[differences != 0]
    ranks = stats.rankdata(np.abs(differences))
    seen = [sum(r for r, s in zip(ranks, signs, strict=True) if s) for signs in product([0, 1], repeat=len(ranks))]
    middle = ranks.sum() / 2
    distance = abs(ranks[differences > 0].sum() - middle)
    return np.mean([abs(each - middle) >= distance - 1e-9 for each in seen])


def test_the_signed_rank_test_is_that_of_scipy_without_ties_and_exact_with_them():
    rng = np.random.default_rng(0)
    for size in (1, 2, 5, 10, 30):
        differences = rng.normal(0.3, 1, size)
        assert signed_rank_p_value(differences) == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)
        tied = rng.integers(-2, 4, min(size, 10)) / 10
        assert signed_rank_p_value(tied) == pytest.approx(enumerated(tied) if tied.any() else 1)
    assert signed_rank_p_value(np.zeros(5)) == 1
    # .3 - .2 and .1 differ by rounding, and share a rank.
    assert signed_rank_p_value(np.array([0.3 - 0.2, -0.1, 0.2])) == enumerated(np.array([1, -1, 2])) == 0.75


def test_holm_is_a_worked_example():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.6, 0.7])), [1, 1])


def test_identical_methods_rarely_differ_after_holm():
    rng = np.random.default_rng(1)
    rejected = np.zeros(2)
    for _ in range(1000):
        # Runs of a seed share their start, and values are coarse, as accuracies are.
        scores = (rng.normal(size=(10, 1)) + rng.normal(size=(10, 4))).round(1)
        p_values = np.array([signed_rank_p_value(one - other) for one, other in combinations(scores.T, 2)])
        rejected += (p_values < 0.05).any(), (holm(p_values) < 0.05).any()
    # Of 1,000 studies, 50 are expected at most; 70 are three standard deviations more.
    assert rejected[1] <= 70
    assert rejected[0] > 100  # without the correction


@pytest.mark.parametrize(("num_runs", "bootstrap"), [(5, 0.905), (10, 0.945)])
def test_intervals_of_the_mean_difference_cover_it(num_runs, bootstrap):
    rng = np.random.default_rng(2)
    covered = np.zeros(2)
    for study in range(400):
        differences = rng.normal(0.5, 2, num_runs)
        mean, half = mean_and_interval(differences)
        _, low, high = bootstrap_interval(differences, mean_of_all, num_resamples=500, seed=study)
        covered += abs(mean - 0.5) <= half, low <= 0.5 <= high
    # The docstring has the bootstrap's figures, of 2,000 studies; a standard deviation is .011 to .015 here.
    assert covered[0] / 400 == pytest.approx(0.95, abs=0.03)
    assert covered[1] / 400 == pytest.approx(bootstrap, abs=0.04)


def test_the_interquartile_mean_is_scipys_trimmed_mean_and_its_interval_covers():
    rng = np.random.default_rng(3)
    for shape in ((1, 10), (3, 7)):
        scores = rng.normal(size=shape)
        assert interquartile_mean(scores) == pytest.approx(stats.trim_mean(scores, 0.25, axis=None))
    covered = 0
    offsets = np.array([[0.0], [1.0], [2.0], [4.0]])
    truth = interquartile_mean(offsets + stats.norm.ppf((np.arange(2000) + 0.5) / 2000))
    for study in range(400):
        estimate, low, high = bootstrap_interval(offsets + rng.normal(size=(4, 10)), seed=study, num_resamples=500)
        assert low <= estimate <= high
        covered += low <= truth <= high
    assert covered / 400 == pytest.approx(0.95, abs=0.035)


def test_bootstrap_quantiles_are_scipys_at_the_wider_levels():
    values = np.random.default_rng(4).gamma(2, size=12)
    level = 1 - 2 * stats.norm.cdf(np.sqrt(12 / 11) * stats.t.ppf(0.025, 11))
    theirs = stats.bootstrap(
        (values,), np.mean, confidence_level=level, method="percentile", n_resamples=20_000, rng=5
    ).confidence_interval
    ours = bootstrap_interval(values, mean_of_all, num_resamples=20_000)
    np.testing.assert_allclose(ours[1:], theirs, rtol=0.02)
    assert ours == bootstrap_interval(values, mean_of_all, num_resamples=20_000)


def test_the_probability_of_improvement_is_mann_whitneys():
    rng = np.random.default_rng(6)
    ours, theirs = rng.integers(0, 6, (3, 8)) / 5, rng.integers(0, 5, (3, 8)) / 5
    expected = np.mean([stats.mannwhitneyu(a, b).statistic / 64 for a, b in zip(ours, theirs, strict=True)])
    estimate, low, high = probability_of_improvement(ours, theirs)
    assert estimate == pytest.approx(expected)
    assert low < estimate < high
    assert probability_of_improvement(ours, theirs, higher_is_better=False).estimate == pytest.approx(1 - expected)
    assert probability_of_improvement(ours[0] + 9, theirs[0]) == (1, 1, 1)


def test_pairwise_tables_hold_each_pair_twice_and_the_corrected_p_values():
    scores = pd.DataFrame(np.random.default_rng(9).normal([0, 1, 3], 1, (12, 3)), columns=["random", "bald", "margin"])
    tests = pairwise_tests(scores)
    pairs = [("random", "bald"), ("random", "margin"), ("bald", "margin")]
    expected = [stats.wilcoxon(scores[one], scores[other]).pvalue for one, other in pairs]
    for (one, other), p_value, adjusted in zip(pairs, expected, holm(np.array(expected)), strict=True):
        assert tests.p_values.loc[one, other] == tests.p_values.loc[other, one] == pytest.approx(p_value)
        assert tests.p_holm.loc[one, other] == tests.p_holm.loc[other, one] == pytest.approx(adjusted)
        difference = scores[one].mean() - scores[other].mean()
        assert tests.differences.loc[one, other] == -tests.differences.loc[other, one] == pytest.approx(difference)
    assert np.isnan(np.diag(tests.p_holm)).all()


def test_metrics_in_single_precision_are_equal_where_their_fractions_are():
    exact = np.array([52, 51, 50, 53]) / 53
    scores = pd.DataFrame({"double": exact, "single": exact.astype(np.float32).astype(float)})
    assert (scores["double"] != scores["single"]).any()
    assert pairwise_tests(scores).p_values.loc["double", "single"] == 1
    assert paired_differences(scores, "double").loc["single", "p_value"] == 1
    assert (rank_table(scores) == 1.5).all(axis=None)
    assert probability_of_improvement(scores["single"].to_numpy(), exact).estimate == 0.5


def test_any_strategy_can_be_the_baseline_and_one_run_has_no_interval():
    scores = pd.DataFrame({"random": [0.5, 0.6], "bald": [0.7, 0.7], "margin": [0.5, 0.5]})
    table = paired_differences(scores, "bald")
    np.testing.assert_allclose(table["difference"], [-0.15, -0.2])
    assert list(table.index) == ["random", "margin"]
    alone = paired_differences(scores.iloc[:1], "random")
    assert alone["difference"].tolist() == pytest.approx([0.2, 0.0])
    assert alone[["low", "bootstrap_high"]].isna().all(axis=None)
    assert (alone["p_value"] == 1).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: signed_rank_p_value(np.array([0.1, np.nan])), "differences to be finite, got NaN"),
        (lambda: signed_rank_p_value(np.array(["a"])), "differences to be numbers with 1 axes, got an array of dtype"),
        (lambda: signed_rank_p_value(np.array([])), "got an array of dtype float64 and shape"),
        (lambda: signed_rank_p_value(np.ones(2), resolution=-1.0), "resolution of at least 0, got -1"),
        (lambda: holm(np.array([0.5, 1.5])), "p-values between 0 and 1"),
        (lambda: pairwise_tests(pd.DataFrame({"a": [0.5]})), "at least two strategies to compare"),
        (lambda: pairwise_tests(pd.DataFrame({"a": [], "b": []})), "at least 1 runs, got 0"),
        (lambda: paired_differences(pd.DataFrame({"a": [1.0], "b": [2.0]}), "c"), "the baseline to be one of 'a', 'b'"),
        (lambda: probability_of_improvement(np.ones(3), np.ones(2)), "scores of paired runs, got shapes"),
        (lambda: bootstrap_interval(np.ones([2, 3, 4])), "numbers with 2 axes"),
        (lambda: bootstrap_interval(np.ones(3), level=95.0), "level strictly between 0 and 1, got 95"),
        (lambda: bootstrap_interval(np.ones(3), num_resamples=0), "num_resamples to be a whole number"),
    ],
)
def test_bad_input_is_said_in_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
