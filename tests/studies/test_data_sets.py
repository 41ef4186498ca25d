"""Figures over data sets: ranks, penalties, profiles and sources of variance, against SciPy and worked examples."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("scipy", reason="needs the extra 'studies'")

from scipy import stats

from bal.studies.statistics import (
    compare_ranks,
    critical_difference,
    penalty_matrix,
    performance_profile,
    rank_table,
    variance_shares,
)


def test_critical_differences_are_those_of_demsar():
    # Demsar 2006: the quantiles of table 5a, and the example of section 3.2.2 with 4 classifiers on 14 data sets.
    quantiles = {2: 1.960, 3: 2.343, 4: 2.569, 5: 2.728, 10: 3.164}
    for k, quantile in quantiles.items():
        assert critical_difference(k, 10) == pytest.approx(quantile * np.sqrt(k * (k + 1) / 60), abs=1e-3)
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14, level=0.9) == pytest.approx(1.12, abs=0.005)


def test_ranks_are_those_of_scipy_and_the_lower_error_is_better():
    scores = pd.DataFrame(np.random.default_rng(0).integers(0, 5, (6, 4)) / 5, columns=list("abcd"))
    np.testing.assert_array_equal(rank_table(scores), stats.rankdata(-scores, axis=1))
    np.testing.assert_array_equal(rank_table(scores, higher_is_better=False), stats.rankdata(scores, axis=1))
    # .1 + .2 and .3 are one score.
    assert rank_table(pd.DataFrame({"a": [0.1 + 0.2], "b": [0.3]})).to_numpy().tolist() == [[1.5, 1.5]]
    summary = compare_ranks(scores)
    assert summary.p_value == pytest.approx(stats.friedmanchisquare(*scores.to_numpy().T).pvalue)
    assert summary.mean_ranks.is_monotonic_increasing
    assert compare_ranks(scores * 0).p_value == 1


def test_groups_hold_strategies_that_do_not_differ():
    # On every data set the ranks are 1, 2, 3, 4, 5; the critical difference is 1.36.
    scores = pd.DataFrame(np.tile([0.9, 0.8, 0.7, 0.6, 0.5], (20, 1)), columns=list("abcde"))
    summary = compare_ranks(scores)
    assert summary.critical_difference == pytest.approx(1.364, abs=0.001)
    assert summary.groups == [["a", "b"], ["b", "c"], ["c", "d"], ["d", "e"]]
    assert compare_ranks(scores.iloc[:2]).groups == [["a", "b", "c", "d", "e"]]
    many = pd.DataFrame(np.tile([0.9, 0.5], (50, 1)), columns=["good", "bad"])
    assert compare_ranks(many).groups == []


def runs(*columns):
    return pd.DataFrame(dict(enumerate(columns)), index=[20, 30, 40, 50])


def test_penalties_are_shares_of_label_counts_and_add_over_data_sets():
    bad = runs([0.5, 0.5, 0.5, 0.5], [0.5, 0.6, 0.5, 0.6], [0.4, 0.5, 0.6, 0.5])
    # Better at 40 and 50 by a clear margin, by a noisy one at 30, equal at 20.
    good = bad + np.array([[0, 0, 0], [-0.3, 0.4, 0.1], [0.2, 0.21, 0.22], [0.1, 0.1, 0.1]])
    matrix = penalty_matrix([{"good": good, "bad": bad}, {"good": good, "bad": good}])
    assert matrix.to_numpy().tolist() == [[0, 0.5], [0, 0]]
    turned = penalty_matrix([{"good": good, "bad": bad}], higher_is_better=False)
    assert turned.to_numpy().tolist() == [[0, 0], [0.5, 0]]
    # The interval excludes 0 where SciPy's paired test rejects.
    p_values = stats.ttest_rel(good.to_numpy()[1:3], bad.to_numpy()[1:3], axis=1).pvalue
    assert (p_values < 0.05).tolist() == [False, True]


def test_profiles_are_survival_functions_of_the_scores():
    scores = np.array([[0.5, 0.7, 0.9], [0.6, 0.7, 0.8]])
    table = performance_profile(scores, np.array([0.0, 0.55, 0.7, 0.95]))
    np.testing.assert_allclose(table["share"], [1, 5 / 6, 2 / 6, 0])
    assert ((table["low"] <= table["share"]) & (table["share"] <= table["high"])).all()
    below = performance_profile(scores, np.array([0.7]), higher_is_better=False)
    assert below["share"].tolist() == [pytest.approx(2 / 6)]


def test_shares_of_variance_are_a_worked_two_way_analysis():
    # Rows {0, 6}, columns {0, 2, 4}; the remainder is [[1, -2, 1], [-1, 2, -1]].
    values = np.array([[0.0], [6]]) + [0.0, 2, 4] + np.array([[1.0, -2, 1], [-1, 2, -1]])
    table = variance_shares(values, ["initial", "network"])
    # Mean squares by hand: rows 3 * (9 + 9) / 1, columns 2 * (4 + 0 + 4) / 2, remainder 12 / 2.
    expected = [(54 - 6) / 3, (8 - 6) / 2, 6]
    np.testing.assert_allclose(table["variance"], expected)
    np.testing.assert_allclose(table["share"], np.array(expected) / sum(expected))
    assert list(table.index) == ["initial", "network", "initial x network"]


def test_shares_of_variance_find_those_of_a_simulation():
    rng = np.random.default_rng(1)
    n = 30
    a, b, ac = 3 * rng.normal(size=(n, 1, 1)), 2 * rng.normal(size=(1, n, 1)), rng.normal(size=(n, 1, n))
    table = variance_shares(a + b + ac + 0.5 * rng.normal(size=(n, n, n)), ["a", "b", "c"])["variance"]
    np.testing.assert_allclose(table[["a", "b", "a x c", "a x b x c"]], [9, 4, 1, 0.25], rtol=0.6)
    np.testing.assert_allclose(table[["c", "a x b", "b x c"]], 0, atol=0.1)
    assert (variance_shares(np.ones([2, 2]), ["a", "b"])["share"] == 0).all()


def test_variances_add_up_to_that_of_runs_that_share_no_key():
    values = np.random.default_rng(2).normal(size=(3, 2, 4))
    table = variance_shares(values, ["a", "b", "c"])
    pairs = [
        (values[i] - values[j]) ** 2 / 2
        for i in np.ndindex(values.shape)
        for j in np.ndindex(values.shape)
        if all(one != other for one, other in zip(i, j, strict=True))
    ]
    assert table["variance"].min() < 0
    np.testing.assert_allclose(table["variance"].sum(), np.mean(pairs))
    np.testing.assert_allclose(table["share"], table["variance"].clip(lower=0) / np.mean(pairs))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rank_table(pd.DataFrame({"a": [0.5, np.nan], "b": [1, 2]})), "the scores to be finite"),
        (lambda: compare_ranks(pd.DataFrame({"a": [0.5], "b": [0.6]})), "at least 2 data sets, got 1"),
        (lambda: critical_difference(1, 5), "num_strategies to be a whole number of at least 2"),
        (lambda: penalty_matrix([]), "at least one data set, got none"),
        (lambda: penalty_matrix([{}]), "at least one data set, got none"),
        (lambda: penalty_matrix([{"a": runs([1, 2, 3, 4]), "b": runs([1, 2, 3, 4])}]), "at least two paired runs"),
        (lambda: penalty_matrix([{"a": runs()}, {"b": runs()}]), "the same strategies on each data set"),
        (lambda: variance_shares(np.ones([2, 1]), ["a", "b"]), "at least two keys of each source"),
        (lambda: variance_shares(np.ones([2, 2]), ["a", "a"]), "different names of sources"),
        (lambda: performance_profile(np.ones(3), np.array([])), "thresholds to be numbers with 1 axes"),
    ],
)
def test_bad_input_is_said_in_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
