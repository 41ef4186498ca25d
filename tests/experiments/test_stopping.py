"""The study of stopping criteria: its rule, its data sets, and that it runs."""

import pandas as pd
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

import bal
from experiments.stopping import results, study


def runs(lost, share=(0.5, 0.5, 0.5), criterion="kappa"):
    return pd.DataFrame(
        {
            "dataset": "digits", "strategy": "margin", "criterion": criterion, "stopped": True, "labels": 50,
            "saved": 50, "seed": range(3), "lost": lost, "share": share,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("lost", "share", "expected"),
    [
        ((0.001, 0.002, 0.001), (0.5, 0.4, 0.5), "useful"),
        ((-0.1, -0.1, -0.11), (0.5, 0.4, 0.5), "useful"),
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), "safe"),
        ((0.001, 0.002, 0.001), (0.9, 0.0, 0.0), "safe"),
        ((0.001, 0.002, 0.03), (0.5, 0.4, 0.5), "not shown to be safe"),
        ((0.02, 0.02, 0.02), (0.5, 0.4, 0.5), "not shown to be safe"),
    ],
)
def test_a_criterion_is_safe_by_what_it_loses_and_useful_by_what_it_saves(lost, share, expected):
    assert results.verdict(runs(lost, share)) == expected


def test_a_share_is_of_the_labels_of_the_last_model_and_verdicts_are_counted():
    found = results.shares(runs((0.0, 0.0, 0.0)).drop(columns="share"))
    assert found["share"].tolist() == [0.5] * 3
    both = pd.concat([found, runs((0.1, 0.1, 0.1)).assign(dataset="wine")])
    assert results.sentences(both) == ["kappa: useful in 1 of 2 cases, not shown to be safe in 1"]
    assert results.table_of(found, "digits").row_count == 1


@pytest.mark.parametrize("name", ["digits", "breast_cancer", "wine"])
def test_pools_have_room_for_the_labels_and_the_stop_set(name):
    run = study.settings_of(study.Study(), name).run
    size = len(bal.datasets.load(name).pool_inputs)
    assert run.num_initial + run.num_rounds * run.batch_size <= size
    assert run.stop_set_size <= size


def test_a_tiny_study_writes_everything(tmp_path, capsys):
    study.main(study.Study(tiny=True, strategies=("random",), output=tmp_path))
    found = pd.read_parquet(tmp_path / "stops.parquet")
    assert len(found) == 2 * 6
    assert (found["saved"] + found["labels"] == 22).all()
    numbers = pd.read_parquet(tmp_path / "stopping.parquet")
    assert numbers["round"].max() == 4
    for name in ("stopping.png", "learning_curves_digits.png", "metrics.parquet"):
        assert (tmp_path / name).stat().st_size > 1000
    assert "information: useful in" in capsys.readouterr().out


def test_another_data_set_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="--datasets to be one of 'digits'"):
        study.main(study.Study(datasets=("digit",), output=tmp_path / "new"))
    assert not (tmp_path / "new").exists()
