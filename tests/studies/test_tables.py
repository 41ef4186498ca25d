"""What a person reads at the end of a study."""

import numpy as np
import pytest

pytest.importorskip("rich", reason="needs the extra 'studies'")

from rich.table import Table

from bal.studies import show, summary_table
from tests.studies.frames import metrics_of

RUNS = {
    "random": [(0.5, 0.6, 0.7), (0.5, 0.6, 0.7)],
    "bald": [(0.5, 0.8, 0.8), (0.5, 0.6, 0.8)],
}


def rows_of(table):
    """Cells by strategy and heading."""
    headings = [str(column.header) for column in table.columns]
    rows = zip(*(column.cells for column in table.columns), strict=True)
    return {row[0]: dict(zip(headings[1:], row[1:], strict=True)) for row in rows}


def test_the_summary_has_counts_areas_targets_and_paired_differences():
    table = summary_table(metrics_of(RUNS), num_validation=50)
    assert table.title == "digits, mc_dropout, 2 seeds: test accuracy, higher is better (and 50 validation labels)"
    assert rows_of(table) == {
        "random": {
            "@20": "0.500", "@30": "0.600", "@40": "0.700", "area": "0.6000 ± 0.0000",
            "to 80%": "-", "to 90%": "-", "to 95%": "-", "area less random\n(+ is better)": "",
        },
        "bald": {
            # Areas are .725 and .625: half the interval is 12.7062 (t, 1 degree of freedom) times .05.
            "@20": "0.500", "@30": "0.700", "@40": "0.800", "area": "0.6750 ± 0.6353",
            "to 80%": "30", "to 90%": "-", "to 95%": "-", "area less random\n(+ is better)": "+0.0750 ± 0.6353",
        },
    }  # fmt: skip


def test_a_regression_is_summarised_by_its_error_in_its_own_units():
    runs = {name: np.asarray(values) * 100 for name, values in RUNS.items()}
    table = summary_table(metrics_of(runs, "rmse"), targets=(60.0,))
    assert "test rmse, lower is better" in table.title
    bald = rows_of(table)["bald"]
    assert bald["@40"] == "80.0"
    assert bald["to 60"] == "20"
    assert bald["area less random\n(- is better)"] == "+7.50 ± 63.53"
    assert not any(heading.startswith("to") for heading in rows_of(summary_table(metrics_of(runs, "rmse")))["bald"])


def test_one_seed_has_no_interval_and_the_table_says_so():
    table = summary_table(metrics_of({name: runs[:1] for name, runs in RUNS.items()}))
    assert "1 seed:" in table.title
    assert "one seed: no intervals" in table.caption
    assert not any("±" in cell for cells in rows_of(table).values() for cell in cells.values())
    assert rows_of(table)["bald"]["area less random\n(+ is better)"] == "+0.1250"


def test_a_value_that_a_run_lacks_is_not_averaged_away():
    runs = {"random": RUNS["random"], "bald": [(0.5, 0.8, 0.8), (0.5, np.nan, 0.8)]}
    bald = rows_of(summary_table(metrics_of(runs)))["bald"]
    assert (bald["@20"], bald["@30"], bald["area"]) == ("0.500", "-", "-")


def test_a_metric_that_no_run_has_gives_no_numbers():
    bald = rows_of(summary_table(metrics_of({"bald": [(np.nan,) * 3] * 2})))["bald"]
    assert set(bald.values()) == {"-"}


def test_seeds_that_cannot_be_paired_are_refused():
    with pytest.raises(ValueError, match=r"the same seeds for paired differences, got \[0\] and \[0, 1\]"):
        summary_table(metrics_of({"random": RUNS["random"], "bald": RUNS["bald"][:1]}))


def test_without_a_baseline_there_are_no_differences():
    for name in ("bald", "random"):
        assert "area less" not in str(rows_of(summary_table(metrics_of({name: RUNS[name]}))))
    compared = rows_of(summary_table(metrics_of(RUNS), baseline="bald"))
    assert compared["random"]["area less bald\n(+ is better)"].startswith("-0.0750")


def test_no_number_is_cut_off_on_a_narrow_screen(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    table = Table()
    for number in range(10):
        table.add_column(f"column {number}", no_wrap=True)
    table.add_row(*(f"{number}.12345" for number in range(10)))
    show(table, "a sentence that is longer than forty columns and is still printed as one line", "results/[bold]x")
    printed = capsys.readouterr().out
    assert all(f"{number}.12345" in printed for number in range(10))
    assert "a sentence that is longer than forty columns and is still printed as one line\n" in printed
    assert "results/[bold]x" in printed
