"""The testbed: the truth has no divergence, and dependence is seen in joint predictions only."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

from bal.studies.models import FACTORIES
from experiments.testbed import problem, study
from experiments.testbed.models import MODELS, build


@pytest.fixture(scope="module")
def drawn():
    sizes = {"num_inputs": 2, "most_train": 30, "num_sets": 400}
    return problem.draw(jax.random.key(0), 20, 0.5, **sizes)


def test_a_problem_has_padding_and_sets_of_two_points(drawn):
    assert drawn.batch.weights.tolist() == [1.0] * 20 + [0.0] * 10
    assert drawn.inputs.shape == (4000, 2)
    for one in np.asarray(drawn.inputs).reshape(400, 10, 2)[:50]:
        assert len(np.unique(one, axis=0)) <= 2
    # The labels of a repeated point are drawn anew.
    same = (drawn.inputs[1:] == drawn.inputs[:-1]).all(axis=1)
    assert (drawn.labels[1:] != drawn.labels[:-1])[same].any()


def test_labels_are_those_of_the_network(drawn):
    assert drawn.log_probs.max() <= 0
    # The mean log-probability of a label is the negative entropy of its distribution, which ln 2 bounds.
    assert -np.log(2) < drawn.log_probs.mean() < 0
    sure = problem.draw(jax.random.key(0), 20, 1e-3, num_inputs=2, most_train=30, num_sets=400)
    assert sure.log_probs.mean() > -0.01


def test_the_truth_has_no_divergence_and_independent_guesses_one_that_adds_up(drawn):
    known = problem.divergences(drawn, drawn.log_probs[None])
    np.testing.assert_allclose([known["marginal"], known["joint"]], 0, atol=1e-4)
    guessed = problem.divergences(drawn, jnp.full((1, 4000), jnp.log(0.5)))
    np.testing.assert_allclose(guessed["joint"], 10 * guessed["marginal"], rtol=1e-4)


def test_draws_that_hold_together_have_a_smaller_joint_divergence(drawn):
    """Two functions, the truth and one that is wrong everywhere: half right in points, less wrong in sets."""
    wrong = jnp.log1p(-jnp.exp(drawn.log_probs) + 1e-6)
    found = problem.divergences(drawn, jnp.stack([drawn.log_probs, wrong]))
    guessed = problem.divergences(drawn, jnp.full((1, 4000), jnp.log(0.5)))
    np.testing.assert_allclose(found["marginal"], guessed["marginal"], atol=1e-3)
    assert found["joint"] < np.log(2) + 1e-3 < guessed["joint"]


def test_verdicts_follow_the_interval_of_the_log_ratio():
    rows = [
        (model, seed, *values)
        for seed in range(4)
        for model, *values in (
            ("mlp", 0.2 + 0.01 * seed, 2.0),
            ("a", 0.1, 2.0 + 0.1 * (seed % 2) - 0.05),
            ("b", 0.2, 4),
        )
    ]
    frame = pd.DataFrame(rows, columns=["model", "seed", "marginal", "joint"])
    lines = study.sentences(frame)
    assert lines[0] == "a: marginal predictions better, joint ones not shown to differ: as the paper claims of some"
    assert lines[1].endswith("joint ones worse")
    assert study.ratios(frame).set_index(["model", "kind"])["nats"]["b", "joint"] == 4.0


@pytest.mark.parametrize("name", MODELS)
def test_every_model_can_be_built_and_has_no_setting_that_its_posterior_lacks(name):
    posterior, _, settings = MODELS[name]
    assert set(settings) <= set(inspect.signature(FACTORIES[posterior]).parameters)
    assert callable(build(name, jnp.float32(0.1), num_inputs=2, num_steps=1000).fit)


def test_a_tiny_testbed_writes_its_table_and_continues(tmp_path, monkeypatch, capsys):
    study.main(study.Study(tiny=True, output=tmp_path))
    frame = pd.read_parquet(tmp_path / "divergences.parquet")
    assert frame["model"].unique().tolist() == ["mlp", "dropout"]
    assert frame.groupby("seed")["num_train"].unique()[0].tolist() == [2, 20]
    monkeypatch.setattr(study, "draw", None)
    study.main(study.Study(tiny=True, output=tmp_path))
    assert "dropout: marginal predictions" in capsys.readouterr().out
