"""The study of wrong labels: what a cost and a gain are, what its rule says, and that it runs."""

import pandas as pd
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

from experiments.noisy import results, study


def metrics():
    """Two seeds at two label counts; noise costs .2 and .3, and relabelling gives .1 and .2 back."""
    ends = {
        (0.0, "as given"): (0.8, 0.9), (0.0, "relabelled"): (0.8, 0.8),
        (0.2, "as given"): (0.4, 0.3), (0.2, "relabelled"): (0.6, 0.7),
    }  # fmt: skip
    rows = [
        ("margin", seed, count, "accuracy", values[seed] if count == 20 else 0.4, noise, way)
        for (noise, way), values in ends.items()
        for seed in (0, 1)
        for count in (10, 20)
    ]
    return pd.DataFrame(rows, columns=["strategy", "seed", "num_labelled", "metric", "value", "noise", "way"])


def test_a_cost_is_an_area_lost_to_noise_and_a_gain_what_relabelling_gives_back():
    found = results.differences(metrics()).set_index(["noise", "seed"])
    assert found.loc[0.2, "cost"].tolist() == pytest.approx([0.2, 0.3])
    assert found.loc[0.2, "gain"].tolist() == pytest.approx([0.1, 0.2])
    assert found.loc[0.0, "cost"].tolist() == [0, 0]
    assert found.loc[0.0, "gain"].tolist() == pytest.approx([0, -0.05])
    assert found["area"].tolist() == pytest.approx([0.6, 0.65, 0.4, 0.35])
    assert results.table_of(found.reset_index()).row_count == 2


def test_a_share_is_given_only_where_noise_costs_something():
    part = pd.DataFrame({"cost": [0.2, 0.21, 0.22], "gain": [0.1, 0.11, 0.12]})
    assert results.recovered(part) == pytest.approx(0.11 / 0.21)
    assert pd.isna(results.recovered(part.assign(cost=[-0.1, 0.1, 0.2])))


def test_relabelling_helps_or_hurts_if_its_interval_lies_on_one_side_of_0():
    gains = {0.0: (-0.10, -0.11, -0.12), 0.1: (-0.1, 0.1, 0.2), 0.2: (0.10, 0.11, 0.12)}
    rows = [("margin", noise, seed, gain) for noise, values in gains.items() for seed, gain in enumerate(values)]
    found = pd.DataFrame(rows, columns=["strategy", "noise", "seed", "gain"])
    assert results.sentences(found) == [
        "margin at 0% noise: relabelling hurts",
        "margin at 10% noise: relabelling is not shown to change anything",
        "margin at 20% noise: relabelling helps",
    ]


def test_a_tiny_study_writes_everything(tmp_path, capsys):
    study.main(study.Study(tiny=True, strategies=("random",), noises=(0.2,), certainty=0.1, output=tmp_path))
    frame = pd.read_parquet(tmp_path / "metrics.parquet")
    assert sorted(frame["num_labelled"].unique()) == [20, 30, 40]
    asked = pd.read_parquet(tmp_path / "oracle.parquet")
    assert set(zip(asked["noise"], asked["way"], strict=True)) == {
        (0.0, "relabelled"), (0.2, "as given"), (0.2, "relabelled"),
    }  # fmt: skip
    # Noise leaves the initial points the same, and changes about a fifth of their labels.
    first = asked[(asked["round"] == 0) & (asked["noise"] == 0.2)].pivot(
        index="seed", columns="way", values="num_wrong"
    )
    assert (first["as given"] == first["relabelled"]).all()
    assert 0 < first["as given"].sum() < 20
    assert (tmp_path / "learning_curves_0.2.png").stat().st_size > 1000
    assert "random at 20% noise: relabelling" in capsys.readouterr().out


def test_a_share_that_is_none_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="noises between 0 and 1, got 1.5"):
        study.main(study.Study(noises=(1.5,), output=tmp_path / "new"))
    assert not (tmp_path / "new").exists()
