"""The study of rare classes: its tables and pictures from one command, its pools, and a folder of images."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

from experiments.rare import data, search, study
from experiments.rare.study import Study
from tests.studies.frames import metrics_of


def frame_of(found):
    return metrics_of(found, "positives_found")


def encode(images):
    """Mean colours, as frozen features of images."""
    return images.reshape(len(images), -1, 3).mean(axis=1)


def test_one_command_writes_tables_and_pictures(tmp_path, capsys):
    study.main(
        Study(dataset="rare_digits", strategies=("random", "active_search"), num_seeds=5, tiny=True, output=tmp_path)
    )
    metrics = pd.read_parquet(tmp_path / "metrics.parquet")
    found = metrics[metrics["metric"] == "positives_found"]
    assert len(found) == 2 * 5 * 3
    # Two of fifteen positives are labelled at the start.
    np.testing.assert_allclose(found[found["round"] == 0]["value"], 2 / 15, rtol=1e-6)
    assert set(metrics["metric"]) >= {"average_precision", "auc"}
    for name in ("positives_found", "learning_curves", "asked"):
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    printed = capsys.readouterr().out
    assert "15 positives among the 1319 points" in printed
    assert "finds positives sooner than random:" in printed


def test_a_folder_of_images_runs_on_frozen_features_of_a_users_encoder(tmp_path, capsys):
    image = pytest.importorskip("PIL.Image", reason="needs the extra 'datasets'")
    rng = np.random.default_rng(0)
    for name, count, level in (("malignant", 20, 150), ("benign", 60, 90)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(count):
            pixels = np.clip(rng.normal(level, 20, (12, 10, 3)), 0, 255).astype(np.uint8)
            image.fromarray(pixels).save(tmp_path / "images" / name / f"{number}.png")
    encoder = "tests.experiments.test_rare:encode"
    settings = Study(folder=tmp_path / "images", encoder=encoder, strategies=("random",), num_seeds=2, tiny=True)
    problem, chosen = study.problem_of(settings)
    assert problem.dataset.pool_inputs.shape == (56, 3)
    assert problem.dataset.about.label_names == ("benign", "malignant")
    assert problem.dataset.pool_labels.sum() == 14
    assert (chosen.run.num_initial, chosen.run.batch_size, chosen.run.initial_set) == (5, 5, "balanced")
    study.main(Study(**{**vars(settings), "output": tmp_path / "results"}))
    metrics = pd.read_parquet(tmp_path / "results" / "metrics.parquet")
    assert metrics[metrics["metric"] == "auc"]["value"].between(0, 1).all()
    assert "area under the auc" in capsys.readouterr().out
    assert (tmp_path / "results" / "asked.png").stat().st_size > 5_000


def test_the_rarer_class_is_the_positive_one_and_components_come_from_the_pool(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="needs the extra 'datasets'")
    for name, count in (("b", 20), ("a", 6)):
        (tmp_path / name).mkdir()
        for number in range(count):
            image.new("RGB", (8, 8), (10 * number, 5, 200)).save(tmp_path / name / f"{number}.png")
    problem = data.image_folder(tmp_path, None)
    assert problem.dataset.about.label_names == ("b", "a")
    assert problem.dataset.pool_labels.sum() == 4
    images = np.random.default_rng(0).integers(0, 256, (9, 4, 4, 3)).astype(np.uint8)
    components = data.principal_components(images)(images)
    pixels = images.reshape(9, -1) / 255
    centred = pixels - pixels.mean(axis=0)
    # Eight directions hold all that nine images differ by.
    np.testing.assert_allclose(components @ components.T, centred @ centred.T, atol=1e-4)


def test_digits_made_rare_have_one_positive_in_a_hundred():
    dataset = data.rare_digits().dataset
    assert 0.01 < np.mean(dataset.pool_labels) < 0.012
    assert dataset.about.num_classes == 2


def test_labels_to_shares_are_those_of_the_seeds_and_the_rule_decides():
    found = {
        "random": [(0.1, 0.2, 0.3), (0.1, 0.2, 0.5), (0.1, 0.2, 0.4)],
        "active_search": [(0.1, 0.9, 1.0), (0.1, 0.6, 1.0), (0.1, 0.7, 1.0)],
        "bald": [(0.1, 0.2, 0.3), (0.1, 0.2, 0.5), (0.1, 0.2, 0.5)],
    }
    table = search.search_table(frame_of(found))
    columns = {str(column.header): list(column.cells) for column in table.columns}
    assert columns["to 90%"] == ["-", "40 (30 to 40)", "-"]
    assert columns["to 50%"] == ["-", "30 (30 to 30)", "40 (40 to -)"]
    said = search.sentences(pd.concat([frame_of(found), metrics_of(found, "auc")]), "auc")
    assert said[0] == "finds positives sooner than random: active_search; later: none"
    assert said[1] == "finds positives sooner than active_search: none; later: random, bald"
    assert said[2] == "has a larger area under the auc than random: active_search; smaller: none"


def test_an_encoder_needs_a_folder_of_two_classes(tmp_path):
    with pytest.raises(ValueError, match="--folder with --encoder"):
        study.main(Study(dataset="rare_digits", encoder="a:b", output=tmp_path / "new"))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        study.main(Study(folder=tmp_path / "nowhere", output=tmp_path / "new"))
    assert not (tmp_path / "new").exists()
