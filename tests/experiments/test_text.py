"""The study of texts: its tables and pictures from one command, its inputs, and the rule."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")
pytest.importorskip("sklearn", reason="needs the extra 'tables'")

from bal.studies.learners import build_learners
from bal.studies.tasks import task_of
from experiments.text import data, study
from experiments.text.study import Study
from tests.studies.frames import metrics_of


def test_one_command_writes_tables_and_pictures(tmp_path, capsys):
    study.main(Study(tiny=True, output=tmp_path))
    metrics = pd.read_parquet(tmp_path / "metrics.parquet")
    accuracy = metrics[metrics["metric"] == "accuracy"]
    assert len(accuracy) == 2 * 2 * 5 * 3
    assert set(accuracy["posterior"]) == {"laplace", "mc_dropout"}
    assert accuracy["num_labelled"].unique().tolist() == [20, 40, 60]
    for name in ("learning_curves_laplace", "learning_curves_mc_dropout", "heads"):
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    printed = capsys.readouterr().out
    assert "mc_dropout, against random points:" in printed
    assert len(pd.read_parquet(tmp_path / "acquisitions.parquet")) == 2 * 2 * 5 * 3 * 20


def test_token_ids_go_straight_through_the_network_of_texts(tmp_path):
    settings, dataset = study.settings_of(Study(inputs="tokens", tiny=True, output=tmp_path))
    assert settings.model.network == "text_mlp"
    assert dataset.pool_inputs.dtype == np.int32
    assert dataset.pool_inputs.shape == (200, 24)
    settings = settings.with_values(posterior="mc_dropout")
    assert len(build_learners(settings, "badge", task_of(dataset))) == 3


def test_embeddings_of_any_encoder_come_from_a_file(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"pool_inputs": rng.normal(3, 2, (50, 6)), "test_inputs": rng.normal(3, 2, (20, 6))}
    labels = {"pool_labels": rng.integers(0, 3, 50), "test_labels": rng.integers(0, 3, 20)}
    np.savez(tmp_path / "encoded.npz", **arrays, **labels)
    settings, dataset = study.settings_of(Study(embeddings=tmp_path / "encoded.npz", inputs="tokens"))
    assert (settings.data.dataset, settings.model.network) == ("encoded", "mlp")
    np.testing.assert_allclose(dataset.pool_inputs.mean(0), 0, atol=1e-5)
    assert dataset.about.num_classes == 3
    with pytest.raises(ValueError, match="ends in .npz, got .*encoded.npy"):
        data.embeddings(tmp_path / "encoded.npy")


def test_generated_reviews_can_be_learnt_from_their_features():
    from sklearn.linear_model import LogisticRegression

    dataset = data.generated_reviews("features")
    model = LogisticRegression().fit(dataset.pool_inputs, dataset.pool_labels)
    share = np.mean(dataset.test_labels)
    assert model.score(dataset.test_inputs, dataset.test_labels) > max(share, 1 - share) + 0.05


def test_the_rule_decides_between_strategies_heads_and_pairs():
    curve = lambda *values: [tuple(value + shift for value in values) for shift in (0, 0.01, -0.01)]
    runs = {
        "laplace": {"random": curve(0.6, 0.7, 0.8), "bald": curve(0.6, 0.8, 0.9), "margin": curve(0.6, 0.6, 0.7)},
        "mc_dropout": {"random": curve(0.7, 0.8, 0.9), "bald": curve(0.7, 0.8, 0.9), "margin": curve(0.7, 0.9, 0.9)},
    }
    frame = pd.concat([metrics_of(part).assign(posterior=head) for head, part in runs.items()])
    said = study.sentences(frame, (0.895, 0.99))
    assert said[0] == "laplace, against random points: better: bald; worse: margin; level: none"
    assert said[1] == "mc_dropout, against random points: better: margin; worse: none; level: bald"
    assert said[2] == "heads with random points, against laplace: better: mc_dropout; worse: none; level: none"
    assert said[3] == "fewest labels to 90%: mc_dropout with margin, 30"
    assert study.sentences(frame, (0.99,))[-1].startswith("no pair reaches")
    table = study.pairs_table(frame, (0.895,))
    assert list(table.columns[2].cells) == ["-", "40", "-", "40", "40", "30"]


def test_random_points_are_always_among_the_strategies(tmp_path):
    with pytest.raises(ValueError, match="expected random among the strategies, got bald"):
        study.main(Study(strategies=("bald",), output=tmp_path / "new"))
    assert not (tmp_path / "new").exists()
