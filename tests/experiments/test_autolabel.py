"""Automatic labelling from settings to pictures: one command, continued where it was interrupted."""

from dataclasses import replace

import jax
import numpy as np
import pandas as pd
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

from bal.studies import cells, compare
from bal.studies.grid import run_grid
from bal.studies.learners import build_learner, load_dataset
from bal.studies.tasks import task_of
from experiments.autolabel import promises, study

STUDY = study.Study(
    num_pool=200,
    num_test=40,
    posterior="mc_dropout",
    num_seeds=2,
    num_initial=10,
    num_rounds=2,
    batch_size=5,
    num_calibration=60,
    promised=(0.05, 0.2),
    delta_0=2.2,  # nats, of at most 2.3: so that there are some
    max_automatic=30,
    num_steps=20,
)
TABLES = ("metrics.parquet", "automatic.parquet", "promises.parquet")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    study.main(replace(STUDY, output=folder))
    return folder


def test_the_four_ways_start_from_the_same_points_and_are_all_measured(finished):
    metrics = pd.read_parquet(finished / "metrics.parquet")
    ways = {"random", "margin", "random + automatic", "margin + automatic"}
    assert set(metrics["strategy"]) == ways
    first = metrics[(metrics["round"] == 0) & (metrics["metric"] == "nll")]
    values = first.pivot_table(index="seed", columns="strategy", values="value").to_numpy()
    np.testing.assert_allclose(values, values[:, :1].repeat(4, axis=1), rtol=1e-4)
    automatic = pd.read_parquet(finished / "automatic.parquet")
    assert len(automatic) == 2 * 2 * 2
    wrong = automatic["wrong_by_class"].map(sum)
    has_labels = automatic["num_automatic"] > 0
    expected = (1 - automatic["precision"][has_labels]) * automatic["num_automatic"][has_labels]
    np.testing.assert_allclose(wrong[has_labels], expected, atol=1e-3)


def test_an_effect_is_the_area_with_the_models_own_labels_less_that_without():
    ends = {"margin": (0.5, 0.7), "margin + automatic": (0.4, 0.4)}  # of two seeds, at the second of two label counts
    rows = [
        (name, seed, count, "accuracy", values[seed] if count == 20 else 0.3)
        for name, values in ends.items()
        for seed in (0, 1)
        for count in (10, 20)
    ]
    metrics = pd.DataFrame(rows, columns=["strategy", "seed", "num_labelled", "metric", "value"])
    assert study.effects(metrics) == ["margin: area with the model's own labels less that without: -0.100 ± 0.635"]


def test_promises_are_measured_for_each_strategy_count_and_seed(finished):
    table = pd.read_parquet(finished / "promises.parquet")
    assert len(table) == 2 * 2 * 2 * 2
    assert sorted(table["num_labelled"].unique()) == [10, 15]
    assert ((table["num_automatic"] == 0) == table["error"].isna()).all()
    assert (finished / "autolabel.png").stat().st_size > 10_000
    assert (finished / "learning_curves.png").stat().st_size > 10_000


def test_models_of_a_round_that_are_fitted_once_more_are_those_of_the_run(finished):
    alone, _ = study.settings_of(replace(STUDY, output=finished))
    # The second group is filled up.
    settings = alone.with_values(num_seeds=3, strategies=("margin",), output=finished / "again")
    units = run_grid(settings)
    dataset = load_dataset(settings)
    learner = build_learner(settings, "random", task_of(dataset))
    states = {}
    for unit, done, _, state, asked in promises._models(settings, learner, units, dataset, [0, 1]):
        np.testing.assert_array_equal(asked, unit.info.selection.indices[done])
        np.testing.assert_array_equal(state.pool.num_labelled, unit.info.num_labelled[done])
        states[tuple(unit.seeds), done] = state
    assert len(states) == 4
    for unit in units:
        last = states[tuple(unit.seeds), 1].posterior
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), last, unit.state().posterior)


def test_an_interrupted_run_with_automatic_labels_continues_to_identical_tables(finished, tmp_path, monkeypatch):
    check = cells._check_round

    def interrupt(info, name, done, group):
        check(info, name, done, group)
        if (name, done) == ("margin", 0):
            raise KeyboardInterrupt

    monkeypatch.setattr(cells, "_check_round", interrupt)
    with pytest.raises(KeyboardInterrupt):
        study.main(replace(STUDY, output=tmp_path))
    monkeypatch.undo()
    study.main(replace(STUDY, output=tmp_path))
    for name in TABLES:
        assert (tmp_path / name).read_bytes() == (finished / name).read_bytes()


def test_a_grid_with_automatic_labels_can_be_extended_by_rounds(finished, tmp_path):
    _, together = study.settings_of(replace(STUDY, output=tmp_path))
    settings = together.with_values(strategies=("random",))
    run_grid(settings.with_values(num_rounds=1))
    compare.main(settings)
    for name, strategy in (("metrics.parquet", "random + automatic"), ("automatic.parquet", "random")):
        table, whole = pd.read_parquet(settings.output / name), pd.read_parquet(finished / name)
        whole = whole[whole["strategy"] == strategy].assign(strategy="random").reset_index(drop=True)
        pd.testing.assert_frame_equal(table, whole, check_exact=True)
    assert table["num_automatic"].sum() > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_automatic": 141}, "max_automatic"),
        ({"num_calibration": 0}, "--num-calibration .* at least 1, got 0"),
        ({"promised": (1.5,)}, "1.5"),
        ({"strategy": "random"}, "each strategy once, got 'random'"),
    ],
)
def test_invalid_settings_are_refused_before_a_folder_is_written(change, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        study.main(replace(STUDY, output=tmp_path / "new", **change))
    assert not (tmp_path / "new").exists()
