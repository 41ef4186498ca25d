"""CDALBench's generated sets: what they look like, and how ours and published areas are compared."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

from experiments.cdalbench import data, study


def test_half_of_three_clusters_cannot_be_learned():
    points, labels = data.three_clusters(np.random.default_rng(0))
    assert points.shape == (600, 2)
    assert np.bincount(labels).tolist() == [300, 300]
    mixed = points[:, 0] > 2
    assert mixed.mean() == pytest.approx(0.5, abs=0.04)
    assert labels[mixed].mean() == pytest.approx(0.5, abs=0.05)
    pure = points[:, 0] < 1
    assert ((points[pure, 1] < 3) == labels[pure]).mean() > 0.98


def test_the_waves_are_apart_on_the_right_and_together_on_the_left():
    points, labels = data.diverging_sine(np.random.default_rng(0))
    assert points.shape == (1000, 2)
    around = points[:, 1] - np.sin(2 * points[:, 0])
    residual = around - np.where(labels == 1, 0.5, -0.5) * points[:, 0]
    assert residual.std() == pytest.approx(0.3, rel=0.1)
    is_right = (around > 0) == labels
    assert is_right[points[:, 0] > 3].all()
    assert is_right[points[:, 0] < 0.3].mean() < 0.8


def test_each_seed_draws_its_own_set_scaled_by_the_training_points():
    both = data.drawn(data.PROBLEMS["three_clusters"], [0, 1])
    assert both.pool_inputs.shape == (2, 384, 2)
    assert both.test_inputs.shape == (2, 120, 2)
    assert both.validation.inputs.shape == (2, 96, 2)
    assert not np.array_equal(both.pool_inputs[0], both.pool_inputs[1])
    training = np.concatenate([both.pool_inputs[0], both.validation.inputs[0]])
    np.testing.assert_allclose([training.min(axis=0), training.max(axis=0)], [[0, 0], [1, 1]], atol=1e-6)


def test_areas_agree_within_two_standard_errors_of_each():
    columns = ["dataset", "strategy", "area", "deviation", "runs", "published", "published_deviation"]
    rows = [("three_clusters", name, 0.7 + gap, 0.05, 25, 0.7, 0.05) for name, gap in (("a", 0.03), ("b", 0.04))]
    compared = pd.DataFrame([*rows, ("three_clusters", "c", 0.8, 0.05, 25, 0.9, 0.05)], columns=columns)
    # Standard errors of .010 and .0071: .0341 in all.
    assert study.agrees(compared).tolist() == [True, False, False]
    assert "1 of 3 areas agree" in study.sentences(compared)[0]


def test_a_tiny_reproduction_writes_everything_and_continues(tmp_path, monkeypatch, capsys):
    study.main(study.Study(tiny=True, output=tmp_path))
    assert (tmp_path / "three_clusters.png").stat().st_size > 1000
    compared = pd.read_parquet(tmp_path / "areas.parquet")
    assert compared["published"].tolist() == [0.721, 0.704]
    monkeypatch.setattr(study.Programs, "run", None)
    study.main(study.Study(tiny=True, output=tmp_path))
    assert "three_clusters" in capsys.readouterr().out


def test_networks_of_the_authors_code_have_one_layer_more_and_are_kept():
    of_paper, of_code = (
        study.settings_of(study.Study(follow=name), "diverging_sine", "bald") for name in ("paper", "code")
    )
    assert (of_paper.model.hidden_sizes, of_paper.model.refit) == ((24, 2), "restart")
    assert (of_code.model.hidden_sizes, of_code.model.refit) == ((24, 24, 2), "warm_start")
    assert (of_code.model.dropout_rate, of_code.run.num_rounds) == (0.1, 61)


def test_a_strategy_without_a_published_figure_is_refused(tmp_path):
    with pytest.raises(ValueError, match="--strategies to be one of"):
        study.main(study.Study(strategies=("epig",), output=tmp_path / "new"))
    assert not (tmp_path / "new").exists()
