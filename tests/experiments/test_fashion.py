"""The study of Fashion-MNIST: tried without data, its protocol, and its sentences by the rule."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

import bal
from bal.studies.learners import build_learners, seed_key
from bal.studies.tasks import Task
from experiments.fashion import results, study
from experiments.fashion.study import Study, settings_of
from tests.studies.frames import metrics_of

LABELS = (100, 200, 300)


def test_it_is_tried_without_data_in_one_command(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("BAL_DATA_DIR", raising=False)
    chosen = ("random", "experiments.fashion.rules:power_bald_1")
    study.main(Study(strategies=chosen, posteriors=("mc_dropout",), num_seeds=2, tiny=True, output=tmp_path))
    metrics = pd.read_parquet(tmp_path / "mc_dropout" / "metrics.parquet")
    assert metrics["strategy"].unique().tolist() == ["random", "power_bald_1"]
    assert sorted(metrics["num_labelled"].unique()) == [20, 30]
    assert (tmp_path / "mc_dropout" / "learning_curves.png").stat().st_size > 10_000
    asked = pd.read_parquet(tmp_path / "mc_dropout" / "acquisitions.parquet")
    assert len(asked) == 2 * 2 * 2 * 10  # strategies, seeds, rounds, points
    assert asked["class"].astype(int).tolist() == (asked["index"] % 10).tolist()  # as the images were generated
    assert "better than random: none; worse: none" in capsys.readouterr().out


def test_without_the_data_it_says_what_to_set(tmp_path, monkeypatch):
    monkeypatch.delenv("BAL_DATA_DIR", raising=False)
    with pytest.raises(ValueError, match="expected the environment variable BAL_DATA_DIR, .* got none: set it"):
        study.main(Study(output=tmp_path / "new"))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("posterior", "num_draws"), [("mc_dropout", 100), ("deep_ensemble", 5)])
def test_the_protocol_is_a_program_at_its_full_size(posterior, num_draws, tmp_path):
    """Traced, not run: 50 epochs are 50, 100 or 150 steps, so rounds share three programs."""
    settings = settings_of(Study(output=tmp_path), posterior)
    learners = build_learners(settings, "bald", Task(10, classes=True))
    assert len(learners) == 29
    assert [learners.index(each) for each in dict.fromkeys(learners)] == [0, 11, 24]
    images = jax.ShapeDtypeStruct((60_000, 28, 28, 1), jnp.float32), jax.ShapeDtypeStruct((60_000,), jnp.int32)
    test = jax.ShapeDtypeStruct((10_000, 28, 28, 1), jnp.float32), jax.ShapeDtypeStruct((10_000,), jnp.int32)
    dataset, key = bal.Dataset(*images, *test), seed_key(settings, 0)
    state = jax.eval_shape(learners[0].init, key, dataset)
    assert state.pool.indices.shape == (310,)
    view = jax.eval_shape(
        lambda state, dataset: learners[0].view(key, state, dataset).predict(dataset.test_inputs[:3]), state, dataset
    )
    assert view.shape == (num_draws, 3, 10)


def test_random_is_held_against_the_published_curves():
    close = metrics_of({"random": [(0.70, 0.745, 0.76)], "bald": [(0.6, 0.6, 0.6)]}, labels=LABELS)
    said = results.beside_published(close)
    assert said[0].startswith("random at 100, 200, 300 labels: ours 0.700, 0.745, 0.760; iloveudl/miniproject 0.717")
    assert said[1] == "random is within 0.015 of one published curve at all three"
    assert said[2].startswith("bald at 100, 200, 300 labels: ours 0.600, 0.600, 0.600")
    far = metrics_of({"random": [(0.70, 0.745, 0.79)]}, labels=LABELS)
    assert results.beside_published(far)[1] == "random is not within 0.015 of one published curve at all three"
    # Each point is close to one of the curves, but they are two.
    mixed = metrics_of({"random": [(0.717, 0.752, 0.775)]}, labels=LABELS)
    assert results.beside_published(mixed)[1].startswith("random is not within")
    assert results.beside_published(metrics_of({"random": [(0.5, 0.5)]}, labels=(20, 30))) == []


def test_verdicts_need_all_seeds_of_ten_and_a_correction():
    noise = np.random.default_rng(0).normal(size=10) * 1e-3
    values = {"random": noise, "margin": noise + 0.02 + noise**2, "bald": noise - 0.02, "badge": noise[::-1]}
    frame = metrics_of({name: [(0.7 + each,) * 3 for each in by_seed] for name, by_seed in values.items()})
    frame = pd.concat([frame, frame.assign(metric="nll", value=2 - 3 * frame["value"])])
    said = results.verdicts(frame)
    assert said[0] == "area of margin less that of random: +0.020 ± 0.000, p 0.002, after Holm's correction 0.006"
    assert said[3] == "better than random: margin; worse: bald"
    assert said[4].startswith("area of the log loss of bald less that of random: +0.060 ± 0.000, p 0.002, ")
    assert said[6].startswith("area of the log loss of margin less that of random: -0.060 ± 0.000, p 0.002, ")
    assert len(said) == 7
    assert results.verdicts(frame[frame["strategy"] == "random"]) == []


def test_classes_are_those_of_the_points_asked_for():
    classes = pd.Categorical.from_codes([0, 0, 2, 2, 2], ("bag", "boot", "coat"))
    asked = pd.DataFrame({"strategy": ["random"] + ["bald"] * 4, "class": classes})
    table = results.classes_table(asked)
    columns = {str(column.header): list(column.cells) for column in table.columns}
    assert columns == {
        "strategy": ["random", "bald"],
        "bag": ["100.0", "25.0"],
        "boot": ["0.0", "0.0"],
        "coat": ["0.0", "75.0"],
    }
