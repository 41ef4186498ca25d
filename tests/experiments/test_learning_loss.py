"""The study of learning loss: its files from one command, and that the protocol of the paper is ready to run."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

import bal
from bal.studies.learners import build_learner, seed_key
from bal.studies.settings import Settings
from bal.studies.tasks import Task
from experiments.learning_loss import study as learning_loss
from experiments.learning_loss.study import Study

TINY = Settings().with_values(num_pool=100, num_test=40, hidden_sizes=(8,))


def test_one_command_writes_tables_and_pictures_and_strategies_can_be_added(tmp_path, monkeypatch):
    monkeypatch.setattr(learning_loss, "small", lambda study: TINY)
    study = Study(tiny=True, num_seeds=2, strategies=("random", "learning_loss"), output=tmp_path)
    learning_loss.main(replace(study, strategies=("learning_loss",)))
    alone = pd.read_parquet(tmp_path / "metrics.parquet")
    learning_loss.main(study)
    metrics = pd.read_parquet(tmp_path / "metrics.parquet")
    pd.testing.assert_frame_equal(metrics[metrics["strategy"] == "learning_loss"].reset_index(drop=True), alone)
    assert set(zip(metrics["strategy"], metrics["posterior"], strict=True)) == {
        ("random", "point_estimate"),
        ("learning_loss", "learning_loss"),
    }
    correlation = metrics[metrics["metric"] == "loss_rank_correlation"]
    assert len(correlation) == 2 * 2
    assert correlation["value"].between(-1, 1).all()
    for name in ("learning_curves", "rank_correlation", "predicted_loss"):
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    # Both posteriors label the same points at the start, and so ask for others.
    asked = pd.read_parquet(tmp_path / "acquisitions.parquet")
    assert asked.groupby(["strategy", "seed"])["index"].nunique().tolist() == [16] * 4


def test_unknown_strategies_are_refused(tmp_path):
    with pytest.raises(ValueError, match="true_loss"):
        learning_loss.main(Study(strategies=("loss",), output=tmp_path))


def test_the_protocol_of_the_paper_is_a_program_at_its_full_size(tmp_path):
    """Traced from end to end, for a round in the middle; not run."""
    settings = learning_loss.settings_of(Study(protocol="cifar10", output=tmp_path))
    images = jax.ShapeDtypeStruct((50_000, 32, 32, 3), jnp.float32), jax.ShapeDtypeStruct((50_000,), jnp.int32)
    test = jax.ShapeDtypeStruct((10_000, 32, 32, 3), jnp.float32), jax.ShapeDtypeStruct((10_000,), jnp.int32)
    dataset = bal.Dataset(*images, *test)
    learner = build_learner(settings.with_values(posterior="learning_loss"), "learning_loss", Task(10, classes=True))
    state = jax.eval_shape(learner.init, seed_key(settings, 0), dataset)
    after, info = jax.eval_shape(learner.step, seed_key(settings, 0), state, dataset)
    assert jax.tree.map(lambda leaf: leaf.shape, after) == jax.tree.map(lambda leaf: leaf.shape, state)
    assert info.selection.indices.shape == (1000,)
    assert state.pool.indices.shape == (11_000,)
    assert set(state.posterior.variables.params["loss_prediction"]["levels"]) == {f"stage_{k}" for k in range(4)}


def test_inputs_of_the_protocol_are_normalised_by_the_pool():
    rng = np.random.default_rng(0)
    images, test = rng.uniform(2, 5, (20, 4, 4, 3)).astype(np.float32), np.ones((5, 4, 4, 3), np.float32)
    images[..., 2] = 7
    dataset = bal.datasets.from_arrays(images, np.zeros(20, int), test, np.zeros(5, int))
    normalised = bal.datasets.normalised(dataset)
    mean, deviation = normalised.pool_inputs.mean((0, 1, 2)), normalised.pool_inputs.std((0, 1, 2))
    np.testing.assert_allclose(mean, 0, atol=1e-5)
    np.testing.assert_allclose(deviation, [1, 1, 0], rtol=1e-5)
    expected = (1 - images.mean((0, 1, 2))) / np.where(images.std((0, 1, 2)) > 1e-3, images.std((0, 1, 2)), 1)
    np.testing.assert_allclose(normalised.test_inputs[0, 0, 0], expected, rtol=1e-4)
    assert normalised.pool_inputs.dtype == np.float32
